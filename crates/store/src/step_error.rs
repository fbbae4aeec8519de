use crate::error::StoreError;

/// Why a transaction of several statements was not made. The pool gets errors of the database apart from the others,
/// since it tries some statements again.
pub(crate) enum StepError {
    /// The database failed.
    Database(sqlx::Error),
    /// The step is refused.
    Refused(StoreError),
}

impl StepError {
    /// The outcome as the pool takes it.
    pub(crate) fn apart<T>(outcome: Result<T, Self>) -> sqlx::Result<Result<T, StoreError>> {
        match outcome {
            Ok(done) => Ok(Ok(done)),
            Err(Self::Refused(error)) => Ok(Err(error)),
            Err(Self::Database(error)) => Err(error),
        }
    }
}

impl From<sqlx::Error> for StepError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}
