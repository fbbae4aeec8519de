use padan_postgres::{Fault, FaultKind};

use crate::clients::signature::ClientSignature;

/// Why an operation on the store failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or cannot run the statement. Answered with the documented 503.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The database refuses the statement or the connection, and will until somebody changes something. Answered with the
    /// documented 503.
    #[error("the store is unavailable: {0}")]
    Refused(String),
    /// The database did not answer in time. Answered with the documented 503.
    #[error("the store did not answer in time: {0}")]
    Timeout(String),
    /// The user of `store.url` lacks the privilege. Answered with the documented 503.
    #[error("the user of store.url lacks a privilege (deploy/store/roles.sql shows the roles): {0}")]
    Forbidden(String),
    /// A row breaks an invariant of this crate: another program wrote to the table, or the disk is damaged.
    #[error("the store is inconsistent: {table}.{column} has a value that Padan never writes")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// A row was encrypted with a key that is not among `store.template_keys`. The person's portrait is embedded again.
    #[error("a template was encrypted with the key {0}, which is not among store.template_keys")]
    UnknownKey(String),
    /// The audit trail has rows that Padan did not write, so nothing about them was signed; the text names them.
    #[error("nothing was signed, because the audit trail was changed: {0}; run `padan audit verify`")]
    Tampered(String),
    /// The row of a client is not one that Padan wrote, so nothing about it was signed.
    #[error(
        "the row of client {name} in store.client {fault}, so nothing was changed: compare the row with `padan audit \
         export --kind admin --client {name}`, then sign or remove it (`padan client sign {name}`, `padan client remove \
         {name}`)"
    )]
    ClientNotSigned {
        /// The client.
        name: String,
        /// What is wrong.
        fault: ClientSignature,
    },
    /// Somebody else changed the client after its row was read, so nothing was changed.
    #[error("somebody else changed client {0} meanwhile, so nothing was changed: look at it and try again")]
    ClientChangedMeanwhile(String),
    /// The row of an operator is not one that Padan wrote, so nothing about it was signed.
    #[error(
        "the row of operator {name} in store.operator {fault}, so nothing was changed: compare the row with `padan audit \
         export --kind admin`, then remove the operator and add it again (`padan operator remove {name}`)"
    )]
    OperatorNotSigned {
        /// The operator.
        name: String,
        /// What is wrong.
        fault: ClientSignature,
    },
    /// The change would leave no enabled account in the role operator, so nothing was changed.
    #[error(
        "{0} is the last enabled account in the role operator, so nothing was changed: add another one first"
    )]
    LastOperator(String),
    /// A migration failed, or differs from that of this program; the text names it.
    #[error("{0}")]
    Migration(String),
    /// The settings cannot work; the text names the key.
    #[error("{0}")]
    Config(String),
    /// The operating system gave no random bytes, or a cipher or MAC refused its input. No setting can fix this.
    #[error("a cryptographic operation failed: {0}")]
    Cryptography(&'static str),
}

impl StoreError {
    /// The operating system's random source failed.
    pub(crate) fn no_random_bytes() -> Self {
        Self::Cryptography("the operating system gave no random bytes")
    }

    /// A column of the template table has a value that this crate never writes.
    pub(crate) fn inconsistent(column: &'static str) -> Self {
        Self::Inconsistent { table: "store.face_template", column }
    }
}

/// This process opened the store without a key that it needs now.
pub(crate) fn missing_key(name: &str) -> StoreError {
    StoreError::Config(format!("store.{name} is needed here, and the store was opened without it"))
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault.kind {
            FaultKind::TimedOut | FaultKind::Saturated => Self::Timeout(fault.text),
            FaultKind::Forbidden => Self::Forbidden(fault.text),
            FaultKind::Refused | FaultKind::Query | FaultKind::Undefined => Self::Refused(fault.text),
            FaultKind::Down | FaultKind::Lost | FaultKind::Stale | FaultKind::Undone => {
                Self::Unavailable(fault.text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_the_random_source_is_not_a_settings_error() {
        let error = StoreError::no_random_bytes();
        assert!(matches!(error, StoreError::Cryptography(_)));
        assert_eq!(
            error.to_string(),
            "a cryptographic operation failed: the operating system gave no random bytes"
        );
    }
}
