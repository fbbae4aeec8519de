use std::{rc::Rc, thread, time::Instant};

use actix_web::{
    Error, HttpMessage as _, HttpResponse,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use padan_domain::{Endpoint, ReasonCode};
use padan_verification::{AuditEvent, BasicField, RequestEnding, Verifier};

use crate::{
    answer::Report,
    basic_verification,
    body::Body,
    face_verification,
    notes::{Findings, Notes},
    request_id::RequestId,
    routes,
    status::status_of,
};

/// Stands around a verification endpoint: the answer to a client who was let in is held back until its row in the
/// audit trail is durable. When it cannot be, the documented 503 is answered instead, and what was found out is not told.
pub(crate) async fn audited(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(verifier) = request.app_data::<web::Data<Verifier>>().cloned() else {
        return next.call(request).await;
    };
    let mut draft = Draft::of(&request, verifier);
    let mut response = next.call(request).await?;
    // From here on the row is on its way, and a client who leaves has it all the same.
    draft.ended = true;
    let report = response.response().extensions().get::<Report>().cloned();
    if let Some(instead) = draft.settle(report).await {
        *response.response_mut() = instead;
    }
    draft.notes.ends_trial();
    tell_quota(&draft.notes, response.headers_mut());
    Ok(response)
}

/// Tells a client with quotas how it stands with the one that is nearest to its end.
fn tell_quota(notes: &Notes, headers: &mut HeaderMap) {
    let Some(quota) = notes.quota() else { return };
    for (name, value) in [
        ("ratelimit-limit", quota.limit),
        ("ratelimit-remaining", quota.remaining),
        ("ratelimit-reset", quota.reset.as_secs() + 1),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
}

/// A row that is not written yet. Dropped before its request ended, it is written without anybody waiting.
struct Draft {
    verifier: web::Data<Verifier>,
    notes: Rc<Notes>,
    body: Option<Rc<Body>>,
    id: String,
    endpoint: &'static str,
    started: Instant,
    ended: bool,
}

impl Draft {
    fn of(request: &ServiceRequest, verifier: web::Data<Verifier>) -> Self {
        let pattern = request.match_pattern();
        Self {
            verifier,
            notes: Notes::of(request.request()),
            body: Body::of(request.request()).ok(),
            id: request
                .extensions()
                .get::<RequestId>()
                .map_or_else(String::new, |id| id.recorded().to_owned()),
            endpoint: routes::endpoint(pattern.as_deref().unwrap_or_default()),
            started: Instant::now(),
            ended: false,
        }
    }

    /// Makes the row durable, and returns what is answered instead when it cannot be.
    async fn settle(&self, report: Option<Report>) -> Option<HttpResponse> {
        let Report { reason, cause } = report?;
        if reason == ReasonCode::StoreUnavailable && self.notes.client().is_none() {
            // Who calls is not known, so there is nobody to record; the answer has the form of this endpoint.
            return Some(self.outage(cause.unwrap_or_default()));
        }
        let event = self.event(RequestEnding::Answered(reason)).filter(|_| self.is_due(reason))?;
        if self.body.as_ref().is_some_and(|body| body.is_broken()) {
            // Nothing was found out, and there is no time: an answer that waits here never leaves.
            self.verifier.audit_without_waiting(event);
            return None;
        }
        match (reason, self.verifier.audit(event).await) {
            (ReasonCode::StoreUnavailable, _) => Some(self.outage(cause.unwrap_or_default())),
            // Nothing was told that would have to be recorded first.
            (ReasonCode::RegistryUnavailable, _) | (_, Ok(())) => None,
            (_, Err(error)) => Some(self.outage(error.in_words())),
        }
    }

    /// Whether an ending is recorded: 401 and 429 are counted only.
    fn is_due(&self, reason: ReasonCode) -> bool {
        let counted_only = [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS];
        self.notes.client().is_some() && !counted_only.contains(&status_of(reason))
    }

    fn event(&self, ending: RequestEnding) -> Option<AuditEvent> {
        let client = self.notes.client()?.clone();
        let Findings { nik, nik_plausible, fields, percentage, compared_under } = self.notes.findings();
        Some(AuditEvent {
            request_id: self.id.clone(),
            client,
            endpoint: self.endpoint.parse::<Endpoint>().ok()?,
            ending,
            nik,
            nik_plausible,
            fields,
            percentage,
            compared_under,
            took: self.started.elapsed(),
        })
    }

    fn outage(&self, cause: String) -> HttpResponse {
        let reason = ReasonCode::StoreUnavailable;
        if self.endpoint == routes::endpoint(face_verification::PATH) {
            return face_verification::outage(reason, cause);
        }
        let fields = self.notes.findings().fields;
        let sent: Vec<_> = BasicField::ALL
            .iter()
            .filter(|field| fields.iter().any(|(name, _)| *name == field.as_str()))
            .copied()
            .collect();
        basic_verification::outage(reason, cause, &sent)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // A handler that broke down is answered 500 further out.
        let ending = if thread::panicking() {
            RequestEnding::Answered(ReasonCode::Internal)
        } else {
            RequestEnding::Unanswered
        };
        if !self.ended
            && let Some(event) = self.event(ending)
        {
            self.verifier.audit_without_waiting(event);
        }
    }
}
