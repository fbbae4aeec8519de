mod refused_head;
mod settings;
mod transport;

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use self::refused_head::RefusedHead;
pub(crate) use self::{settings::ConnectionSettings, transport::Transport};
use crate::link::{Link, Phase};

/// A connection of the public listener, between the socket and the HTTP server. It does what the server cannot:
///
/// - It finds out whether a client that closed its sending side still waits for the answer. The first bytes of the
///   answer, which are always the same, are sent early. The network stack of a client that has left resets the
///   connection, and the work on its request ends. A client that waits reads an answer like any other.
/// - It answers a head that is too large in JSON. The server's own answer has no body.
pub(crate) struct Connection {
    transport: Transport,
    link: Rc<Link>,
    settings: Rc<ConnectionSettings>,
    is_half_closed: bool,
    /// Bytes of the next answer that were sent early. The server does not know that, and will write them again.
    sent_early: usize,
    /// Whether the server has bytes that the socket did not accept yet.
    is_blocked: bool,
    watch: Option<Watch>,
    refused_head: Option<RefusedHead>,
}

/// How every answer begins, in any version of HTTP that the server speaks.
const ANSWER_BEGINS: &[u8] = b"HTTP/1.";
/// How long a client that closed its sending side inside a body is watched before its request fails. By then the reset
/// of a client that has left has arrived.
const WATCHED_INSIDE_BODY: Duration = Duration::from_millis(250);

impl Connection {
    pub(crate) fn new(transport: Transport, settings: Rc<ConnectionSettings>) -> Self {
        Self {
            transport,
            link: Rc::default(),
            settings,
            is_half_closed: false,
            sent_early: 0,
            is_blocked: false,
            watch: None,
            refused_head: None,
        }
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// What the edge and the body tell of the request.
    pub(crate) fn link(&self) -> &Rc<Link> {
        &self.link
    }

    /// After the end of the client's bytes: ready when the server may learn of it. The server would otherwise discard a
    /// part of the body that it has not passed on, and would no longer notice that a client has left.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let watches = self.settings.stops_when_client_leaves;
        match self.link.phase() {
            Phase::Idle if self.link.hold_back_once() => {
                // The bytes before the end may begin a request.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Phase::Idle => return Poll::Ready(Ok(())),
            Phase::AwaitsBody if !watches => return Poll::Ready(Ok(())),
            Phase::AwaitsBody | Phase::Serves => {}
        }
        self.link.wake_at_change(context.waker());
        if watches {
            let watched = self.watch_client(context)?;
            if self.link.phase() == Phase::AwaitsBody && watched > WATCHED_INSIDE_BODY {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }

    /// Checks whether a client that closed its sending side has left, now and repeatedly. Returns for how long it is
    /// watched. `Err` when it has left.
    fn watch_client(&mut self, context: &mut Context<'_>) -> io::Result<Duration> {
        while !self.is_blocked && self.sent_early < ANSWER_BEGINS.len() {
            let rest = &ANSWER_BEGINS[self.sent_early..];
            match Pin::new(&mut self.transport).poll_write(context, rest)? {
                Poll::Ready(written) if written > 0 => self.sent_early += written,
                Poll::Ready(_) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Pending => break,
            }
        }
        // With TLS, bytes that were written may still be in a buffer.
        let _ = Pin::new(&mut self.transport).poll_flush(context)?;
        let watch = self.watch.get_or_insert_with(Watch::new);
        watch.poll(context);
        match self.transport.socket().take_error()? {
            Some(reset) => Err(reset),
            None => Ok(watch.began.elapsed()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.is_half_closed {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.transport).poll_read(context, buffer))?;
            if buffer.filled().len() > before || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            this.is_half_closed = true;
        }
        this.poll_end(context)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.sent_early > 0 {
            let sent = std::mem::take(&mut this.sent_early);
            if !bytes.starts_with(&ANSWER_BEGINS[..sent]) {
                return Poll::Ready(Err(io::Error::other("an answer does not begin like one")));
            }
            return Poll::Ready(Ok(sent));
        }
        if this.refused_head.is_none() {
            this.refused_head = RefusedHead::of(bytes, &this.settings);
        }
        if let Some(refused) = &mut this.refused_head {
            ready!(refused.poll(&mut this.transport, context))?;
            this.refused_head = None;
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut this.transport).poll_write(context, bytes);
        this.is_blocked = written.is_pending();
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(context)
    }
}

/// Wakes the task of a connection at intervals that grow.
struct Watch {
    began: Instant,
    interval: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Watch {
    const SHORTEST: Duration = Duration::from_millis(1);
    const LONGEST: Duration = Duration::from_millis(50);

    fn new() -> Self {
        Self { began: Instant::now(), interval: Self::SHORTEST, timer: Box::pin(sleep(Self::SHORTEST)) }
    }

    fn poll(&mut self, context: &mut Context<'_>) {
        while self.timer.as_mut().poll(context).is_ready() {
            self.interval = (2 * self.interval).min(Self::LONGEST);
            self.timer.as_mut().reset(Instant::now() + self.interval);
        }
    }
}
