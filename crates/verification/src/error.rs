use std::{error::Error, time::Duration};

use padan_domain::ReasonCode;
use padan_inference::PhotoFault;

use crate::running_trials::Trial;

/// Why a request has no outcome.
///
/// When several steps fail at once, the first in this order is reported, so that the same request gets the same
/// response: the registry, the store, too many failed trials, the photo, a full service, an internal fault.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// The registry did not answer in time, or its record breaks the contract of its view.
    #[error("the registry cannot answer")]
    RegistryUnavailable(#[source] Cause),
    /// The service's own database did not answer in time, or has a row that breaks an invariant.
    #[error("the store cannot answer")]
    StoreUnavailable(#[source] Cause),
    /// Too many faces have failed or were compared for this person recently; how long to wait.
    #[error("too many faces have failed or were compared for this person")]
    TooManyFailedFaces(Duration),
    /// The client has sent too many wrong fields or unknown NIKs recently; how long to wait.
    #[error("too many fields were wrong for this person and client, or for this client")]
    TooManyFailedFields(Duration),
    /// The selfie cannot be used.
    #[error("the selfie cannot be used: {}", .0.reason())]
    Photo(PhotoFault),
    /// By its score, the selfie may show a presentation attack. This counts as a failed face.
    #[error("the selfie may show a presentation attack")]
    SpoofSuspected(Box<SuspectedSpoof>),
    /// The queue is full, or the request reached its deadline while it waited.
    #[error("the service is full")]
    Busy,
    /// Requests for the same person or of the same client were still being answered when the time ran out; how long
    /// this one waited for its turn.
    #[error("no turn among the requests for this person or of this client")]
    NoTurn(Duration),
    /// A fault of the service itself.
    #[error("an internal fault")]
    Internal(#[source] Cause),
}

/// A selfie that may show a presentation attack.
#[derive(Debug)]
pub struct SuspectedSpoof {
    /// Its score, 0 to 1.
    pub score: f64,
    /// The trial. It must be held until the row is durable, because failures are counted from the rows.
    pub trial: Option<Trial>,
}

/// The cause of an error, for the log.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

impl VerificationError {
    /// The reason code for the response and the metrics.
    pub fn reason(&self) -> ReasonCode {
        match self {
            Self::RegistryUnavailable(_) => ReasonCode::RegistryUnavailable,
            Self::StoreUnavailable(_) => ReasonCode::StoreUnavailable,
            Self::TooManyFailedFaces(_) => ReasonCode::TooManyFailedFaces,
            Self::TooManyFailedFields(_) => ReasonCode::TooManyFailedFields,
            Self::Photo(fault) => fault.reason(),
            Self::SpoofSuspected(_) => ReasonCode::SpoofSuspected,
            Self::Busy | Self::NoTurn(_) => ReasonCode::Overloaded,
            Self::Internal(_) => ReasonCode::Internal,
        }
    }

    /// The error with its chain of causes, in one line for the log.
    pub fn with_causes(&self) -> String {
        error_chain(self)
    }

    /// The position in the order above; the error with the lowest is reported.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::RegistryUnavailable(_) => 0,
            Self::StoreUnavailable(_) => 1,
            Self::TooManyFailedFaces(_) | Self::TooManyFailedFields(_) => 2,
            Self::Photo(_) | Self::SpoofSuspected(_) => 3,
            Self::Busy | Self::NoTurn(_) => 4,
            Self::Internal(_) => 5,
        }
    }
}

/// An error with its chain of causes, in one line.
pub(crate) fn error_chain(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
