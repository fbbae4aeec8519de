use std::{panic::AssertUnwindSafe, rc::Rc, sync::Arc, time::Duration};

use actix_web::{
    Error, HttpMessage as _, HttpResponse, ResponseError as _,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        ConnectionType, Method, StatusCode,
        header::{HeaderName, HeaderValue},
    },
    middleware::Next,
};
use futures_util::FutureExt as _;
use padan_domain::ReasonCode;
use tracing::{Instrument as _, Span};

use crate::{
    activity::Activity,
    answer::Report,
    body::{Body, KeepingBody},
    endpoints::AUDITED,
    limits::Limits,
    link::{Link, Serving},
    metrics::{Answered, Metrics},
    operators::Stopping,
    panic,
    refusal::Refusal,
    request_id::RequestId,
    routes,
    traces::{self, TraceParent},
    visit::Visit,
};

/// Wraps every request of the public listener.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) activity: Activity,
    pub(crate) limits: Limits,
    pub(crate) stopping: Stopping,
}

/// The header of answers that are about nobody, because a sandbox client is answered.
pub(crate) const SANDBOX: HeaderName = HeaderName::from_static("sandbox");

/// The result of a handler, before the edge completes it.
enum Ending {
    Answered(ServiceResponse<BoxBody>),
    /// An error of actix-web, or a panic: a response without its request.
    Failed(HttpResponse),
}

impl Edge {
    /// Serves one request: gives it an id and a body, catches a panic, drains what was not read, logs and counts.
    pub(crate) async fn serve(
        self,
        mut request: ServiceRequest,
        next: Next<BoxBody>,
    ) -> Result<ServiceResponse<BoxBody>, Error> {
        let mut exchange = self.begin(&mut request);
        let mut ending = exchange.guard(next.call(request)).await;
        let report = ending.report();
        self.complete(&mut exchange, &mut ending).await;
        self.log(exchange, ending.status(), &report);
        ending.into_result()
    }

    /// Takes over the request's body and makes the visit that its handler extracts.
    fn begin(&self, request: &mut ServiceRequest) -> Exchange {
        let id = RequestId::of(request.headers());
        let limits = self.limits.for_request();
        let payload = request.take_payload();
        let body = Body::new(payload, request.head(), limits.bodies);
        body.share_memory(&self.limits.memory);
        let link = request.conn_data::<Rc<Link>>().cloned();
        if let Some(link) = &link {
            body.report_to(Rc::clone(link));
        }
        let caller_address =
            request.peer_addr().map(|peer| limits.proxies.caller(peer.ip(), request.headers()));
        // At the highest level, so that every line that a filter lets through has the id.
        let span = tracing::error_span!("request", id = id.recorded(), otel.kind = "server");
        let parent = TraceParent::of(request.headers());
        if let Some(parent) = parent {
            traces::join(&span, parent);
        }
        let visit = Visit::new(id, caller_address, body);
        request.extensions_mut().insert(visit.clone());
        self.metrics.in_flight().inc();
        Exchange {
            metrics: Arc::clone(&self.metrics),
            visit,
            endpoint: routes::endpoint_label(request.path()),
            method: request.method().clone(),
            own_trace: traces::own(&span),
            parent_trace: parent,
            span,
            offers_another_protocol: request.head().upgrade(),
            is_answered: false,
            _serving: link.as_ref().map(Link::begin),
        }
    }

    /// Drains the rest of the request's body and adds the headers that every answer has.
    async fn complete(&self, exchange: &mut Exchange, ending: &mut Ending) {
        if let Ending::Answered(response) = &*ending
            && let Some(pattern) = response.request().match_pattern()
        {
            // The path as the router understood it: a client may percent-encode any of its letters.
            exchange.endpoint = routes::endpoint_label(&pattern);
        }
        let body = exchange.visit.body();
        // Another protocol that the client offers is not supported, and the server closes such a connection.
        let is_reusable = body.drain().await && !exchange.offers_another_protocol;
        let response = ending.response_mut();
        exchange.visit.id().insert_into(response.headers_mut());
        if exchange.visit.record().is_sandbox() {
            response.headers_mut().insert(SANDBOX, HeaderValue::from_static("true"));
        }
        if let Some(value) = exchange.own_trace.and_then(|own| own.value()) {
            response.headers_mut().insert(traces::HEADER, value);
        }
        if self.stopping.has_begun() {
            // The client's next request comes on a new connection, which a balancer sends to another process.
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        if !is_reusable {
            response.head_mut().set_connection_type(ConnectionType::Close);
            let whole = std::mem::replace(response, HttpResponse::new(StatusCode::OK));
            *response =
                whole.map_body(|_, own| BoxBody::new(KeepingBody { body: own, _kept: Rc::clone(body) }));
        }
    }

    /// Records the answered request in saturation, trace, metrics and log.
    fn log(&self, mut exchange: Exchange, status: u16, report: &Report) {
        exchange.is_answered = true;
        let visit = exchange.visit.record();
        // A test person may stand for a full service.
        if visit.client.is_some() && visit.own_load.is_none() && !visit.is_sandbox() {
            self.limits.saturation.record(report.reason == ReasonCode::Overloaded);
        }
        let (id, endpoint) = (exchange.visit.id().recorded(), exchange.endpoint);
        let (client, is_sandbox) = (visit.client_name(), visit.is_sandbox());
        let reason = report.reason.as_str();
        let method = &exchange.method;
        traces::describe(
            &exchange.span,
            &traces::Answered { request_id: id, method, endpoint, client, status, reason },
        );
        let took = exchange.visit.elapsed();
        self.metrics.answered(&Answered {
            endpoint,
            status,
            reason: report.reason,
            took,
            steps: &visit.steps,
            similarity: visit.similarity,
            spoof: visit.spoof,
            client: visit.client.as_ref(),
            is_miss: visit.is_miss,
            is_repeated_face: visit.is_repeated_face,
            own_load: visit.own_load,
        });
        if AUDITED.iter().any(|audited| audited.endpoint.as_str() == endpoint) {
            self.activity.answered(status, took);
        }
        let exported = exchange.own_trace.map(|span| span.trace_id());
        let trace = exported.or_else(|| exchange.parent_trace?.harmless_trace_id());
        let trace = trace.as_deref();
        let (ms, steps, peer) = (milliseconds(took), in_milliseconds(&visit.steps), exchange.peer());
        let sandbox = is_sandbox.then_some(true);
        // A 5xx for which a test person stands is no fault, and has no cause.
        if status >= 500 && !(is_sandbox && report.cause.is_none()) {
            let cause = report.cause.as_deref().unwrap_or("unknown");
            tracing::error!(
                id, trace, endpoint, client, sandbox, peer, status, reason, ms, steps, cause, "answered"
            );
        } else {
            tracing::info!(id, trace, endpoint, client, sandbox, peer, status, reason, ms, steps, "answered");
        }
    }
}

impl Ending {
    /// The reason that the handler gave. A response that actix-web made itself is replaced by a `Refusal`.
    fn report(&mut self) -> Report {
        let reported = self.response_mut().extensions().get::<Report>().cloned();
        reported.unwrap_or_else(|| {
            let refusal = Refusal::of_status(self.response_mut().status());
            *self.response_mut() = refusal.error_response();
            refusal.report()
        })
    }

    fn status(&mut self) -> u16 {
        self.response_mut().status().as_u16()
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

/// A request and its data that only the edge uses. If this is dropped before the answer, the client has left.
struct Exchange {
    metrics: Arc<Metrics>,
    visit: Visit,
    /// The label of the path in logs and metrics.
    endpoint: &'static str,
    method: Method,
    span: Span,
    /// The span of this request, if traces are exported.
    own_trace: Option<TraceParent>,
    /// The span that the client sent.
    parent_trace: Option<TraceParent>,
    offers_another_protocol: bool,
    is_answered: bool,
    _serving: Option<Serving>,
}

impl Exchange {
    /// Awaits the handler. A panic becomes a 500.
    async fn guard(&self, handler: impl Future<Output = Result<ServiceResponse<BoxBody>, Error>>) -> Ending {
        match AssertUnwindSafe(handler.instrument(self.span.clone())).catch_unwind().await {
            Ok(Ok(response)) => Ending::Answered(response),
            Ok(Err(error)) => Ending::Failed(error.error_response()),
            Err(panic) => {
                self.metrics.panicked(self.endpoint);
                let cause = format!("a handler panicked: {}", panic::message(&*panic));
                Ending::Failed(Refusal::internal(cause).error_response())
            }
        }
    }

    fn peer(&self) -> String {
        self.visit.caller_address().map_or_else(|| "-".to_owned(), |address| address.to_string())
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.metrics.in_flight().dec();
        if !self.is_answered {
            self.metrics.abandoned(self.endpoint);
            let visit = self.visit.record();
            let client = visit.client_name();
            let (id, endpoint, peer) = (self.visit.id().recorded(), self.endpoint, self.peer());
            let ms = milliseconds(self.visit.elapsed());
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
mod tests;
