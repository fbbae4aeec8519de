use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// One connection, which is kept for as long as the service keeps it.
#[derive(Debug)]
pub(crate) struct Connection(http1::SendRequest<Full<Bytes>>);

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nobody took the connection.
    NotConnected,
    /// The connection ended before the whole answer was there.
    Closed,
    /// What came was no answer.
    NoHttp,
    /// No answer in time.
    TimedOut,
    /// Too many requests were under way to send it when it was due.
    Overrun,
}

impl Failure {
    /// As it is printed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NotConnected => "not_connected",
            Self::Closed => "closed",
            Self::NoHttp => "no_http",
            Self::TimedOut => "timed_out",
            Self::Overrun => "overrun",
        }
    }
}

impl Connection {
    /// Connects to a host and port.
    pub(crate) async fn open(address: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await.map_err(|_| Failure::NotConnected)?;
        // An answer that is waited for is not held up by the kernel.
        stream.set_nodelay(true).map_err(|_| Failure::NotConnected)?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|_| Failure::NotConnected)?;
        // It ends with the sender, or with an error that the sender tells as well.
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Whether the other side has left it open, as far as can be known before a request is sent.
    pub(crate) async fn stands(&mut self) -> bool {
        self.0.ready().await.is_ok()
    }

    /// Sends a request and waits for its whole answer, whose status it returns.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<u16, Failure> {
        let mut answer = self.0.send_request(request).await.map_err(|error| failure_of(&error))?;
        while let Some(frame) = answer.frame().await {
            frame.map_err(|error| failure_of(&error))?;
        }
        Ok(answer.status().as_u16())
    }
}

fn failure_of(error: &hyper::Error) -> Failure {
    if error.is_parse() { Failure::NoHttp } else { Failure::Closed }
}
