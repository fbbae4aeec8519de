use actix_web::{
    HttpResponse,
    http::header::{CONTENT_SECURITY_POLICY, ContentType, LOCATION},
};
use padan_domain::ReasonCode;

use crate::answer::{REASON_CODE, Report};

/// The path of the page.
pub(crate) const PATH: &str = "/docs";

const PAGE: &str = include_str!("docs_page.html");

/// Leads to the page. The address is relative, so that it stays right behind a proxy that serves below a path.
pub(crate) async fn redirect() -> HttpResponse {
    let reason = ReasonCode::Served;
    let mut response = HttpResponse::Found()
        .insert_header((REASON_CODE, reason.as_str()))
        .insert_header((LOCATION, PATH.trim_start_matches('/')))
        .json(serde_json::json!({ "documentation": PATH }));
    response.extensions_mut().insert(Report { reason, cause: None });
    response
}

/// A page that shows `/openapi.json`. It loads nothing from anywhere else.
pub(crate) async fn handle() -> HttpResponse {
    let reason = ReasonCode::Served;
    let mut response = HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((REASON_CODE, reason.as_str()))
        .insert_header((
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'",
        ))
        .body(PAGE);
    response.extensions_mut().insert(Report { reason, cause: None });
    response
}
