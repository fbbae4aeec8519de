use std::{
    cell::{Ref, RefCell},
    future::{Ready, ready},
    net::IpAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload};
use padan_domain::Percentage;
use padan_verification::KnownClient;

use crate::{body::Body, refusal::Refusal, request_id::RequestId};

/// One request on the public listener, from its head to its answer.
///
/// The edge makes it and inserts it into the request; a handler takes it as an argument. A request to a handler outside
/// the edge is answered 500. Handlers record here what the edge needs for the log and the metrics, which it gets even
/// after a panic of the handler.
#[derive(Clone)]
pub(crate) struct Visit(Rc<Inner>);

struct Inner {
    id: RequestId,
    caller_address: Option<IpAddr>,
    body: Rc<Body>,
    started: Instant,
    record: RefCell<VisitRecord>,
}

/// What the log and the metrics show of a request.
#[derive(Default)]
pub(crate) struct VisitRecord {
    /// The client, once its credentials were found to be right.
    pub(crate) client: Option<KnownClient>,
    /// The steps that were taken, and how long each took.
    pub(crate) steps: Vec<(&'static str, Duration)>,
    /// The similarity of two faces that were compared.
    pub(crate) similarity: Option<Percentage>,
    /// The score of a selfie that was judged for liveness.
    pub(crate) spoof: Option<f64>,
    /// Whether a field differs, or the NIK is unknown.
    pub(crate) is_miss: bool,
    /// Whether a face was compared for a person for whom many faces have failed.
    pub(crate) is_repeated_face: bool,
    /// Which load of its own client the request was refused for.
    pub(crate) own_load: Option<OwnLoad>,
}

impl VisitRecord {
    /// Whether a sandbox client is answered.
    pub(crate) fn is_sandbox(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.is_sandbox)
    }

    /// The client's name, for log and traces; `-` before it is known.
    pub(crate) fn client_name(&self) -> &str {
        self.client.as_ref().map_or("-", |client| client.name.as_str())
    }
}

/// A load that a client causes itself, and for which only its own requests are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnLoad {
    /// It has too many requests in flight.
    Share,
    /// Too many requests for one person, or of a client near its limit of failures, wait for each other.
    Turn,
}

impl Visit {
    /// Begins with the request's head. `caller_address` is `None` when the connection was reset already.
    pub(crate) fn new(id: RequestId, caller_address: Option<IpAddr>, body: Rc<Body>) -> Self {
        let (started, record) = (Instant::now(), RefCell::default());
        Self(Rc::new(Inner { id, caller_address, body, started, record }))
    }

    /// The id under which the request is answered and recorded.
    pub(crate) fn id(&self) -> &RequestId {
        &self.0.id
    }

    /// The caller's address, behind the proxies that are trusted.
    pub(crate) fn caller_address(&self) -> Option<IpAddr> {
        self.0.caller_address
    }

    /// The request's body.
    pub(crate) fn body(&self) -> &Rc<Body> {
        &self.0.body
    }

    /// The time since the request's head was read.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// The record so far.
    pub(crate) fn record(&self) -> Ref<'_, VisitRecord> {
        self.0.record.borrow()
    }

    /// Changes the record.
    pub(crate) fn update(&self, change: impl FnOnce(&mut VisitRecord)) {
        change(&mut self.0.record.borrow_mut());
    }
}

impl FromRequest for Visit {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let visit = request.extensions().get::<Self>().cloned();
        ready(visit.ok_or_else(|| Refusal::internal("a handler is mounted outside the edge".into())))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, http::StatusCode, test, web};

    use super::*;

    #[actix_web::test]
    async fn a_handler_outside_the_edge_is_a_500() {
        let handler = |_: Visit| ready("an answer without an audit row");
        let app = test::init_service(App::new().route("/", web::get().to(handler))).await;
        let response = test::call_service(&app, test::TestRequest::get().uri("/").to_request()).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
