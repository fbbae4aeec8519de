use std::{
    net::IpAddr,
    panic::AssertUnwindSafe,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    Error, HttpMessage as _, HttpResponse, ResponseError as _,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{ConnectionType, StatusCode},
    middleware::Next,
};
use futures_util::FutureExt as _;
use padan_domain::{Percentage, ReasonCode};
use tracing::Instrument as _;

use crate::{
    answer::Report,
    body::{Body, Holding},
    limits::Limits,
    metrics::{Answered, Metrics},
    notes::Notes,
    operators::Stopping,
    panic,
    refusal::Refusal,
    request_id::RequestId,
    routes,
    traces::{self, TraceParent},
    trusted_proxies::CallerAddress,
};

/// What stands around every request of the public listener.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Limits,
    pub(crate) stopping: Stopping,
}

/// How a request ended, before it is dressed as an answer.
enum Ending {
    Answered(ServiceResponse<BoxBody>),
    /// The library's own error, or a panic: there is a response, and no request any more to go with it.
    Failed(HttpResponse),
}

impl Edge {
    /// Serves one request: gives it an id, its notes and its body, catches a panic, drains what was not read,
    /// logs and counts.
    pub(crate) async fn serve(
        self,
        mut request: ServiceRequest,
        next: Next<BoxBody>,
    ) -> Result<ServiceResponse<BoxBody>, Error> {
        let id = RequestId::of(request.headers());
        let limits = self.limits.of_request();
        let payload = request.take_payload();
        let body = Body::new(payload, request.head(), limits.bodies);
        body.may_take(&self.limits.memory);
        // What was offered instead of HTTP/1.1 is not taken up, and the server ends such a connection: say so.
        let offers_another_protocol = request.head().upgrade();
        let peer = request.peer_addr().map(|peer| limits.proxies.caller(peer.ip(), request.headers()));
        let mut visit = Visit::new(self.metrics, (routes::endpoint(request.path()), peer), id.clone());
        request.extensions_mut().insert(Rc::clone(&body));
        request.extensions_mut().insert(id.clone());
        request.extensions_mut().insert(Rc::clone(&visit.notes));
        if let Some(caller) = peer {
            request.extensions_mut().insert(CallerAddress(caller));
        }
        let (method, parent) = (request.method().clone(), TraceParent::of(request.headers()));
        // At the highest level, so that whatever a filter lets through has the id.
        let span = tracing::error_span!("request", id = id.recorded(), otel.kind = "server");
        if let Some(parent) = parent {
            traces::join(&span, parent);
        }
        let own = traces::own(&span);
        visit.trace = own.or(parent).map(|span| span.trace_id());

        let handled = AssertUnwindSafe(next.call(request).instrument(span.clone())).catch_unwind().await;
        let mut ending = match handled {
            Ok(Ok(response)) => Ending::Answered(response),
            Ok(Err(error)) => Ending::Failed(error.error_response()),
            Err(panic) => {
                visit.metrics.panicked(visit.endpoint);
                let cause = format!("a handler panicked: {}", panic::message(&*panic));
                Ending::Failed(Refusal::internal(cause).error_response())
            }
        };
        let report = ending.report();
        if let Ending::Answered(response) = &ending
            && let Some(pattern) = response.request().match_pattern()
        {
            // The path as it was understood: letters of it may have been sent percent-encoded.
            visit.endpoint = routes::endpoint(&pattern);
        }
        let may_go_on = body.drain().await && !offers_another_protocol;
        let response = ending.response_mut();
        id.tell(response.headers_mut());
        if let Some(value) = own.and_then(|own| own.value()) {
            response.headers_mut().insert(traces::HEADER, value);
        }
        if self.stopping.has_begun() {
            // Whoever calls again does so on a new connection, which a balancer leads elsewhere.
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        if !may_go_on {
            response.head_mut().set_connection_type(ConnectionType::Close);
            let held = std::mem::replace(response, HttpResponse::new(StatusCode::OK));
            *response = held.map_body(|_, whole| BoxBody::new(Holding { body: whole, _held: body }));
        }
        if visit.notes.client().is_some() && !visit.notes.is_over_share() {
            self.limits.saturation.note(report.reason == ReasonCode::Overloaded);
        }
        let status = response.status().as_u16();
        traces::describe(
            &span,
            &traces::Answered {
                request_id: id.recorded(),
                method: &method,
                endpoint: visit.endpoint,
                client: visit.client(),
                status,
                reason: report.reason.as_str(),
            },
        );
        visit.answered(status, &report);
        ending.into_result()
    }
}

impl Ending {
    /// What the handler reported. What it did not make itself is replaced by an answer of ours.
    fn report(&mut self) -> Report {
        let reported = self.response_mut().extensions().get::<Report>().cloned();
        reported.unwrap_or_else(|| {
            let refusal = Refusal::of_status(self.response_mut().status());
            *self.response_mut() = refusal.error_response();
            refusal.report()
        })
    }

    fn response_mut(&mut self) -> &mut HttpResponse {
        match self {
            Self::Answered(response) => response.response_mut(),
            Self::Failed(response) => response,
        }
    }

    fn into_result(self) -> Result<ServiceResponse<BoxBody>, Error> {
        match self {
            Self::Answered(response) => Ok(response),
            Self::Failed(response) => Err(InternalError::from_response("", response).into()),
        }
    }
}

/// One request on its way through. Dropped before it was answered, its client has left.
struct Visit {
    metrics: Arc<Metrics>,
    endpoint: &'static str,
    peer: Option<IpAddr>,
    id: RequestId,
    /// The id of the trace that it is a part of.
    trace: Option<String>,
    notes: Rc<Notes>,
    started: Instant,
    answered: bool,
}

impl Visit {
    fn new(metrics: Arc<Metrics>, (endpoint, peer): (&'static str, Option<IpAddr>), id: RequestId) -> Self {
        metrics.in_flight().inc();
        let (notes, started) = (Rc::default(), Instant::now());
        Self { metrics, endpoint, peer, id, trace: None, notes, started, answered: false }
    }

    fn answered(mut self, status: u16, report: &Report) {
        self.answered = true;
        let took = self.started.elapsed();
        let steps = self.notes.steps();
        self.metrics.answered(&Answered {
            endpoint: self.endpoint,
            status,
            reason: report.reason,
            took,
            steps: &steps,
            similarity: self.notes.similarity().map(Percentage::new),
            client: self.notes.client(),
            is_over_share: self.notes.is_over_share(),
        });
        let reason = report.reason.as_str();
        let (id, endpoint, client) = (self.id.recorded(), self.endpoint, self.client());
        let (ms, steps, peer) = (milliseconds(took), in_milliseconds(&steps), self.peer());
        let trace = self.trace.as_deref();
        if status >= 500 {
            let cause = report.cause.as_deref().unwrap_or("unknown");
            tracing::error!(id, trace, endpoint, client, peer, status, reason, ms, steps, cause, "answered");
        } else {
            tracing::info!(id, trace, endpoint, client, peer, status, reason, ms, steps, "answered");
        }
    }

    fn peer(&self) -> String {
        self.peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string())
    }

    fn client(&self) -> &str {
        self.notes.client().map_or("-", |client| client.as_str())
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.metrics.in_flight().dec();
        if !self.answered {
            self.metrics.abandoned(self.endpoint);
            let ms = milliseconds(self.started.elapsed());
            let (id, endpoint, client, peer) =
                (self.id.recorded(), self.endpoint, self.client(), self.peer());
            tracing::info!(id, endpoint, client, peer, ms, "the client left before the answer");
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

/// The steps as `registry=1.2 embed=30.5`.
fn in_milliseconds(steps: &[(&'static str, Duration)]) -> String {
    steps.iter().map(|(step, taken)| format!("{step}={}", milliseconds(*taken))).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "edge_tests.rs"]
mod tests;
