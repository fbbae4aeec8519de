use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Which row of a client or an operator an administrative row left behind. A later one has a later `changed_at`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RowState {
    pub(crate) changed_at: DateTime<Utc>,
    /// The row's HMAC in hexadecimal digits; `None` when the client or operator was removed.
    pub(crate) mac: Option<String>,
}
