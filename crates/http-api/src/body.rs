use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use actix_web::{
    HttpMessage as _, HttpRequest,
    dev::Payload,
    error::PayloadError,
    http::header::CONTENT_LENGTH,
    web::{Bytes, BytesMut},
};
use futures_util::StreamExt as _;
use padan_domain::ReasonCode;

use crate::{config::BodyLimits, refusal::Refusal};

/// A request's body. It lives until the answer is written, so that what a handler left is drained.
pub(crate) struct Body {
    payload: RefCell<Payload>,
    state: Cell<State>,
    seen: Cell<u64>,
    limits: BodyLimits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There may be more.
    Open,
    /// It was read to its end.
    Ended,
    /// Nothing more of it will come in time.
    GivenUp,
}

impl Body {
    pub(crate) fn new(payload: Payload, limits: BodyLimits) -> Rc<Self> {
        Rc::new(Self {
            payload: RefCell::new(payload),
            state: Cell::new(State::Open),
            seen: Cell::new(0),
            limits,
        })
    }

    /// The body of a request that passed the edge.
    pub(crate) fn of(request: &HttpRequest) -> Result<Rc<Self>, Refusal> {
        request
            .extensions()
            .get::<Rc<Self>>()
            .cloned()
            .ok_or_else(|| Refusal::internal("a handler is mounted outside the edge".into()))
    }

    /// Reads the whole body, within its limits of bytes and time.
    pub(crate) async fn read(&self, request: &HttpRequest) -> Result<Bytes, Refusal> {
        let announced = request
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|announced| announced > self.limits.body_bytes) {
            return Err(Refusal::new(ReasonCode::BodyTooLarge));
        }
        let mut whole = BytesMut::with_capacity(announced.unwrap_or_default());
        let reading = async {
            while let Some(chunk) = self.next().await {
                let chunk = chunk.map_err(|error| broken(&error))?;
                if whole.len() + chunk.len() > self.limits.body_bytes {
                    return Err(Refusal::new(ReasonCode::BodyTooLarge));
                }
                whole.extend_from_slice(&chunk);
            }
            Ok(())
        };
        let read = tokio::time::timeout(self.limits.body_time, reading).await.unwrap_or_else(|_| {
            self.state.set(State::GivenUp);
            Err(Refusal::new(ReasonCode::RequestTimeout))
        });
        read?;
        Ok(whole.freeze())
    }

    /// Reads on and throws away, up to a limit of bytes and time. Returns whether the end was reached; if not,
    /// the connection cannot be used again.
    pub(crate) async fn drain(&self) -> bool {
        let draining = async {
            while self.seen.get() <= self.limits.drain_bytes && self.state.get() == State::Open {
                let _ = self.next().await;
            }
        };
        let _ = tokio::time::timeout(self.limits.drain_time, draining).await;
        self.state.get() == State::Ended
    }

    async fn next(&self) -> Option<Result<Bytes, PayloadError>> {
        // Taken out while it is awaited; a reader that is dropped midway leaves a body without an end.
        let mut payload = self.payload.replace(Payload::None);
        let chunk = match self.state.get() {
            State::Open => payload.next().await,
            State::Ended | State::GivenUp => None,
        };
        self.payload.replace(payload);
        match &chunk {
            Some(Ok(bytes)) => self.seen.set(self.seen.get() + bytes.len() as u64),
            Some(Err(_)) => self.state.set(State::GivenUp),
            None => self.state.set(State::Ended),
        }
        chunk
    }
}

/// A body whose transfer is not in order: chunks that are none, or fewer bytes than announced.
fn broken(error: &PayloadError) -> Refusal {
    tracing::debug!(%error, "a body could not be read");
    Refusal::new(ReasonCode::MalformedForm)
}
