use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::{CertificateName, ClientName, ClientRules, RequestRate, Username, parse_network};
use sqlx::PgConnection;

use crate::{client_secret::KeptSecret, error::StoreError, store::Store};

/// A client as the store has it.
#[derive(Debug, Clone)]
pub struct StoredClient {
    /// Its name.
    pub name: ClientName,
    /// What it presents as its user name.
    pub username: Username,
    /// The hash of its password.
    pub password: KeptSecret,
    /// The hash of its key.
    pub api_key: KeptSecret,
    /// Whether it may not call at present.
    pub disabled: bool,
    /// What it may do otherwise.
    pub rules: ClientRules,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub changed_at: DateTime<Utc>,
}

impl Store {
    /// All clients, by name.
    pub async fn clients(&self) -> Result<Vec<StoredClient>, StoreError> {
        let rows = self.connections().run(all, &()).await?;
        rows.into_iter().map(StoredClient::try_from).collect()
    }

    /// One client.
    pub async fn client(&self, name: &ClientName) -> Result<Option<StoredClient>, StoreError> {
        let row = self.connections().run(one, name).await?;
        row.map(StoredClient::try_from).transpose()
    }

    /// Whether the role may read clients and count what they use.
    pub(crate) async fn may_read_clients(&self) -> Result<bool, StoreError> {
        Ok(self.connections().run(permitted, &()).await?)
    }
}

/// The error for a row that breaks what the table's constraints promise.
pub(crate) fn inconsistent(column: &'static str) -> StoreError {
    StoreError::Inconsistent { table: "store.client", column }
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
        let rules = row.rules()?;
        Ok(Self {
            name: row.name.parse().map_err(|_| inconsistent("name"))?,
            username: row.username.parse().map_err(|_| inconsistent("username"))?,
            password: kept(
                &row.password_sha256,
                row.previous_password_sha256.as_deref().zip(row.previous_password_valid_until),
            )
            .ok_or_else(|| inconsistent("password_sha256"))?,
            api_key: kept(
                &row.api_key_sha256,
                row.previous_api_key_sha256.as_deref().zip(row.previous_api_key_valid_until),
            )
            .ok_or_else(|| inconsistent("api_key_sha256"))?,
            disabled: row.disabled,
            rules,
            created_at: row.created_at,
            changed_at: row.changed_at,
        })
    }
}

impl ClientRow {
    fn rules(&self) -> Result<ClientRules, StoreError> {
        let rate = (self.requests_per_second, self.burst);
        let quotas = (self.daily_quota, self.monthly_quota);
        rules((&self.allowed_networks, &self.certificates), self.endpoints.as_deref(), rate, quotas)
    }
}

/// Rules as the columns have them.
pub(crate) fn rules(
    (networks, certificates): (&[String], &[String]),
    endpoints: Option<&[String]>,
    (requests_per_second, burst): (Option<f64>, Option<i32>),
    (daily_quota, monthly_quota): (Option<i64>, Option<i64>),
) -> Result<ClientRules, StoreError> {
    let networks = networks.iter().map(|text| parse_network(text));
    let certificates = certificates.iter().map(|text| text.parse());
    let rate = requests_per_second.map(|per_second| {
        let burst = burst.and_then(|burst| u32::try_from(burst).ok());
        RequestRate::new(per_second, burst).map_err(|_| inconsistent("requests_per_second"))
    });
    Ok(ClientRules {
        networks: networks.collect::<Result<_, _>>().map_err(|_| inconsistent("allowed_networks"))?,
        certificates: certificates
            .collect::<Result<Vec<CertificateName>, _>>()
            .map_err(|_| inconsistent("certificates"))?,
        // A newer program may have granted what this one does not know.
        endpoints: endpoints.map(|names| names.iter().filter_map(|name| name.parse().ok()).collect()),
        rate: rate.transpose()?,
        daily_quota: quota(daily_quota).map_err(|()| inconsistent("daily_quota"))?,
        monthly_quota: quota(monthly_quota).map_err(|()| inconsistent("monthly_quota"))?,
    })
}

fn kept(current: &[u8], previous: Option<(&[u8], DateTime<Utc>)>) -> Option<KeptSecret> {
    let previous = match previous {
        None => None,
        Some((sha256, valid_until)) => Some((sha256.try_into().ok()?, valid_until)),
    };
    Some(KeptSecret { current: current.try_into().ok()?, previous })
}

fn quota(kept: Option<i64>) -> Result<Option<NonZeroU32>, ()> {
    kept.map(|quota| u32::try_from(quota).ok().and_then(NonZeroU32::new).ok_or(())).transpose()
}

fn all<'c>(connection: &'c mut PgConnection, (): &'c ()) -> BoxFuture<'c, sqlx::Result<Vec<ClientRow>>> {
    sqlx::query_as!(
        ClientRow,
        r#"SELECT name, username, password_sha256, api_key_sha256,
                  previous_password_sha256, previous_password_valid_until,
                  previous_api_key_sha256, previous_api_key_valid_until,
                  disabled, allowed_networks::text[] AS "allowed_networks!", certificates, endpoints,
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
                  disabled, allowed_networks::text[] AS "allowed_networks!", certificates, endpoints,
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
