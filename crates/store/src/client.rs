use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::{ClientName, ClientRules, Username};
use sqlx::PgConnection;

use crate::{
    client_rules::{RuleColumns, inconsistent},
    client_secret::SecretHashes,
    error::StoreError,
    store::Store,
};

/// A client in the store.
#[derive(Debug, Clone)]
pub struct StoredClient {
    /// Its name.
    pub name: ClientName,
    /// Its user name.
    pub username: Username,
    /// The hashes of its password.
    pub password: SecretHashes,
    /// The hashes of its key.
    pub api_key: SecretHashes,
    /// Whether all its requests are refused.
    pub disabled: bool,
    /// Its networks, endpoints, fields, rate and quotas.
    pub rules: ClientRules,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub changed_at: DateTime<Utc>,
}

impl Store {
    /// All clients, ordered by name.
    ///
    /// # Errors
    ///
    /// When the store fails or a row is invalid.
    pub async fn clients(&self) -> Result<Vec<StoredClient>, StoreError> {
        let rows = self.pool().run(all, &()).await?;
        rows.into_iter().map(StoredClient::try_from).collect()
    }

    /// The client of a name.
    ///
    /// # Errors
    ///
    /// When the store fails or the row is invalid.
    pub async fn client(&self, name: &ClientName) -> Result<Option<StoredClient>, StoreError> {
        let row = self.pool().run(one, name).await?;
        row.map(StoredClient::try_from).transpose()
    }

    /// Whether the role may read clients, and read and write the use of quotas.
    pub(crate) async fn may_read_clients(&self) -> Result<bool, StoreError> {
        Ok(self.pool().run(permitted, &()).await?)
    }
}

struct ClientRow {
    name: String,
    username: String,
    password_sha256: Vec<u8>,
    api_key_sha256: Vec<u8>,
    previous_password_sha256: Option<Vec<u8>>,
    previous_password_valid_until: Option<DateTime<Utc>>,
    previous_api_key_sha256: Option<Vec<u8>>,
    previous_api_key_valid_until: Option<DateTime<Utc>>,
    disabled: bool,
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

impl TryFrom<ClientRow> for StoredClient {
    type Error = StoreError;

    fn try_from(row: ClientRow) -> Result<Self, StoreError> {
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
            password: secret_hashes(
                &row.password_sha256,
                row.previous_password_sha256.as_deref().zip(row.previous_password_valid_until),
            )
            .ok_or_else(|| inconsistent("password_sha256"))?,
            api_key: secret_hashes(
                &row.api_key_sha256,
                row.previous_api_key_sha256.as_deref().zip(row.previous_api_key_valid_until),
            )
            .ok_or_else(|| inconsistent("api_key_sha256"))?,
            disabled: row.disabled,
            rules: rules.try_into()?,
            created_at: row.created_at,
            changed_at: row.changed_at,
        })
    }
}

fn secret_hashes(current: &[u8], previous: Option<(&[u8], DateTime<Utc>)>) -> Option<SecretHashes> {
    let previous = match previous {
        None => None,
        Some((sha256, valid_until)) => Some((sha256.try_into().ok()?, valid_until)),
    };
    Some(SecretHashes { current: current.try_into().ok()?, previous })
}

fn all<'c>(connection: &'c mut PgConnection, (): &'c ()) -> BoxFuture<'c, sqlx::Result<Vec<ClientRow>>> {
    sqlx::query_as!(
        ClientRow,
        r#"SELECT name, username, password_sha256, api_key_sha256,
                  previous_password_sha256, previous_password_valid_until,
                  previous_api_key_sha256, previous_api_key_valid_until,
                  disabled, allowed_networks::text[] AS "allowed_networks!", certificates, endpoints, fields,
                  requests_per_second, burst, daily_quota, monthly_quota, created_at, changed_at
             FROM store.client
            ORDER BY name"#
    )
    .fetch_all(connection)
    .boxed()
}

fn one<'c>(
    connection: &'c mut PgConnection,
    name: &'c ClientName,
) -> BoxFuture<'c, sqlx::Result<Option<ClientRow>>> {
    sqlx::query_as!(
        ClientRow,
        r#"SELECT name, username, password_sha256, api_key_sha256,
                  previous_password_sha256, previous_password_valid_until,
                  previous_api_key_sha256, previous_api_key_valid_until,
                  disabled, allowed_networks::text[] AS "allowed_networks!", certificates, endpoints, fields,
                  requests_per_second, burst, daily_quota, monthly_quota, created_at, changed_at
             FROM store.client
            WHERE name = $1"#,
        name.as_str()
    )
    .fetch_optional(connection)
    .boxed()
}

fn permitted<'c>(connection: &'c mut PgConnection, (): &'c ()) -> BoxFuture<'c, sqlx::Result<bool>> {
    sqlx::query_scalar!(
        r#"SELECT has_table_privilege('store.client', 'SELECT')
                  AND has_table_privilege('store.quota_use', 'SELECT')
                  AND has_table_privilege('store.quota_use', 'INSERT')
                  AND has_table_privilege('store.quota_use', 'UPDATE') AS "permitted!""#
    )
    .fetch_one(connection)
    .boxed()
}
