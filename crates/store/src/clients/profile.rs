use chrono::{DateTime, Utc};
use padan_domain::{ClientName, ClientRules, Username};

use crate::{
    clients::{row::ClientColumns, rules::inconsistent},
    error::StoreError,
};

/// A client without the hashes of its secrets.
#[derive(Debug, Clone)]
pub struct ClientProfile {
    /// Its name.
    pub name: ClientName,
    /// Its user name.
    pub username: Username,
    /// When the password before the last rotation expires; `None` when there is none.
    pub old_password_until: Option<DateTime<Utc>>,
    /// When the key before the last rotation expires; `None` when there is none.
    pub old_api_key_until: Option<DateTime<Utc>>,
    /// Whether all its requests are refused.
    pub disabled: bool,
    /// Whether it is answered from the table of test people.
    pub is_sandbox: bool,
    /// Its networks, endpoints, fields, rate and quotas.
    pub rules: ClientRules,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub changed_at: DateTime<Utc>,
}

impl TryFrom<ClientColumns> for ClientProfile {
    type Error = StoreError;

    fn try_from(row: ClientColumns) -> Result<Self, StoreError> {
        Ok(Self {
            name: row.name.parse().map_err(|_| inconsistent("name"))?,
            username: row.username.parse().map_err(|_| inconsistent("username"))?,
            old_password_until: row.previous_password_valid_until,
            old_api_key_until: row.previous_api_key_valid_until,
            disabled: row.disabled,
            is_sandbox: row.sandbox,
            rules: row.rules()?,
            created_at: row.created_at,
            changed_at: row.changed_at,
        })
    }
}
