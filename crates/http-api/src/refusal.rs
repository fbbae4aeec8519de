use std::{borrow::Cow, fmt, time::Duration};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use padan_domain::ReasonCode;
use padan_verification::{AdmissionError, SandboxRefusal, SuspectedSpoof, Trial, VerificationError};

use crate::{
    answer::{ErrorBody, Report, respond_with_cause},
    in_flight::LimitReached,
    multipart::MalformedMultipart,
    status::status_of,
};

/// An answer without a result. Its body has the two keys `verification_status` and `reason`.
#[derive(Debug)]
pub struct Refusal {
    reason: ReasonCode,
    text: Cow<'static, str>,
    allow: Option<&'static str>,
    retry_seconds: Option<u64>,
    cause: Option<String>,
    is_after_look_up: bool,
    turn: Option<Duration>,
    is_for_share: bool,
    spoof: Option<Box<SuspectedSpoof>>,
}

/// `Retry-After` of a request that was refused because the service is full. Other requests end sooner than that.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("1");
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"padan\", charset=\"UTF-8\"");

impl Refusal {
    /// A refusal with the general text of its reason.
    pub(crate) fn new(reason: ReasonCode) -> Self {
        Self {
            reason,
            text: reason.reason().into(),
            allow: None,
            retry_seconds: None,
            cause: None,
            is_after_look_up: false,
            turn: None,
            is_for_share: false,
            spoof: None,
        }
    }

    /// A required field is missing or empty.
    pub(crate) fn missing(field: &str) -> Self {
        Self { text: format!("{field} is required").into(), ..Self::new(ReasonCode::MissingField) }
    }

    /// A field of basic verification is malformed.
    pub(crate) fn invalid(field: &str) -> Self {
        Self { text: format!("Invalid {field} format").into(), ..Self::new(ReasonCode::InvalidField) }
    }

    /// The photo of a field cannot be used.
    pub(crate) fn of_photo(reason: ReasonCode, field: &str) -> Self {
        Self::new(reason).about_photo(field)
    }

    /// The same refusal, whose text names this field as the photo.
    pub(crate) fn about_photo(self, field: &str) -> Self {
        Self { text: self.text.replace("face_image", field).into(), ..self }
    }

    /// The body is malformed, for the reason that the text names.
    pub(crate) fn malformed(text: impl Into<Cow<'static, str>>) -> Self {
        Self { text: text.into(), ..Self::new(ReasonCode::MalformedForm) }
    }

    /// The body is compressed in a way that is not supported.
    pub(crate) fn unsupported_encoding(encoding: &str) -> Self {
        let text = format!("Content-Encoding {encoding} is not supported: send gzip or none");
        Self { text: text.into(), ..Self::new(ReasonCode::UnsupportedMediaType) }
    }

    /// JSON is in a charset that it does not have.
    pub(crate) fn unsupported_json_charset(charset: &str) -> Self {
        let text = format!("charset {charset} of JSON is not supported: send UTF-8");
        Self { text: text.into(), ..Self::new(ReasonCode::UnsupportedMediaType) }
    }

    /// The path does not take the method; `allow` lists those that it takes.
    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        Self { allow: Some(allow), ..Self::new(ReasonCode::MethodNotAllowed) }
    }

    /// An internal fault; the cause goes to the log.
    pub(crate) fn internal(cause: String) -> Self {
        Self { cause: Some(cause), ..Self::new(ReasonCode::Internal) }
    }

    /// The service, or the client's share of it, is full.
    pub(crate) fn overloaded(limit: LimitReached) -> Self {
        Self { is_for_share: limit == LimitReached::PerClient, ..Self::new(ReasonCode::Overloaded) }
    }

    /// The service's own database cannot answer; the cause goes to the log.
    pub(crate) fn store_unavailable(cause: String) -> Self {
        Self { cause: Some(cause), ..Self::new(ReasonCode::StoreUnavailable) }
    }

    /// The reason code of the answer.
    pub(crate) fn reason(&self) -> ReasonCode {
        self.reason
    }

    /// The cause of a 5xx, for the log alone.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Whether the refusal depends on what the registry has about a person, so that it must be recorded.
    pub(crate) fn is_after_look_up(&self) -> bool {
        self.is_after_look_up
    }

    /// Whether the client's own requests take all that one client may have.
    pub(crate) fn is_for_share(&self) -> bool {
        self.is_for_share
    }

    /// How long the request waited for a turn that did not come.
    pub(crate) fn turn(&self) -> Option<Duration> {
        self.turn
    }

    /// The score for which a selfie was refused.
    pub(crate) fn spoof(&self) -> Option<f64> {
        self.spoof.as_ref().map(|spoof| spoof.score)
    }

    /// The trial of a refusal that counts as a failed face.
    pub(crate) fn into_trial(self) -> Option<Trial> {
        self.spoof?.trial
    }

    /// The same refusal of a request that asks the registry nothing.
    pub(crate) fn without_look_up(self) -> Self {
        Self { is_after_look_up: false, ..self }
    }

    /// The reason and the cause, for the log and the metrics.
    pub(crate) fn report(&self) -> Report {
        Report { reason: self.reason, cause: self.cause.clone() }
    }

    /// The refusal for a status that actix-web answered by itself.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let same_status = |reason: &&ReasonCode| status_of(**reason) == status;
        let reason = match status {
            StatusCode::BAD_REQUEST => ReasonCode::MalformedForm,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => ReasonCode::UnsupportedMediaType,
            _ => ReasonCode::ALL.iter().find(same_status).copied().unwrap_or(ReasonCode::Internal),
        };
        Self {
            cause: (reason == ReasonCode::Internal).then(|| format!("actix-web answered {status}")),
            ..Self::new(reason)
        }
    }
}

impl From<AdmissionError> for Refusal {
    fn from(error: AdmissionError) -> Self {
        let cause = error.to_string();
        let (reason, wait) = match error {
            AdmissionError::Unauthorized => (ReasonCode::Unauthorized, None),
            AdmissionError::Forbidden(_) => (ReasonCode::Forbidden, None),
            AdmissionError::TooManyFailures(wait) => (ReasonCode::TooManyFailures, Some(wait)),
            AdmissionError::RateLimited(_, wait) => (ReasonCode::RateLimited, Some(wait)),
            AdmissionError::QuotaExceeded(_, state) => (ReasonCode::QuotaExceeded, Some(state.reset)),
            AdmissionError::StoreUnavailable(_) => (ReasonCode::StoreUnavailable, None),
        };
        Self {
            retry_seconds: wait.map(|wait| wait.as_secs() + 1),
            cause: status_of(reason).is_server_error().then_some(cause),
            ..Self::new(reason)
        }
    }
}

impl From<MalformedMultipart> for Refusal {
    fn from(fault: MalformedMultipart) -> Self {
        Self { text: fault.to_string().into(), ..Self::new(ReasonCode::MalformedForm) }
    }
}

impl From<VerificationError> for Refusal {
    fn from(error: VerificationError) -> Self {
        let reason = error.reason();
        let retry_seconds = match &error {
            VerificationError::TooManyFailedFaces(wait) | VerificationError::TooManyFailedFields(wait) => {
                Some(wait.as_secs() + 1)
            }
            _ => None,
        };
        let cause = status_of(reason).is_server_error().then(|| error.with_causes());
        // Only the photo of a person whom the registry has waits for a worker. Whether too many trials have failed, or
        // still run, does not depend on the registry.
        let is_after_look_up = matches!(error, VerificationError::Busy);
        let turn = match error {
            VerificationError::NoTurn(waited) => Some(waited),
            _ => None,
        };
        let spoof = match error {
            VerificationError::SpoofSuspected(spoof) => Some(spoof),
            _ => None,
        };
        Self { retry_seconds, cause, is_after_look_up, turn, spoof, ..Self::new(reason) }
    }
}

/// `Retry-After` of a limit for which a test person stands.
const SANDBOX_RETRY_SECONDS: u64 = 60;

impl From<SandboxRefusal> for Refusal {
    fn from(refused: SandboxRefusal) -> Self {
        match refused {
            SandboxRefusal::Chosen(reason) => {
                let is_limit = status_of(reason) == StatusCode::TOO_MANY_REQUESTS;
                // A 5xx that was chosen has no cause.
                Self { retry_seconds: is_limit.then_some(SANDBOX_RETRY_SECONDS), ..Self::new(reason) }
            }
            SandboxRefusal::Photo { field, error } => Self::from(error).without_look_up().about_photo(field),
        }
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        status_of(self.reason)
    }

    fn error_response(&self) -> HttpResponse {
        let body = ErrorBody { verification_status: false, reason: &self.text };
        let mut response = respond_with_cause(self.reason, &body, self.cause.clone());
        let header: Option<(HeaderName, HeaderValue)> = match self.reason {
            ReasonCode::Unauthorized => Some((WWW_AUTHENTICATE, CHALLENGE)),
            ReasonCode::Overloaded => Some((RETRY_AFTER, RETRY_SECONDS)),
            _ if self.retry_seconds.is_some() => {
                self.retry_seconds.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds)))
            }
            _ => self.allow.map(|methods| (ALLOW, HeaderValue::from_static(methods))),
        };
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
