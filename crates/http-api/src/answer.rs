use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, HeaderName},
};
use padan_domain::ReasonCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::status::status_of;

/// The header with the reason's stable word.
pub(crate) const REASON_CODE: HeaderName = HeaderName::from_static("reason-code");

/// The body of an answer that has no result.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorBody<'a> {
    /// Always false.
    pub(crate) verification_status: bool,
    /// What is wrong, in words.
    #[schema(example = "nik is required")]
    pub(crate) reason: &'a str,
}

/// What the edge reads off a response to log and count it.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    /// How the request ended.
    pub(crate) reason: ReasonCode,
    /// What lies below a fault of ours, for the log alone.
    pub(crate) cause: Option<String>,
}

/// An answer: the reason's status and word, and a JSON body.
pub(crate) fn respond(reason: ReasonCode, body: &impl Serialize) -> HttpResponse {
    respond_with_cause(reason, body, None)
}

/// An answer for which the log has a cause that the client is not told.
pub(crate) fn respond_with_cause(
    reason: ReasonCode,
    body: &impl Serialize,
    cause: Option<String>,
) -> HttpResponse {
    let mut response = HttpResponse::build(status_of(reason))
        .insert_header((REASON_CODE, reason.as_str()))
        // An answer says something about a person and must not stay in a cache on the way.
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(body);
    response.extensions_mut().insert(Report { reason, cause });
    response
}

/// An answer that is a document and says nothing about anybody.
pub(crate) fn respond_with_document(document: &impl Serialize) -> HttpResponse {
    let reason = ReasonCode::Served;
    let mut response = HttpResponse::Ok().insert_header((REASON_CODE, reason.as_str())).json(document);
    response.extensions_mut().insert(Report { reason, cause: None });
    response
}
