//! What a row of kind `admin` records.

use padan_domain::OperatorName;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::{
    administration::act::AdminAct, operators::provider_identity::ProviderIdentity, row_state::RowState,
};

/// Who acts: the process, as the operating system says, and the request of an operator's account that it serves, if any.
#[derive(Debug, Clone)]
pub struct Operator {
    /// The user of the process.
    pub os_user: String,
    /// The user who logged in, if the system knows: it stays the same after `su` and `sudo`.
    pub login_user: Option<String>,
    /// The name of the machine.
    pub host: String,
    /// The request to the management interface; `None` for a command.
    pub request: Option<ManagementRequest>,
}

/// A request to the management interface.
#[derive(Debug, Clone, Serialize)]
pub struct ManagementRequest {
    /// The operator whose token or session the request has.
    #[serde(serialize_with = "name")]
    pub account: OperatorName,
    /// The request's id.
    pub request_id: String,
    /// What a provider said about the operator, if the operator signed in through one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderIdentity>,
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
    /// An act that changes no client and no operator.
    pub(crate) fn new(act: AdminAct, before: Value, after: Value) -> Self {
        Self { act, client: None, before, after, client_row: None, operator: None }
    }
}

fn name<S: Serializer>(name: &OperatorName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}
