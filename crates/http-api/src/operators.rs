use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use actix_web::{
    Error, HttpMessage as _, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{ConnectionType, header::CONTENT_TYPE},
    middleware::Next,
    web,
};
use padan_verification::{Clients, Verifier};

use crate::{
    activity::Activity,
    body::{Body, KeepingBody},
    config::BodyLimits,
    connections::Connections,
    link::Link,
    management,
    metrics::Metrics,
    readiness::Readiness,
    saturation::Saturation,
    status_report::StatusReport,
};

/// Whether the service is stopping.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stopping(Arc<AtomicBool>);

impl Stopping {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Mounts the operators' endpoints.
pub(crate) fn endpoints(config: &mut web::ServiceConfig) {
    config
        .route("/metrics", web::get().to(metrics))
        .route("/healthz", web::get().to(healthz))
        .route("/readyz", web::get().to(readyz))
        .route("/status", web::get().to(status));
}

/// Takes over the body of a request. Only the management interface reads it; otherwise it is discarded. If some of it is
/// left, the connection is closed after the answer.
pub(crate) async fn with_limited_bodies(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let payload = request.take_payload();
    let is_read = management::is_management_path(request.path());
    let limits = if is_read { management::body_limits_of(request.path()) } else { BodyLimits::NONE };
    let body = Body::new(payload, request.head(), limits);
    let link = request.conn_data::<Rc<Link>>().cloned();
    if let Some(link) = &link {
        body.report_to(Rc::clone(link));
    }
    let serving = link.as_ref().map(Link::begin);
    request.extensions_mut().insert(Rc::clone(&body));
    let offers_another_protocol = request.head().upgrade();
    let mut response = next.call(request).await?.map_into_boxed_body();
    let is_reusable = body.drain().await && !offers_another_protocol;
    if !is_reusable {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    let left = (!is_reusable).then_some(body);
    // Until the answer is written to its end, which a stream of events does late, the connection serves its request.
    Ok(response.map_body(|_, body| BoxBody::new(KeepingBody { body, _kept: (left, serving) })))
}

async fn metrics(
    metrics: web::Data<Metrics>,
    verifier: web::Data<Verifier>,
    clients: web::Data<Clients>,
    stopping: web::Data<Stopping>,
    saturation: web::Data<Saturation>,
    connections: web::Data<Connections>,
) -> HttpResponse {
    let service_states = [
        ("service", !stopping.has_begun()),
        ("capacity", !saturation.is_saturated()),
        ("connections", connections.are_full().is_none()),
    ];
    match metrics.text(&verifier, &clients, service_states) {
        Ok(text) => HttpResponse::Ok().insert_header((CONTENT_TYPE, prometheus::TEXT_FORMAT)).body(text),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            HttpResponse::InternalServerError().body("the metrics could not be written\n")
        }
    }
}

/// Answers while the process lives. It asks no other component, so that an outage elsewhere does not cause a restart.
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "alive": true }))
}

/// Answers 200 when models, registry and store are usable, no stop is in progress, the service is not saturated, and it
/// has room for further connections.
async fn readyz(
    verifier: web::Data<Verifier>,
    stopping: web::Data<Stopping>,
    saturation: web::Data<Saturation>,
    connections: web::Data<Connections>,
) -> HttpResponse {
    let readiness = Readiness::of(&verifier, stopping.has_begun(), &saturation, &connections).await;
    if readiness.ready {
        HttpResponse::Ok().json(readiness)
    } else {
        HttpResponse::ServiceUnavailable().json(readiness)
    }
}

/// Answers 200 with the state of the process, whether it is ready or not.
async fn status(
    verifier: web::Data<Verifier>,
    metrics: web::Data<Metrics>,
    activity: web::Data<Activity>,
    stopping: web::Data<Stopping>,
    saturation: web::Data<Saturation>,
    connections: web::Data<Connections>,
) -> HttpResponse {
    let readiness = Readiness::of(&verifier, stopping.has_begun(), &saturation, &connections).await;
    HttpResponse::Ok().json(StatusReport::of(&verifier, readiness, &metrics, &activity))
}
