use std::{
    io::{self, ErrorKind},
    path::PathBuf,
    time::{Duration, Instant},
};

use sqlx::postgres::PgConnectOptions;
use tokio::{
    net::{TcpStream, UnixStream},
    sync::Mutex,
};

use crate::options::socket_folder;

/// The address on which a server accepts connections, and the result of the last probe.
pub(crate) struct Listener {
    address: Address,
    last: Mutex<Option<Probe>>,
}

enum Address {
    Socket(PathBuf),
    Tcp(String, u16),
}

struct Probe {
    at: Instant,
    refusal: Option<String>,
}

/// How long the result of a probe is valid. Each caller waits at least this long before it asks, so that a shared
/// result is never from before its wait.
pub(crate) const PROBE_VALIDITY: Duration = Duration::from_millis(20);

impl Listener {
    pub(crate) fn of(options: &PgConnectOptions) -> Self {
        let port = options.get_port();
        let address = match socket_folder(options) {
            Some(folder) => Address::Socket(folder.join(format!(".s.PGSQL.{port}"))),
            None => Address::Tcp(options.get_host().to_owned(), port),
        };
        Self { address, last: Mutex::default() }
    }

    /// The error with which the server refuses a connection; `None` when it does not. Concurrent callers share one
    /// probe.
    pub(crate) async fn refusal(&self) -> Option<String> {
        let mut last = self.last.lock().await;
        if let Some(probe) = last.as_ref().filter(|probe| probe.at.elapsed() < PROBE_VALIDITY) {
            return probe.refusal.clone();
        }
        let error = self.connect().await.err();
        let refusal = error.filter(|error| error.kind() == ErrorKind::ConnectionRefused);
        let refusal = refusal.map(|error| error.to_string());
        *last = Some(Probe { at: Instant::now(), refusal: refusal.clone() });
        refusal
    }

    async fn connect(&self) -> io::Result<()> {
        match &self.address {
            Address::Socket(path) => UnixStream::connect(path).await.map(drop),
            Address::Tcp(host, port) => TcpStream::connect((host.as_str(), *port)).await.map(drop),
        }
    }
}
