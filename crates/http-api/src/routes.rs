use std::future::{Ready, ready};

use actix_web::{Route, guard, middleware::from_fn, web};
use padan_domain::ReasonCode;

use crate::{audit, basic_verification, docs_page, face_verification, openapi, refusal::Refusal};

/// The public paths and the names by which logs and metrics know them.
const ENDPOINTS: [(&str, &str); 4] = [
    (face_verification::PATH, "face-verification"),
    (basic_verification::PATH, "verification"),
    (openapi::PATH, "openapi"),
    (docs_page::PATH, "docs"),
];

/// The name of a path, and one name for all paths that are none: a path may hold anything.
pub(crate) fn endpoint(path: &str) -> &'static str {
    ENDPOINTS.iter().find(|(known, _)| *known == path).map_or("unmatched", |(_, name)| name)
}

/// Mounts the public endpoints.
pub(crate) fn public(config: &mut web::ServiceConfig) {
    config
        .service(
            only_post(face_verification::PATH, web::post().to(face_verification::handle))
                .wrap(from_fn(audit::audited)),
        )
        .service(
            only_post(basic_verification::PATH, web::post().to(basic_verification::handle))
                .wrap(from_fn(audit::audited)),
        )
        .service(only_get(openapi::PATH, get().to(openapi::handle)))
        .service(only_get(docs_page::PATH, get().to(docs_page::handle)))
        .default_service(web::to(not_found));
}

fn only_post(path: &str, route: Route) -> actix_web::Resource {
    web::resource(path).route(route).default_service(web::to(|| method_not_allowed("POST")))
}

fn only_get(path: &str, route: Route) -> actix_web::Resource {
    web::resource(path).route(route).default_service(web::to(|| method_not_allowed("GET, HEAD")))
}

fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn method_not_allowed(allow: &'static str) -> Ready<Result<&'static str, Refusal>> {
    ready(Err(Refusal::method_not_allowed(allow)))
}

fn not_found() -> Ready<Result<&'static str, Refusal>> {
    ready(Err(Refusal::new(ReasonCode::NotFound)))
}
