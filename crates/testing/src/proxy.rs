use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    net::{TcpStream, UnixStream},
    sync::watch,
};

use crate::{network, test_database::TestDatabase};

/// A network between the test and its database that can go silent, or tamper with what clients ask for.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    frozen: watch::Sender<bool>,
}

/// A replacement in the first packet of each connection, of the same length as what it replaces.
type Tampering = Option<(&'static str, &'static str)>;

impl Proxy {
    /// A network that passes everything on, until it is told otherwise.
    ///
    /// # Panics
    ///
    /// When no port of the loopback interface is free.
    pub async fn before(database: &TestDatabase) -> Self {
        Self::start(database, None).await
    }

    /// A pooler that does not pass the request for read-only transactions on.
    ///
    /// # Panics
    ///
    /// When no port of the loopback interface is free.
    pub async fn losing_read_only(database: &TestDatabase) -> Self {
        let tampering = ("transaction_read_only=on", "transaction_read_only=no");
        Self::start(database, Some(tampering)).await
    }

    /// The database's URL through this network.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on nothing arrives, on either side, and no connection is closed.
    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// What was held back arrives, and everything after it.
    pub fn thaw(&self) {
        self.frozen.send_replace(false);
    }

    async fn start(database: &TestDatabase, tampering: Tampering) -> Self {
        let (listener, address) = network::listener().await;
        let (server, url) = through(&database.url(), address);
        let (frozen, freezing) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, server.clone(), freezing.clone(), tampering));
            }
        });
        Self { url, frozen }
    }
}

#[derive(Debug, Clone)]
enum Server {
    Tcp(String, u16),
    Unix(PathBuf),
}

fn through(url: &str, address: SocketAddr) -> (Server, String) {
    let options = PgConnectOptions::from_str(url).unwrap_or_else(|error| panic!("{error}"));
    let port = options.get_port();
    let folder = options.get_socket().cloned();
    let folder = folder.or_else(|| options.get_host().starts_with('/').then(|| options.get_host().into()));
    let server = match folder {
        Some(folder) => Server::Unix(folder.join(format!(".s.PGSQL.{port}"))),
        None => Server::Tcp(options.get_host().to_owned(), port),
    };
    let mut url = options.to_url_lossy();
    let changed = url.set_ip_host(address.ip()).and_then(|()| url.set_port(Some(address.port())));
    assert!(changed.is_ok(), "the database's URL takes no other address");
    // Encrypted, the first packet could not be read.
    url.set_query(Some("sslmode=disable"));
    (server, url.into())
}

async fn connect(client: TcpStream, server: Server, frozen: watch::Receiver<bool>, tampering: Tampering) {
    match server {
        Server::Tcp(host, port) => {
            if let Ok(server) = TcpStream::connect((host, port)).await {
                pass_both_ways(client, server, frozen, tampering).await;
            }
        }
        Server::Unix(path) => {
            if let Ok(server) = UnixStream::connect(path).await {
                pass_both_ways(client, server, frozen, tampering).await;
            }
        }
    }
}

async fn pass_both_ways(
    client: TcpStream,
    server: impl AsyncRead + AsyncWrite,
    frozen: watch::Receiver<bool>,
    tampering: Tampering,
) {
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    tokio::select! {
        () = pass(from_client, to_server, frozen.clone(), tampering) => {}
        () = pass(from_server, to_client, frozen, None) => {}
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut frozen: watch::Receiver<bool>,
    mut tampering: Tampering,
) {
    let mut packet = vec![0; 65536];
    while let Ok(length @ 1..) = from.read(&mut packet).await {
        if let Some((asked, passed_on)) = tampering.take() {
            replace(&mut packet[..length], asked.as_bytes(), passed_on.as_bytes());
        }
        if frozen.wait_for(|frozen| !frozen).await.is_err() || to.write_all(&packet[..length]).await.is_err()
        {
            return;
        }
    }
}

fn replace(packet: &mut [u8], asked: &[u8], passed_on: &[u8]) {
    if let Some(at) = packet.windows(asked.len()).position(|window| window == asked) {
        packet[at..at + asked.len()].copy_from_slice(passed_on);
    }
}
