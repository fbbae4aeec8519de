use std::borrow::Cow;

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
                    // admin_shutdown, crash_shutdown, a conflict with recovery on a hot standby
                    "57P01" | "57P02" | "40001" => FaultKind::Lost,
                    // insufficient_privilege
                    "42501" => FaultKind::Forbidden,
                    // undefined_function
                    "42883" => FaultKind::Undefined,
                    code if code.starts_with("08") => FaultKind::Lost,
                    code if code.starts_with("22") => FaultKind::Query,
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

    /// Whether time ran out: waiting for a connection, or for an answer.
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind, FaultKind::TimedOut | FaultKind::Saturated)
    }
}
