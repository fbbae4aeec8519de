use padan_postgres::{Fault, FaultKind};

/// Why the store could not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or cannot serve the statement. Answered with the documented 503.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The database did not answer in time. Answered with the documented 503.
    #[error("the store did not answer in time: {0}")]
    Timeout(String),
    /// The user of `store.url` may not do it. Answered with the documented 503.
    #[error("the user of store.url may not do this (deploy/store/roles.sql shows the roles): {0}")]
    Forbidden(String),
    /// A row breaks an invariant of ours: somebody else wrote to the table, or a disk did.
    #[error("the store is inconsistent: {table}.{column} holds what was never written there")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// A row was sealed with a key that is not among `store.template_keys`. The person's template is made anew.
    #[error("a template was sealed with the key {0}, which store.template_keys does not hold")]
    UnknownKey(String),
    /// The migrations in the database are not those of this program; the text says which.
    #[error("{0}")]
    Migration(String),
    /// The settings cannot work; the text names the key.
    #[error("{0}")]
    Config(String),
    /// The operating system gave no random bytes, or a cipher or MAC refused its input. Settings cannot cure that.
    #[error("a cryptographic operation failed: {0}")]
    Cryptography(&'static str),
}

impl StoreError {
    /// The operating system's random source failed.
    pub(crate) fn no_random_bytes() -> Self {
        Self::Cryptography("the operating system gave no random bytes")
    }

    /// A column of the template table holds what was never written there.
    pub(crate) fn inconsistent(column: &'static str) -> Self {
        Self::Inconsistent { table: "store.face_template", column }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault.kind {
            FaultKind::TimedOut | FaultKind::Saturated => Self::Timeout(fault.text),
            FaultKind::Forbidden => Self::Forbidden(fault.text),
            FaultKind::Down | FaultKind::Lost | FaultKind::Query => Self::Unavailable(fault.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_the_random_source_is_not_blamed_on_the_settings() {
        let error = StoreError::no_random_bytes();
        assert!(matches!(error, StoreError::Cryptography(_)));
        assert_eq!(
            error.to_string(),
            "a cryptographic operation failed: the operating system gave no random bytes"
        );
    }
}
