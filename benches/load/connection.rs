use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection, which is used until the service closes it.
#[derive(Debug)]
pub(crate) struct Connection(http1::SendRequest<Full<Bytes>>);

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection could not be opened.
    NotConnected,
    /// The connection was closed before the answer was complete.
    Closed,
    /// The received bytes are not HTTP.
    NoHttp,
    /// No answer arrived within the timeout.
    TimedOut,
    /// It was not sent, because too many requests were in flight when it was due.
    Overrun,
}

impl Failure {
    /// The name in the printed figures.
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
        // Small packets must not be delayed.
        stream.set_nodelay(true).map_err(|_| Failure::NotConnected)?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|_| Failure::NotConnected)?;
        // The task ends with the sender, or with an error that the sender reports as well.
        tokio::spawn(connection);
        Ok(Self(sender))
    }

    /// Returns whether the connection is still open, as far as this can be known before a request is sent.
    pub(crate) async fn is_open(&mut self) -> bool {
        self.0.ready().await.is_ok()
    }

    /// Sends a request, waits for the whole answer, and returns its status.
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
