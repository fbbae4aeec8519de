use std::borrow::Cow;

use sqlx::postgres::PgDatabaseError;

/// Why a statement failed.
#[derive(Debug)]
pub struct Fault {
    /// What the caller can do about it.
    pub kind: FaultKind,
    /// The reason as text, with the SQLSTATE where the server gave one.
    pub text: String,
}

/// Faults by what a caller can do about them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The server is down, or is not set up as the statement needs it.
    Down,
    /// The connection broke during the statement: a new connection may succeed.
    Lost,
    /// The connection no longer fits the server, and the statement did nothing: its prepared statements are invalid
    /// or unknown there, or the server became read-only.
    Stale,
    /// The server undid the statement, which conflicted with another one: the same statement may succeed.
    Undone,
    /// The server did not answer in time.
    TimedOut,
    /// All connections of the pool were in use; the server itself answers.
    Saturated,
    /// The statement or a value is invalid; the server itself answers.
    Query,
    /// The role lacks the privilege.
    Forbidden,
    /// A function that the statement calls does not exist.
    Undefined,
    /// The server refuses the statement or the connection, and will until somebody changes its set-up or the settings.
    Refused,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// Classifies an error of connecting or of a statement, by its SQLSTATE where there is one.
    pub fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or(Cow::Borrowed("?"));
                let kind = match &*code {
                    // query_canceled by the statement timeout, lock_not_available
                    "57014" | "55P03" => FaultKind::TimedOut,
                    // admin_shutdown, crash_shutdown
                    "57P01" | "57P02" => FaultKind::Lost,
                    // serialization_failure, which is a conflict with recovery on a hot standby; deadlock_detected
                    "40001" | "40P01" => FaultKind::Undone,
                    // invalid_sql_statement_name, duplicate_prepared_statement, read_only_sql_transaction
                    "26000" | "42P05" | "25006" => FaultKind::Stale,
                    "0A000" if is_changed_result(&**database) => FaultKind::Stale,
                    // insufficient_privilege
                    "42501" => FaultKind::Forbidden,
                    // undefined_function
                    "42883" => FaultKind::Undefined,
                    code if code.starts_with("08") => FaultKind::Lost,
                    code if code.starts_with("22") => FaultKind::Query,
                    code if is_refusal(code) => FaultKind::Refused,
                    _ => FaultKind::Down,
                };
                // The messages of these classes quote values: data exceptions, violated constraints, exceptions raised
                // by functions, and internal errors.
                let message = match code.get(..2) {
                    Some("22") => "a value cannot be converted",
                    Some("23" | "P0" | "XX") => "the server refused; its log says why",
                    _ => database.message(),
                };
                Self::new(kind, format!("{message} (SQLSTATE {code})"))
            }
            sqlx::Error::Io(error) => Self::new(FaultKind::Lost, error.to_string()),
            sqlx::Error::ColumnDecode { index, .. } => {
                // The driver's own text quotes the value.
                Self::new(
                    FaultKind::Query,
                    format!("column {index} does not have the type that the statement expects"),
                )
            }
            other => Self::new(FaultKind::Down, other.to_string()),
        }
    }

    /// Whether the server refused the start-up parameters of a connection, as poolers do with those they do not know.
    pub(crate) fn is_refused_start(error: &sqlx::Error) -> bool {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        // protocol_violation, feature_not_supported
        matches!(code.as_deref(), Some("08P01" | "0A000"))
    }

    /// Classifies an error of connecting.
    pub(crate) fn of_connecting(error: &sqlx::Error) -> Self {
        let fault = Self::of(error);
        let kind = if fault.kind == FaultKind::Refused { FaultKind::Refused } else { FaultKind::Down };
        Self { kind, ..fault }
    }

    /// Whether the same request can only succeed after somebody has changed something.
    pub fn is_permanent(&self) -> bool {
        matches!(
            self.kind,
            FaultKind::Refused | FaultKind::Forbidden | FaultKind::Undefined | FaultKind::Query
        )
    }

    /// Whether time ran out: waiting for a connection, or for an answer.
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind, FaultKind::TimedOut | FaultKind::Saturated)
    }
}

/// Whether the result of a prepared statement would have other types than when it was prepared, since a table or view
/// was changed. The message depends on the server's language, the name of the server's function does not.
fn is_changed_result(error: &dyn sqlx::error::DatabaseError) -> bool {
    let routine = error.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::routine);
    routine == Some("RevalidateCachedQuery")
        || error.message().contains("cached plan must not change result type")
}

/// Whether a SQLSTATE says that the same request will be refused again: an unsupported feature, a violated constraint,
/// wrong credentials, an unknown schema, a statement that does not fit the schema, or an exception that a function of the
/// database raises. A missing database is none: it may be amid a restore.
fn is_refusal(code: &str) -> bool {
    ["0A", "23", "28", "3F", "42", "P0"].iter().any(|class| code.starts_with(class))
}
