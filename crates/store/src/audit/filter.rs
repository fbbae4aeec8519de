use chrono::{DateTime, Utc};
use padan_domain::NationalId;

use super::search::AuditPosition;

/// Selects rows by all criteria that are set.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Rows about this person.
    pub nik: Option<NationalId>,
    /// Rows of this kind: `request`, `forget` or `admin`.
    pub kind: Option<String>,
    /// Rows of this client.
    pub client: Option<String>,
    /// Rows at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Rows before this moment.
    pub to: Option<DateTime<Utc>>,
    /// Rows after the one at this place, in the order of an export.
    pub after: Option<AuditPosition>,
}
