use std::time::Instant;

use padan_inference::FaceError;

use crate::error::{Cause, VerificationError};

/// Awaits a step until the deadline.
///
/// # Errors
///
/// The step's own error, or [`tokio::time::error::Elapsed`] when it did not end in time.
pub(crate) async fn within<T, E>(
    deadline: Instant,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, Cause>
where
    E: std::error::Error + Send + Sync + 'static,
{
    // On the heap: a database's future is large, and each caller up to the handler would contain it.
    match tokio::time::timeout_at(deadline.into(), Box::pin(step)).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.into()),
        Err(elapsed) => Err(elapsed.into()),
    }
}

/// Maps an error of the engine to an error of the request. Any other type of error means an expired deadline.
pub(crate) fn engine_error(cause: Cause) -> VerificationError {
    match cause.downcast::<FaceError>().map(|error| *error) {
        Ok(FaceError::Rejected(fault)) => VerificationError::Photo(fault),
        Ok(FaceError::QueueFull | FaceError::Expired) | Err(_) => VerificationError::Busy,
        Ok(broken @ FaceError::Broken(_)) => VerificationError::Internal(broken.into()),
    }
}

#[cfg(test)]
mod tests {
    use padan_domain::ReasonCode;
    use padan_inference::PhotoFault;

    use super::*;

    #[test]
    fn each_error_of_the_engine_has_a_reason_code() {
        let reason = |error: FaceError| engine_error(error.into()).reason();
        assert_eq!(reason(FaceError::Rejected(PhotoFault::Turned)), ReasonCode::FaceTurned);
        assert_eq!(reason(FaceError::QueueFull), ReasonCode::Overloaded);
        assert_eq!(reason(FaceError::Expired), ReasonCode::Overloaded);
        assert_eq!(reason(FaceError::Broken("session".into())), ReasonCode::Internal);
    }

    #[tokio::test]
    async fn a_step_ends_at_the_deadline() {
        let never = std::future::pending::<Result<(), FaceError>>();
        let cause = within(Instant::now(), never).await.unwrap_err();
        assert_eq!(engine_error(cause).reason(), ReasonCode::Overloaded);
    }
}
