use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, HeaderName},
};
use padan_domain::ReasonCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::status::status_of;

/// The header with the reason code.
pub(crate) const REASON_CODE: HeaderName = HeaderName::from_static("reason-code");

/// The body of an answer without a result.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody<'a> {
    /// Always false.
    pub(crate) verification_status: bool,
    /// The reason as text.
    #[schema(example = "nik is required")]
    pub(crate) reason: &'a str,
}

/// The reason of a response. The response carries it to the edge, which logs and counts it.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    /// How the request ended.
    pub(crate) reason: ReasonCode,
    /// The cause of an internal fault, for the log only.
    pub(crate) cause: Option<String>,
}

/// A response with the status and code of a reason, and a JSON body.
pub(crate) fn respond(reason: ReasonCode, body: &impl Serialize) -> HttpResponse {
    respond_with_cause(reason, body, None)
}

/// A response with a cause that is logged and not sent.
pub(crate) fn respond_with_cause(
    reason: ReasonCode,
    body: &impl Serialize,
    cause: Option<String>,
) -> HttpResponse {
    let mut response = HttpResponse::build(status_of(reason))
        .insert_header((REASON_CODE, reason.as_str()))
        // An answer concerns a person and must not stay in a cache.
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(body);
    response.extensions_mut().insert(Report { reason, cause });
    response
}

/// A response that is a document and contains nothing about a person.
pub(crate) fn respond_with_document(document: &impl Serialize) -> HttpResponse {
    let reason = ReasonCode::Served;
    let mut response = HttpResponse::Ok().insert_header((REASON_CODE, reason.as_str())).json(document);
    response.extensions_mut().insert(Report { reason, cause: None });
    response
}
