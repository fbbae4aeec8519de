//! The management interface on the operators' listener, below `/admin/v1`.
//!
//! Start at [`endpoints`]. `routes.rs` has the tables of routes and roles. Each request passes [`access::serve`], which
//! finds the operator, checks the role, and logs and counts the request.

mod access;
mod alerts;
mod browser;
mod by_hand;
mod calibration;
mod call;
mod clients;
mod enrolments;
mod export;
mod export_jobs;
mod fault;
mod hex;
mod models;
mod openapi;
mod operators;
mod people;
mod prefix;
mod requests;
mod route;
mod routes;
mod session;
mod shown_faces;
mod state;
mod trail;
mod usage;
mod verifications;

use std::{
    collections::BTreeMap,
    future::{Ready, ready},
};

use actix_web::{HttpRequest, HttpResponse, Resource, guard, web};

pub(crate) use self::{access::Management, prefix::is_management_path};
use self::{
    fault::Fault,
    prefix::{LongBody, PREFIX, long_body},
    routes::routes,
};
use crate::{config::BodyLimits, request_id::RequestId};

/// The limits of a request's body. The longest one is a client with many limits.
const BODY_LIMITS: BodyLimits = BodyLimits {
    body_bytes: 64 * 1024,
    body_time: std::time::Duration::from_secs(10),
    body_bytes_per_second: 64 * 1024,
    longest_body_time: std::time::Duration::from_secs(10),
    drain_bytes: 64 * 1024,
    drain_time: std::time::Duration::from_secs(2),
};

/// The limits of a body with photos.
const PHOTO_LIMITS: BodyLimits = BodyLimits {
    body_bytes: 16 * 1024 * 1024,
    longest_body_time: std::time::Duration::from_mins(1),
    ..BODY_LIMITS
};

/// The limits of a body with a calibration file of 1 MB at most: JSON may write each byte as three.
const CALIBRATION_LIMITS: BodyLimits =
    BodyLimits { body_bytes: 3_000_000 + BODY_LIMITS.body_bytes, ..PHOTO_LIMITS };

/// The limits of the body of a request to this path.
pub(crate) fn body_limits_of(path: &str) -> BodyLimits {
    match path.strip_prefix(PREFIX).and_then(long_body) {
        Some(LongBody::Photos) => PHOTO_LIMITS,
        Some(LongBody::Calibration) => CALIBRATION_LIMITS,
        None => BODY_LIMITS,
    }
}

/// Mounts the routes.
pub(crate) fn endpoints(config: &mut web::ServiceConfig) {
    let mut resources: BTreeMap<&str, Resource> = BTreeMap::new();
    for route in routes() {
        let resource =
            resources.remove(route.path).unwrap_or_else(|| web::resource(format!("{PREFIX}{}", route.path)));
        let serve = move |request: HttpRequest, management| access::serve(route, request, management);
        let mounted =
            web::route().guard(guard::fn_guard(|head| head.head().method == route.method)).to(serve);
        resources.insert(route.path, resource.route(mounted));
    }
    for (path, resource) in resources {
        let allowed: Vec<_> =
            routes().filter(|route| route.path == path).map(|route| route.method.as_str()).collect();
        let allowed = allowed.join(", ");
        config.service(resource.default_service(web::to(move |request: HttpRequest| {
            refuse(&request, &Fault::MethodNotAllowed(allowed.clone()))
        })));
    }
    config.route(&format!("{PREFIX}/openapi.json"), web::get().to(openapi::handle)).service(
        web::scope(PREFIX)
            .default_service(web::to(|request: HttpRequest| refuse(&request, &Fault::NotFound))),
    );
}

fn refuse(request: &HttpRequest, fault: &Fault) -> Ready<HttpResponse> {
    let mut response = access::finished(fault.response());
    RequestId::of(request.headers()).insert_into(response.headers_mut());
    ready(response)
}
