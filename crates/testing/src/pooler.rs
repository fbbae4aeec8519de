use std::{collections::VecDeque, io, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    network,
    proxy::{Connection, Server, through},
    startup::StartUp,
    test_database::TestDatabase,
};

/// A pooler that gives each transaction a server connection of its choice, and passes the names of prepared statements
/// on, as PgBouncer before 1.21 does in transaction mode. It refuses the same start-up parameters.
///
/// Server connections are used in turn, so that consecutive transactions of a client have different ones.
#[derive(Debug)]
pub struct SharingPooler {
    url: String,
}

type Idle = Arc<Mutex<VecDeque<Connection>>>;

/// A message of the protocol: its type, and all its bytes.
struct Message {
    kind: u8,
    bytes: Vec<u8>,
}

impl SharingPooler {
    /// Starts a pooler.
    ///
    /// # Panics
    ///
    /// When no port of the loopback interface is free.
    pub async fn in_front_of(database: &TestDatabase) -> Self {
        let (listener, address) = network::listener().await;
        let (server, url) = through(&database.url(), address);
        let idle = Idle::default();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, idle) = (server.clone(), Arc::clone(&idle));
                tokio::spawn(async move { serve(client, &server, &idle).await });
            }
        });
        Self { url }
    }

    /// The database's URL through this pooler.
    pub fn url(&self) -> &str {
        &self.url
    }
}

async fn serve(mut client: TcpStream, server: &Server, idle: &Idle) -> io::Result<()> {
    let start_up = StartUp::read(&mut client).await?;
    for parameter in ["options", "extra_float_digits"] {
        if start_up.has(parameter) {
            return client.write_all(&refusal(parameter)).await;
        }
    }
    let mut own = server.connect().await?;
    own.write_all(&start_up.bytes()).await?;
    authenticate(&mut client, &mut own).await?;
    put(idle, own);
    // The server connection of the transaction that is open.
    let mut held: Option<Connection> = None;
    loop {
        let mut request = Vec::new();
        loop {
            let message = Message::read(&mut client).await?;
            request.extend_from_slice(&message.bytes);
            match message.kind {
                // Sync and Query are answered with ReadyForQuery.
                b'S' | b'Q' => break,
                b'X' => return Ok(()),
                _ => {}
            }
        }
        let Some(mut connection) = held.take().or_else(|| take(idle)) else {
            return Err(io::Error::other("no server connection is idle"));
        };
        connection.write_all(&request).await?;
        loop {
            let message = Message::read(&mut connection).await?;
            client.write_all(&message.bytes).await?;
            match (message.kind, message.bytes.last()) {
                (b'Z', Some(b'I')) => {
                    put(idle, connection);
                    break;
                }
                (b'Z', _) => {
                    held = Some(connection);
                    break;
                }
                _ => {}
            }
        }
    }
}

/// Passes the messages of authentication on, until the server is ready.
async fn authenticate(client: &mut TcpStream, server: &mut Connection) -> io::Result<()> {
    loop {
        let message = Message::read(server).await?;
        client.write_all(&message.bytes).await?;
        match (message.kind, message.bytes.get(5..9)) {
            (b'Z', _) => return Ok(()),
            // AuthenticationOk and AuthenticationSASLFinal need no answer.
            (b'R', Some([0, 0, 0, 0 | 12])) => {}
            (b'R', _) => server.write_all(&Message::read(client).await?.bytes).await?,
            _ => {}
        }
    }
}

impl Message {
    async fn read(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> io::Result<Self> {
        let kind = from.read_u8().await?;
        let length = from.read_u32().await?;
        let mut bytes = vec![kind];
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.resize(1 + length as usize, 0);
        if let Some(content) = bytes.get_mut(5..) {
            from.read_exact(content).await?;
        }
        Ok(Self { kind, bytes })
    }
}

fn refusal(parameter: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0C08P01\0Munsupported startup parameter: {parameter}\0\0");
    let length = u32::try_from(4 + fields.len()).unwrap_or_default();
    [b"E".as_slice(), &length.to_be_bytes(), fields.as_bytes()].concat()
}

fn take(idle: &Idle) -> Option<Connection> {
    idle.lock().pop_front()
}

fn put(idle: &Idle, connection: Connection) {
    idle.lock().push_back(connection);
}
