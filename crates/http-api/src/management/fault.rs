use std::{error::Error, time::Duration};

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use padan_verification::{
    ActivationError, CalibrationInUseError, OperatorRefusal, SignInRefusal, StoreError, TokenRefusal,
};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request to the management interface is refused or failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// There is no valid token.
    Unauthorized,
    /// Name, password or code is wrong.
    WrongCredentials,
    /// The password is right, and a one-time code is needed.
    CodeRequired,
    /// What came back from the provider does not count.
    ProviderRefused(&'static str),
    /// The browser did not leave for the provider, or took too long.
    NoProviderFlow,
    /// The provider knows the person, and no group of the person has a role.
    NoRole,
    /// The provider cannot be used. The text is only logged.
    ProviderUnavailable(String),
    /// Too many sign-ins failed.
    TooManyAttempts(Duration),
    /// Another site may have made the browser send the request.
    CrossSite,
    /// Too many wrong tokens came from the address.
    TooManyTokens(Duration),
    /// The operator's role does not permit the route.
    Forbidden,
    /// The settings permit this to the command alone.
    OperatorsByCommand,
    /// There is no such route or object.
    NotFound,
    /// The route exists for other methods.
    MethodNotAllowed(String),
    /// The input is wrong; the text says how.
    Invalid(String),
    /// The body is too long.
    BodyTooLarge,
    /// The body did not arrive in time, or not whole.
    BodyIncomplete,
    /// The state does not permit the act; the text says why.
    Conflict(String),
    /// Too many requests are in progress.
    Busy,
    /// The store does not answer.
    Unavailable(String),
    /// A fault of this program. The text is only logged.
    Internal(String),
}

/// The body of an answer without a result.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FaultBody {
    /// What went wrong. The codes are stable.
    #[schema(example = "FORBIDDEN")]
    code: &'static str,
    /// The same as a sentence.
    #[schema(example = "the role of this operator does not permit the request")]
    message: String,
}

impl Fault {
    pub(crate) fn invalid(text: &str) -> Self {
        Self::Invalid(text.to_owned())
    }

    /// The fault of a text that its type does not accept.
    pub(crate) fn of_input(error: &dyn Error) -> Self {
        Self::Invalid(error.to_string())
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized
            | Self::WrongCredentials
            | Self::CodeRequired
            | Self::ProviderRefused(_)
            | Self::NoProviderFlow => StatusCode::UNAUTHORIZED,
            Self::TooManyTokens(_) | Self::TooManyAttempts(_) | Self::Busy => StatusCode::TOO_MANY_REQUESTS,
            Self::Forbidden | Self::OperatorsByCommand | Self::CrossSite | Self::NoRole => {
                StatusCode::FORBIDDEN
            }
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyIncomplete => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Unavailable(_) | Self::ProviderUnavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized => "UNAUTHORIZED",
            Self::WrongCredentials => "WRONG_CREDENTIALS",
            Self::CodeRequired => "CODE_REQUIRED",
            Self::ProviderRefused(_) => "PROVIDER_REFUSED",
            Self::NoProviderFlow => "SIGN_IN_NOT_BEGUN",
            Self::NoRole => "NO_ROLE",
            Self::ProviderUnavailable(_) => "PROVIDER_UNAVAILABLE",
            Self::TooManyAttempts(_) => "TOO_MANY_ATTEMPTS",
            Self::CrossSite => "CSRF",
            Self::TooManyTokens(_) => "TOO_MANY_WRONG_TOKENS",
            Self::Forbidden => "FORBIDDEN",
            Self::OperatorsByCommand => "OPERATORS_BY_COMMAND",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed(_) => "METHOD_NOT_ALLOWED",
            Self::Invalid(_) => "INVALID",
            Self::BodyTooLarge => "BODY_TOO_LARGE",
            Self::BodyIncomplete => "BODY_INCOMPLETE",
            Self::Conflict(_) => "CONFLICT",
            Self::Busy => "BUSY",
            Self::Unavailable(_) => "UNAVAILABLE",
            Self::Internal(_) => "INTERNAL",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Unauthorized => {
                "a sign-in is needed, or a valid token: Authorization: Bearer TOKEN".to_owned()
            }
            Self::WrongCredentials => "name, password or code is wrong".to_owned(),
            Self::CodeRequired => "a one-time code is needed".to_owned(),
            Self::ProviderRefused(cause) => (*cause).to_owned(),
            Self::NoProviderFlow => {
                "the sign-in did not begin in this browser, or took longer than ten minutes".to_owned()
            }
            Self::NoRole => "none of your groups has a role here".to_owned(),
            Self::ProviderUnavailable(_) => {
                "the provider cannot sign anybody in now; the service's log has the cause".to_owned()
            }
            Self::TooManyAttempts(_) => "too many sign-ins failed: try again later".to_owned(),
            Self::CrossSite => {
                "another site may have sent the request: X-CSRF-Token is missing or wrong".to_owned()
            }
            Self::TooManyTokens(_) => "too many wrong tokens came from this address".to_owned(),
            Self::Forbidden => "the role of this operator does not permit the request".to_owned(),
            Self::OperatorsByCommand => {
                "rights are given to operators by the command padan operator alone, unless http.manage_operators is set"
                    .to_owned()
            }
            Self::NotFound => "there is no such route or object".to_owned(),
            Self::MethodNotAllowed(allowed) => format!("the route takes {allowed}"),
            Self::BodyTooLarge => "the body is too long".to_owned(),
            Self::BodyIncomplete => "the body did not arrive whole and in time".to_owned(),
            Self::Busy => "too many requests of this kind are in progress".to_owned(),
            Self::Internal(_) => "a fault of the service; its log has the cause".to_owned(),
            Self::Invalid(text) | Self::Conflict(text) | Self::Unavailable(text) => text.clone(),
        }
    }

    /// What only the log may have.
    pub(crate) fn cause(&self) -> Option<&str> {
        match self {
            Self::Internal(cause) | Self::Unavailable(cause) | Self::ProviderUnavailable(cause) => {
                Some(cause)
            }
            _ => None,
        }
    }

    pub(crate) fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        match self {
            Self::Unauthorized => drop(response.insert_header((WWW_AUTHENTICATE, "Bearer"))),
            Self::TooManyTokens(wait) | Self::TooManyAttempts(wait) => {
                response.insert_header((RETRY_AFTER, wait.as_secs_f64().ceil().to_string()));
            }
            Self::Busy => drop(response.insert_header((RETRY_AFTER, "1"))),
            Self::MethodNotAllowed(allowed) => drop(response.insert_header((ALLOW, allowed.as_str()))),
            _ => {}
        }
        response.json(FaultBody { code: self.code(), message: self.message() })
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::ClientNotSigned { .. }
            | StoreError::ClientChangedMeanwhile(_)
            | StoreError::OperatorNotSigned { .. }
            | StoreError::LastOperator(_)
            | StoreError::Tampered(_) => Self::Conflict(error.to_string()),
            StoreError::Timeout(_) => Self::Unavailable(
                "the store did not answer in time: name a shorter time, or try again".to_owned(),
            ),
            StoreError::Unavailable(_) | StoreError::Refused(_) | StoreError::Forbidden(_) => {
                tracing::warn!("the management interface cannot use the store: {error}");
                Self::Unavailable("the store cannot answer; the service's log has the cause".to_owned())
            }
            StoreError::Inconsistent { .. }
            | StoreError::UnknownKey(_)
            | StoreError::Migration(_)
            | StoreError::Config(_)
            | StoreError::Cryptography(_) => Self::Internal(error.to_string()),
        }
    }
}

impl From<OperatorRefusal> for Fault {
    fn from(refusal: OperatorRefusal) -> Self {
        match refusal {
            OperatorRefusal::OwnAccount | OperatorRefusal::NameTaken => Self::Conflict(refusal.to_string()),
            OperatorRefusal::NotFound => Self::NotFound,
            OperatorRefusal::Store(error) => error.into(),
        }
    }
}

impl From<TokenRefusal> for Fault {
    fn from(refusal: TokenRefusal) -> Self {
        match refusal {
            TokenRefusal::Wrong => Self::Unauthorized,
            TokenRefusal::TooMany(wait) => Self::TooManyTokens(wait),
            TokenRefusal::Busy => Self::Busy,
            TokenRefusal::Store(error) => error.into(),
        }
    }
}

impl From<SignInRefusal> for Fault {
    fn from(refusal: SignInRefusal) -> Self {
        match refusal {
            SignInRefusal::Wrong(_) => Self::WrongCredentials,
            SignInRefusal::CodeRequired(_) => Self::CodeRequired,
            SignInRefusal::Provider(fault) => Self::ProviderRefused(fault.cause),
            SignInRefusal::NoFlow => Self::NoProviderFlow,
            SignInRefusal::NoRole(_) => Self::NoRole,
            SignInRefusal::ProviderUnavailable(cause) => Self::ProviderUnavailable(cause),
            SignInRefusal::TooMany(wait) => Self::TooManyAttempts(wait),
            SignInRefusal::Busy => Self::Busy,
            SignInRefusal::Store(error) => error.into(),
        }
    }
}

impl From<ActivationError> for Fault {
    fn from(error: ActivationError) -> Self {
        match error {
            ActivationError::Model(error) => Self::Conflict(error.to_string()),
            ActivationError::NotEnrolled { .. } => Self::Conflict(error.to_string()),
            ActivationError::Calibration(CalibrationInUseError::Store(error))
            | ActivationError::Store(error) => error.into(),
            ActivationError::Calibration(error) => Self::Conflict(error.to_string()),
        }
    }
}
