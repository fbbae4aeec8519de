use std::{error::Error, time::Duration};

use padan_domain::ReasonCode;
use padan_inference::PhotoFault;

/// Why a request has no outcome.
///
/// When several happen at once the first in this order is told, so that the same request gets the same answer:
/// the registry, the store, too many trials, the photo, a full service, a fault inside.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// The registry cannot answer in time, or answers with what it must not hold.
    #[error("the registry cannot answer")]
    RegistryUnavailable(#[source] Cause),
    /// The service's own database cannot answer in time, or answers with what it must not hold.
    #[error("the store cannot answer")]
    StoreUnavailable(#[source] Cause),
    /// Too many faces have failed for this person and client lately; how long to wait.
    #[error("too many faces have failed for this person and client")]
    TooManyFailedFaces(Duration),
    /// The photo cannot be judged.
    #[error("the photo cannot be judged: {}", .0.reason())]
    Photo(PhotoFault),
    /// The service is full, or the request's time ran out while it waited.
    #[error("the service is full")]
    Busy,
    /// Something is wrong inside.
    #[error("a fault inside")]
    Internal(#[source] Cause),
}

/// What lies below an error, for the log.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

impl VerificationError {
    /// The word by which the error is told and counted.
    pub fn reason(&self) -> ReasonCode {
        match self {
            Self::RegistryUnavailable(_) => ReasonCode::RegistryUnavailable,
            Self::StoreUnavailable(_) => ReasonCode::StoreUnavailable,
            Self::TooManyFailedFaces(_) => ReasonCode::TooManyFailedFaces,
            Self::Photo(fault) => fault.reason(),
            Self::Busy => ReasonCode::Overloaded,
            Self::Internal(_) => ReasonCode::Internal,
        }
    }

    /// The error with all that lies below it, in one line for the log.
    pub fn in_words(&self) -> String {
        in_words(self)
    }

    /// Where it stands in the order above; the least is told.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::RegistryUnavailable(_) => 0,
            Self::StoreUnavailable(_) => 1,
            Self::TooManyFailedFaces(_) => 2,
            Self::Photo(_) => 3,
            Self::Busy => 4,
            Self::Internal(_) => 5,
        }
    }
}

/// An error with all that lies below it, in one line.
pub(crate) fn in_words(error: &(dyn Error + 'static)) -> String {
    std::iter::successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
