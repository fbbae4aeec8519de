use std::future::{Ready, ready};

use actix_web::{Resource, Route, guard, web};
use padan_domain::ReasonCode;

use crate::{
    docs_page,
    endpoints::{AUDITED, AuditedEndpoint},
    openapi,
    refusal::Refusal,
};

/// The label of a path in logs and metrics. All unknown paths share one, since a path may contain anything.
pub(crate) fn endpoint_label(path: &str) -> &'static str {
    match path {
        openapi::PATH => "openapi",
        "/" => "docs",
        _ if docs_page::FILES.iter().any(|file| file.path == path) => "docs",
        _ => AUDITED
            .iter()
            .find(|audited| audited.path == path)
            .map_or("unmatched", |audited| audited.endpoint.as_str()),
    }
}

/// Mounts the public endpoints of a service with a liveness set, or without one.
pub(crate) fn public(has_liveness: bool) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        for audited in AuditedEndpoint::served(has_liveness) {
            config.service(only_post(audited.path, (audited.route)()));
        }
        for file in docs_page::FILES {
            config.service(only_get(file.path, get().to(move || ready(file.respond()))));
        }
        config
            .service(only_get(openapi::PATH, get().to(move || openapi::handle(has_liveness))))
            // Whoever opens the address in a browser is led to the documentation.
            .service(
                web::resource("/").route(get().to(docs_page::redirect)).default_service(web::to(not_found)),
            )
            .default_service(web::to(not_found));
    }
}

fn only_post(path: &str, route: Route) -> Resource {
    web::resource(path).route(route).default_service(web::to(|| method_not_allowed("POST")))
}

fn only_get(path: &str, route: Route) -> Resource {
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
