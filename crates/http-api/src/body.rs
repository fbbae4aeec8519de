use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    HttpRequest,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, RequestHead},
    error::PayloadError,
    http::{
        Method,
        header::{CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING, UPGRADE},
    },
    web::Bytes,
};
use futures_util::StreamExt as _;
use padan_domain::{ClientName, ReasonCode};
use tokio::time::Instant;

use crate::{
    body_memory::{BodyMemory, HeldMemory},
    config::BodyLimits,
    link::Link,
    refusal::Refusal,
};

/// A request's body. It must live until the response is encoded: dropped earlier, the server would read the rest of the
/// body for as long as the client sends it. What a handler leaves unread is drained, within limits.
pub(crate) struct Body {
    payload: RefCell<Payload>,
    state: Cell<State>,
    seen: Cell<u64>,
    /// The body's length, for a request whose body the server would read until the connection ends.
    ends_after: Option<u64>,
    limits: BodyLimits,
    /// The memory that all bodies share.
    memory: RefCell<Option<BodyMemory>>,
    /// The connection, which must know whether the body waits for bytes.
    link: RefCell<Option<Rc<Link>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There may be more bytes.
    Open,
    /// The body was read to its end.
    Ended,
    /// The body did not arrive in time.
    GivenUp,
    /// The transfer is malformed.
    Broken,
}

impl Body {
    pub(crate) fn new(payload: Payload, head: &RequestHead, limits: BodyLimits) -> Rc<Self> {
        Rc::new(Self {
            payload: RefCell::new(payload),
            state: Cell::new(State::Open),
            seen: Cell::new(0),
            ends_after: is_taken_for_a_stream(head).then(|| announced(&head.headers).unwrap_or(0)),
            limits,
            memory: RefCell::default(),
            link: RefCell::default(),
        })
    }

    /// Counts the body against the memory that all bodies share.
    pub(crate) fn share_memory(&self, memory: &BodyMemory) {
        self.memory.replace(Some(memory.clone()));
    }

    /// Charges the memory to the client whose request this is.
    pub(crate) fn charge_to(&self, client: &ClientName) {
        if let Some(memory) = self.memory.borrow_mut().as_mut() {
            *memory = memory.charged_to(client);
        }
    }

    /// Tells the connection when the body waits for bytes.
    pub(crate) fn report_to(&self, link: Rc<Link>) {
        self.link.replace(Some(link));
    }

    /// Reads the whole body, within its limits of bytes and time.
    pub(crate) async fn read(&self, request: &HttpRequest) -> Result<Bytes, Refusal> {
        let announced =
            announced(request.headers()).map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if announced.is_some_and(|announced| announced > self.limits.body_bytes) {
            return Err(Refusal::new(ReasonCode::BodyTooLarge));
        }
        let mut memory = self.reservation();
        reserve(&mut memory, announced.unwrap_or_default())?;
        let mut whole = Vec::with_capacity(announced.unwrap_or_default());
        self.read_into(&mut whole, &mut memory).await?;
        Ok(memory.holding(whole))
    }

    /// Reads the body into `whole`. The time that it may take grows with the bytes that arrive.
    async fn read_into(&self, whole: &mut Vec<u8>, memory: &mut HeldMemory) -> Result<(), Refusal> {
        let began = Instant::now();
        loop {
            let deadline = began + self.limits.time_for(self.seen.get());
            let Ok(chunk) = tokio::time::timeout_at(deadline, self.next()).await else {
                self.state.set(State::GivenUp);
                return Err(Refusal::new(ReasonCode::RequestTimeout));
            };
            let Some(chunk) = chunk else {
                return Ok(());
            };
            let chunk = chunk.map_err(|error| broken(&error))?;
            let length = whole.len() + chunk.len();
            if length > self.limits.body_bytes {
                return Err(Refusal::new(ReasonCode::BodyTooLarge));
            }
            if length > whole.capacity() {
                // Doubled as usual, but never beyond the limit.
                let roomy = (2 * whole.capacity()).clamp(length, self.limits.body_bytes);
                reserve(memory, roomy)?;
                whole.reserve_exact(roomy - whole.len());
            }
            whole.extend_from_slice(&chunk);
        }
    }

    /// The longest body, also after it is inflated.
    pub(crate) fn limit_bytes(&self) -> usize {
        self.limits.body_bytes
    }

    /// An empty reservation in the memory that all bodies share, for data that is decoded from this one. A body that
    /// shares none, on the operators' listener, needs no reservation.
    pub(crate) fn reservation(&self) -> HeldMemory {
        self.memory.borrow().as_ref().map_or_else(HeldMemory::uncounted, BodyMemory::reservation)
    }

    /// Reads and discards the rest, up to a limit of bytes and time. Returns whether the end was reached. If not, the
    /// connection cannot be used again.
    pub(crate) async fn drain(&self) -> bool {
        let draining = async {
            while self.seen.get() <= self.limits.drain_bytes && self.state.get() == State::Open {
                let _ = self.next().await;
            }
        };
        let _ = tokio::time::timeout(self.limits.drain_time, draining).await;
        self.state.get() == State::Ended
    }

    /// Whether the transfer is malformed, for example by an invalid chunk size. The server closes such a connection, so
    /// an answer must not wait.
    pub(crate) fn is_broken(&self) -> bool {
        self.state.get() == State::Broken
    }

    async fn next(&self) -> Option<Result<Bytes, PayloadError>> {
        if self.ends_after.is_some_and(|end| self.seen.get() >= end) {
            self.state.set(State::Ended);
        }
        if self.state.get() != State::Open {
            return None;
        }
        // Borrowed only while it is polled, so that a reader that is dropped leaves the payload in place.
        let mut chunk = poll_fn(|context| {
            let polled = self.payload.borrow_mut().poll_next_unpin(context);
            if let Some(link) = &*self.link.borrow() {
                link.set_awaits_body(polled.is_pending());
            }
            polled
        })
        .await;
        if let (Some(end), Some(Ok(bytes))) = (self.ends_after, &mut chunk) {
            bytes.truncate(usize::try_from(end - self.seen.get()).unwrap_or(usize::MAX));
        }
        match &chunk {
            Some(Ok(bytes)) => self.seen.set(self.seen.get() + bytes.len() as u64),
            Some(Err(_)) => self.state.set(State::Broken),
            None => self.state.set(State::Ended),
        }
        chunk
    }
}

/// Grows a reservation to `bytes` in total.
///
/// # Errors
///
/// 429 when all bodies together, or those of the client, need too much memory.
pub(crate) fn reserve(memory: &mut HeldMemory, bytes: usize) -> Result<(), Refusal> {
    memory.grow_to(bytes).map_err(Refusal::overloaded)
}

/// Whether the server would read the body until the connection ends, as it does for CONNECT and WebSocket.
fn is_taken_for_a_stream(head: &RequestHead) -> bool {
    let is_websocket = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket");
    let is_chunked = head.headers.contains_key(TRANSFER_ENCODING);
    !is_chunked && (head.method == Method::CONNECT || head.headers.get_all(UPGRADE).any(is_websocket))
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A response's body that keeps something, such as the request's body, until it is written to its end.
pub(crate) struct KeepingBody<T> {
    pub(crate) body: BoxBody,
    pub(crate) _kept: T,
}

impl<T: Unpin> MessageBody for KeepingBody<T> {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

/// The refusal of a malformed transfer: an invalid chunk, or fewer bytes than announced.
fn broken(error: &PayloadError) -> Refusal {
    tracing::debug!(%error, "a body could not be read");
    Refusal::new(ReasonCode::MalformedForm)
}
