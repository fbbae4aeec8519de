mod deadlines;
pub(crate) mod framing;
mod refused_head;
mod settings;
mod socket;
mod transport;
mod watch;

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::{
    deadlines::{Deadlines, Stage},
    framing::Framing,
    refused_head::RefusedHead,
    watch::Watch,
};
pub(crate) use self::{settings::ConnectionSettings, socket::Socket, transport::Transport};
use crate::{
    connections::Cut,
    link::{Link, Phase},
};

/// A connection of a listener, between the socket and the HTTP server. It does what the server cannot:
///
/// - It ends a connection whose client sends no head, or a head too slowly, or does not read its answer. actix-http
///   documents that its `client_request_timeout` is for the first request of a connection, and its dispatcher says so
///   too (`h1/dispatcher.rs`, 3.20). The first byte of a further head also stops its keep-alive timer, so that one byte
///   after an answer held a connection for ever. For writing it has no timer. Heads that were waited for without a limit
///   were reported (actix-web issue 928), and the first head got its limit (change 2611); no report about further heads
///   was found. Both timers of actix-http are off, and `deadlines` takes their place.
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
    framing: Framing,
    deadlines: Deadlines,
    /// The answer to a head that did not arrive in time.
    late_head: Option<RefusedHead>,
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
            deadlines: Deadlines::new(settings.times),
            framing: Framing::default(),
            late_head: None,
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
            None => Ok(watch.elapsed()),
        }
    }

    /// When the client sends nothing: ready when it had its time. The server then sees the end of the client's bytes,
    /// and closes the connection.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.deadlines.advance(&self.link, &self.framing);
        let Some(stage) = self.deadlines.poll(context) else {
            return Poll::Pending;
        };
        // A client that sent nothing is not answered: it could take the answer for that to its next request.
        if stage != Stage::Head || self.is_blocked || self.sent_early > 0 {
            return Poll::Ready(Ok(()));
        }
        let late = self.late_head.get_or_insert_with(|| {
            self.settings.limits.connections.count_cut(Cut::Head);
            RefusedHead::late(&self.settings)
        });
        late.poll(&mut self.transport, context)
    }

    /// Ends a connection whose client does not read its answer. `is_whole`: nothing is left to write when `polled` is
    /// ready. The time is that for the whole answer, so that a client cannot stay by reading single bytes.
    fn limit_answer<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
        is_whole: bool,
    ) -> Poll<io::Result<T>> {
        if polled.is_pending() && self.deadlines.poll_answer(context).is_ready() {
            self.settings.limits.connections.count_cut(Cut::Answer);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if polled.is_ready() && is_whole {
            self.deadlines.answer_is_read();
        }
        polled
    }

    fn poll_write_bytes(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.sent_early > 0 {
            let sent = std::mem::take(&mut self.sent_early);
            if !bytes.starts_with(&ANSWER_BEGINS[..sent]) {
                return Poll::Ready(Err(io::Error::other("an answer does not begin like one")));
            }
            return Poll::Ready(Ok(sent));
        }
        if self.refused_head.is_none() {
            self.refused_head = RefusedHead::of(bytes, &self.settings);
        }
        if let Some(refused) = &mut self.refused_head {
            ready!(refused.poll(&mut self.transport, context))?;
            self.refused_head = None;
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.transport).poll_write(context, bytes);
        self.is_blocked = written.is_pending();
        written
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_half_closed {
            return this.poll_end(context);
        }
        if this.late_head.is_some() {
            return this.poll_deadline(context);
        }
        let before = buffer.filled().len();
        let Poll::Ready(read) = Pin::new(&mut this.transport).poll_read(context, buffer) else {
            return this.poll_deadline(context);
        };
        read?;
        if buffer.filled().len() > before || buffer.remaining() == 0 {
            this.framing.read(&buffer.filled()[before..]);
            return Poll::Ready(Ok(()));
        }
        this.is_half_closed = true;
        this.poll_end(context)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = this.poll_write_bytes(context, bytes);
        this.limit_answer(context, polled, false)
    }

    /// The server calls this whenever it has done what it can, after all bytes were written.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.deadlines.advance(&this.link, &this.framing);
        this.deadlines.wake_when_over(context);
        let polled = Pin::new(&mut this.transport).poll_flush(context);
        this.limit_answer(context, polled, true)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.transport).poll_shutdown(context);
        this.limit_answer(context, polled, true)
    }
}
