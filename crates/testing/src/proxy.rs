use std::{io, net::SocketAddr, path::PathBuf, str::FromStr};

use sqlx::{ConnectOptions as _, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    net::{TcpStream, UnixStream},
    sync::watch,
};

use crate::{network, startup::StartUp, test_database::TestDatabase};

/// A proxy between the test and its database. It can stop passing data on, or change the start-up options of clients.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    frozen: watch::Sender<bool>,
}

/// What a proxy changes in the first packet of each connection.
#[derive(Debug, Clone, Copy)]
enum Change {
    None,
    /// A text in the values of parameters is replaced.
    Replace(&'static str, &'static str),
    /// The parameter `options` is left out.
    DropOptions,
}

impl Proxy {
    /// A proxy that passes everything on until it is frozen.
    ///
    /// # Panics
    ///
    /// When no port of the loopback interface is free.
    pub async fn in_front_of(database: &TestDatabase) -> Self {
        Self::start(database, Change::None).await
    }

    /// A proxy that drops the start-up options of its clients, as poolers do that are told to ignore them.
    ///
    /// # Panics
    ///
    /// When no port of the loopback interface is free.
    pub async fn dropping_options(database: &TestDatabase) -> Self {
        Self::start(database, Change::DropOptions).await
    }

    /// A proxy that replaces a text in the start-up parameters of its clients.
    ///
    /// # Panics
    ///
    /// When no port of the loopback interface is free.
    pub async fn replacing(database: &TestDatabase, sent: &'static str, passed_on: &'static str) -> Self {
        Self::start(database, Change::Replace(sent, passed_on)).await
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

    async fn start(database: &TestDatabase, change: Change) -> Self {
        let (listener, address) = network::listener().await;
        let (server, url) = through(&database.url(), address);
        let (frozen, freezing) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, server.clone(), freezing.clone(), change));
            }
        });
        Self { url, frozen }
    }
}

/// Where a server listens.
#[derive(Debug, Clone)]
pub(crate) enum Server {
    Tcp(String, u16),
    Unix(PathBuf),
}

/// A connection to a server.
pub(crate) type Connection = Box<dyn Stream>;

/// What can be read and written.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Server {
    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        Ok(match self {
            Self::Tcp(host, port) => Box::new(TcpStream::connect((host.as_str(), *port)).await?),
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
        })
    }
}

/// The server of a database's URL, and the URL of the same database at another address.
pub(crate) fn through(url: &str, address: SocketAddr) -> (Server, String) {
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

async fn serve(
    mut client: TcpStream,
    server: Server,
    frozen: watch::Receiver<bool>,
    change: Change,
) -> io::Result<()> {
    let mut start_up = StartUp::read(&mut client).await?;
    match change {
        Change::None => {}
        Change::Replace(sent, passed_on) => start_up.replace(sent, passed_on),
        Change::DropOptions => start_up.remove("options"),
    }
    let mut server = server.connect().await?;
    frozen.clone().wait_for(|frozen| !frozen).await.map_err(io::Error::other)?;
    server.write_all(&start_up.bytes()).await?;
    let (from_client, to_client) = split(client);
    let (from_server, to_server) = split(server);
    tokio::select! {
        () = pass(from_client, to_server, frozen.clone()) => {}
        () = pass(from_server, to_client, frozen) => {}
    }
    Ok(())
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut frozen: watch::Receiver<bool>,
) {
    let mut packet = vec![0; 65536];
    while let Ok(length @ 1..) = from.read(&mut packet).await {
        if frozen.wait_for(|frozen| !frozen).await.is_err() || to.write_all(&packet[..length]).await.is_err()
        {
            return;
        }
    }
}
