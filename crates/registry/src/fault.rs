use std::borrow::Cow;

/// Why one replica gave no answer.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) text: String,
}

/// What follows from a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// The replica is down or unfit: it rests.
    Down,
    /// The connection broke under the query: a new one may do.
    Lost,
    /// The replica was too slow: it rests.
    TimedOut,
    /// All connections were busy: the replica is well and does not rest.
    Saturated,
    /// The query or the row is at fault, not the replica, which does not rest.
    Query,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// Judges an error of connecting or of a query by its SQLSTATE.
    pub(crate) fn of(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or(Cow::Borrowed("?"));
                let kind = match &*code {
                    // query_canceled by the statement timeout, lock_not_available
                    "57014" | "55P03" => FaultKind::TimedOut,
                    // admin_shutdown, crash_shutdown, a conflict with recovery on a hot standby
                    "57P01" | "57P02" | "40001" => FaultKind::Lost,
                    code if code.starts_with("08") => FaultKind::Lost,
                    code if code.starts_with("22") => FaultKind::Query,
                    _ => FaultKind::Down,
                };
                // The message of a data exception, raised within a site's own view, quotes the value.
                let message = if kind == FaultKind::Query {
                    "a value in the view cannot be converted"
                } else {
                    database.message()
                };
                Self::new(kind, format!("{message} (SQLSTATE {code})"))
            }
            sqlx::Error::Io(error) => Self::new(FaultKind::Lost, error.to_string()),
            sqlx::Error::ColumnDecode { .. } => Self::new(
                FaultKind::Query,
                "a column of padan.citizen has another type than the contract says; `padan doctor` names it",
            ),
            other => Self::new(FaultKind::Down, other.to_string()),
        }
    }

    /// Whether the replica should be tried last for a while.
    pub(crate) fn rests(&self) -> bool {
        match self.kind {
            FaultKind::Down | FaultKind::Lost | FaultKind::TimedOut => true,
            FaultKind::Saturated | FaultKind::Query => false,
        }
    }

    /// Whether the fault is one of time.
    pub(crate) fn is_of_time(&self) -> bool {
        matches!(self.kind, FaultKind::TimedOut | FaultKind::Saturated)
    }
}
