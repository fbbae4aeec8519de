use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    net::{TcpStream, UnixStream},
    sync::watch,
};

use crate::{network, test_database::TestDatabase};

/// A proxy between the test and its database. It can stop passing data on, or change the start-up options of clients.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    frozen: watch::Sender<bool>,
}

/// A text in the first packet of each connection, and its replacement of the same length.
type Replacement = Option<(&'static str, &'static str)>;

impl Proxy {
    /// A proxy that passes everything on until it is frozen.
    ///
    /// # Panics
    ///
    /// When no port of the loopback interface is free.
    pub async fn in_front_of(database: &TestDatabase) -> Self {
        Self::start(database, None).await
    }

    /// A proxy that drops the request for read-only transactions, as a pooler may do.
    ///
    /// # Panics
    ///
    /// When no port of the loopback interface is free.
    pub async fn dropping_read_only(database: &TestDatabase) -> Self {
        let replacement = ("transaction_read_only=on", "transaction_read_only=no");
        Self::start(database, Some(replacement)).await
    }

    /// A proxy that drops the request for durable commits, as a pooler may do in front of a server that has them off.
    ///
    /// # Panics
    ///
    /// When no port of the loopback interface is free.
    pub async fn dropping_durability(database: &TestDatabase) -> Self {
        Self::start(database, Some(("synchronous_commit=on", "synchronous_commit=no"))).await
    }

    /// The database's URL through this proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops passing data on in both directions. No connection is closed.
    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// Passes on the data that was held back, and all further data.
    pub fn thaw(&self) {
        self.frozen.send_replace(false);
    }

    async fn start(database: &TestDatabase, replacement: Replacement) -> Self {
        let (listener, address) = network::listener().await;
        let (server, url) = through(&database.url(), address);
        let (frozen, freezing) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, server.clone(), freezing.clone(), replacement));
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
    assert!(changed.is_ok(), "the address in the database's URL cannot be replaced");
    // Without encryption, so that the proxy can read the first packet.
    url.set_query(Some("sslmode=disable"));
    (server, url.into())
}

async fn serve(client: TcpStream, server: Server, frozen: watch::Receiver<bool>, replacement: Replacement) {
    match server {
        Server::Tcp(host, port) => {
            if let Ok(server) = TcpStream::connect((host, port)).await {
                pass_both_ways(client, server, frozen, replacement).await;
            }
        }
        Server::Unix(path) => {
            if let Ok(server) = UnixStream::connect(path).await {
                pass_both_ways(client, server, frozen, replacement).await;
            }
        }
    }
}

async fn pass_both_ways(
    client: TcpStream,
    server: impl AsyncRead + AsyncWrite,
    frozen: watch::Receiver<bool>,
    replacement: Replacement,
) {
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    tokio::select! {
        () = pass(from_client, to_server, frozen.clone(), replacement) => {}
        () = pass(from_server, to_client, frozen, None) => {}
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut frozen: watch::Receiver<bool>,
    mut replacement: Replacement,
) {
    let mut packet = vec![0; 65536];
    while let Ok(length @ 1..) = from.read(&mut packet).await {
        if let Some((sent, passed_on)) = replacement.take() {
            replace(&mut packet[..length], sent.as_bytes(), passed_on.as_bytes());
        }
        if frozen.wait_for(|frozen| !frozen).await.is_err() || to.write_all(&packet[..length]).await.is_err()
        {
            return;
        }
    }
}

fn replace(packet: &mut [u8], sent: &[u8], passed_on: &[u8]) {
    if let Some(at) = packet.windows(sent.len()).position(|window| window == sent) {
        packet[at..at + sent.len()].copy_from_slice(passed_on);
    }
}
