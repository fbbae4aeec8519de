use std::borrow::Cow;

/// Why a server gave no answer.
#[derive(Debug)]
pub struct Fault {
    /// What follows from it.
    pub kind: FaultKind,
    /// The reason in words, with the SQLSTATE where the server gave one.
    pub text: String,
}

/// What follows from a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The server is down, or not fit for what it is asked.
    Down,
    /// The connection broke under the query: a new one may do.
    Lost,
    /// The server was too slow.
    TimedOut,
    /// All connections were busy; the server is well.
    Saturated,
    /// The statement or the row is at fault, not the server.
    Query,
    /// The role may not do it.
    Forbidden,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// Judges an error of connecting or of a query by its SQLSTATE.
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
                    code if code.starts_with("08") => FaultKind::Lost,
                    code if code.starts_with("22") => FaultKind::Query,
                    _ => FaultKind::Down,
                };
                // These messages quote values: a data exception, a violated constraint, a function's own exception and
                // an internal error.
                let message = match code.get(..2) {
                    Some("22") => "a value cannot be converted",
                    Some("23" | "P0" | "XX") => "the server refused; its log says why",
                    _ => database.message(),
                };
                Self::new(kind, format!("{message} (SQLSTATE {code})"))
            }
            sqlx::Error::Io(error) => Self::new(FaultKind::Lost, error.to_string()),
            sqlx::Error::ColumnDecode { index, .. } => {
                Self::new(FaultKind::Query, format!("column {index} has another type than is expected"))
            }
            other => Self::new(FaultKind::Down, other.to_string()),
        }
    }

    /// Whether the fault is one of time.
    pub fn is_of_time(&self) -> bool {
        matches!(self.kind, FaultKind::TimedOut | FaultKind::Saturated)
    }
}
