use chrono::{DateTime, Utc};
use padan_domain::{ClientName, ClientRules, Username};
use padan_postgres::Pool;

use crate::{
    clients::rules::{RuleColumns, inconsistent},
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

struct ProfileRow {
    name: String,
    username: String,
    previous_password_valid_until: Option<DateTime<Utc>>,
    previous_api_key_valid_until: Option<DateTime<Utc>>,
    disabled: bool,
    sandbox: bool,
    allowed_networks: Vec<String>,
    certificates: Vec<String>,
    endpoints: Option<Vec<String>>,
    fields: Option<Vec<String>>,
    requests_per_second: Option<f64>,
    burst: Option<i32>,
    daily_quota: Option<i64>,
    monthly_quota: Option<i64>,
    created_at: DateTime<Utc>,
    changed_at: DateTime<Utc>,
}

impl TryFrom<ProfileRow> for ClientProfile {
    type Error = StoreError;

    fn try_from(row: ProfileRow) -> Result<Self, StoreError> {
        let rules = RuleColumns {
            networks: row.allowed_networks,
            certificates: row.certificates,
            endpoints: row.endpoints,
            fields: row.fields,
            requests_per_second: row.requests_per_second,
            burst: row.burst,
            daily_quota: row.daily_quota,
            monthly_quota: row.monthly_quota,
        };
        Ok(Self {
            name: row.name.parse().map_err(|_| inconsistent("name"))?,
            username: row.username.parse().map_err(|_| inconsistent("username"))?,
            old_password_until: row.previous_password_valid_until,
            old_api_key_until: row.previous_api_key_valid_until,
            disabled: row.disabled,
            is_sandbox: row.sandbox,
            rules: rules.try_into()?,
            created_at: row.created_at,
            changed_at: row.changed_at,
        })
    }
}

/// The client of a name, or all clients, ordered by name.
pub(crate) async fn read_profiles(
    pool: &Pool,
    name: Option<&ClientName>,
) -> Result<Vec<ClientProfile>, StoreError> {
    let query = || {
        sqlx::query_as!(
            ProfileRow,
            r#"SELECT name, username, previous_password_valid_until, previous_api_key_valid_until,
                      disabled, sandbox, allowed_networks::text[] AS "allowed_networks!", certificates, endpoints, fields,
                      requests_per_second, burst, daily_quota, monthly_quota, created_at, changed_at
                 FROM store.client
                WHERE name = coalesce($1, name)
                ORDER BY name"#,
            name.map(ClientName::as_str)
        )
    };
    pool.fetch_all(query).await?.into_iter().map(ClientProfile::try_from).collect()
}
