use chrono::{DateTime, Utc};
use padan_domain::NationalId;

/// Which rows.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Those about one person.
    pub nik: Option<NationalId>,
    /// Those of one client.
    pub client: Option<String>,
    /// Those at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Those before this moment.
    pub to: Option<DateTime<Utc>>,
}
