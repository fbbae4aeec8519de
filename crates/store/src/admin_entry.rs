//! What a row of kind `admin` records.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{admin_act::AdminAct, row_state::RowState};

/// Who runs a command, as the operating system says.
#[derive(Debug, Clone)]
pub struct Operator {
    /// The user of the process.
    pub os_user: String,
    /// The user who logged in, if the system knows: it stays the same after `su` and `sudo`.
    pub login_user: Option<String>,
    /// The name of the machine.
    pub host: String,
}

/// An act that begins once its row is durable, since it is not one transaction.
#[derive(Debug, Clone)]
pub struct AnnouncedAct {
    /// The act.
    pub act: AdminAct,
    /// The state before it, or null.
    pub before: Value,
    /// What was asked for, or the state after it.
    pub after: Value,
}

/// What was done, for its row.
pub(crate) struct AdminEntry {
    pub(crate) act: AdminAct,
    pub(crate) client: Option<String>,
    pub(crate) before: Value,
    pub(crate) after: Value,
    pub(crate) client_row: Option<RowState>,
    pub(crate) operator: Option<ChangedOperator>,
}

/// The operator that was changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ChangedOperator {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) row: RowState,
}

impl AdminEntry {
    pub(crate) fn of(announced: &AnnouncedAct) -> Self {
        let AnnouncedAct { act, before, after } = announced.clone();
        Self { act, client: None, before, after, client_row: None, operator: None }
    }
}
