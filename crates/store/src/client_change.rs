//! Changes to clients by an operator. The service's role lacks the privilege.

use std::time::Duration;

use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::{ClientName, ClientRules, Username};
use sqlx::PgConnection;

use crate::{client_rules::RuleColumns, client_secret::ClientSecret, error::StoreError, store::Store};

/// A client to be added.
#[derive(Debug)]
pub struct NewClient {
    /// Its name, unique among the clients.
    pub name: ClientName,
    /// Its user name, unique among the clients.
    pub username: Username,
    /// Its password.
    pub password: ClientSecret,
    /// Its key.
    pub api_key: ClientSecret,
    /// Its networks, endpoints, fields, rate and quotas.
    pub rules: ClientRules,
}

/// New secrets for a client.
#[derive(Debug)]
pub struct Rotation {
    /// The client.
    pub name: ClientName,
    /// A new password, or `None` to keep the present one.
    pub password: Option<ClientSecret>,
    /// A new key, or `None` to keep the present one.
    pub api_key: Option<ClientSecret>,
    /// How long the replaced secrets remain valid. Secrets that an earlier rotation replaced become invalid at once.
    pub keep_old: Duration,
}

impl Store {
    /// Adds a client. False when its name or user name is taken.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn add_client(&self, client: &NewClient) -> Result<bool, StoreError> {
        Ok(self.pool().run(add, client).await?)
    }

    /// Replaces a client's rules. False when there is no client of that name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn set_client_rules(&self, name: &ClientName, rules: &ClientRules) -> Result<bool, StoreError> {
        let change = (name.clone(), rules.clone());
        Ok(self.pool().run(set_rules, &change).await?)
    }

    /// Disables or enables a client. False when there is no client of that name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn set_client_disabled(&self, name: &ClientName, disabled: bool) -> Result<bool, StoreError> {
        let change = (name.clone(), disabled);
        Ok(self.pool().run(set_disabled, &change).await?)
    }

    /// Replaces a client's secrets. False when there is no client of that name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn rotate_client(&self, rotation: &Rotation) -> Result<bool, StoreError> {
        Ok(self.pool().run(rotate, rotation).await?)
    }

    /// Removes a client, but not the count of its used quotas. False when there is no client of that name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn remove_client(&self, name: &ClientName) -> Result<bool, StoreError> {
        Ok(self.pool().run(remove, name).await?)
    }
}

fn add<'c>(connection: &'c mut PgConnection, client: &'c NewClient) -> BoxFuture<'c, sqlx::Result<bool>> {
    async move {
        let rules = RuleColumns::from(&client.rules);
        let (password, api_key) = (client.password.sha256(), client.api_key.sha256());
        let done = sqlx::query!(
            "INSERT INTO store.client
                    (name, username, password_sha256, api_key_sha256, allowed_networks, endpoints,
                     requests_per_second, burst, daily_quota, monthly_quota, certificates, fields)
             VALUES ($1, $2, $3, $4, $5::text[]::cidr[], $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT DO NOTHING",
            client.name.as_str(),
            client.username.as_str(),
            password.as_slice(),
            api_key.as_slice(),
            &rules.networks,
            rules.endpoints.as_deref(),
            rules.requests_per_second,
            rules.burst,
            rules.daily_quota,
            rules.monthly_quota,
            &rules.certificates,
            rules.fields.as_deref()
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }
    .boxed()
}

fn set_rules<'c>(
    connection: &'c mut PgConnection,
    (name, rules): &'c (ClientName, ClientRules),
) -> BoxFuture<'c, sqlx::Result<bool>> {
    async move {
        let rules = RuleColumns::from(rules);
        let done = sqlx::query!(
            "UPDATE store.client
                SET allowed_networks = $2::text[]::cidr[],
                    endpoints = $3,
                    requests_per_second = $4,
                    burst = $5,
                    daily_quota = $6,
                    monthly_quota = $7,
                    certificates = $8,
                    fields = $9,
                    changed_at = now()
              WHERE name = $1",
            name.as_str(),
            &rules.networks,
            rules.endpoints.as_deref(),
            rules.requests_per_second,
            rules.burst,
            rules.daily_quota,
            rules.monthly_quota,
            &rules.certificates,
            rules.fields.as_deref()
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }
    .boxed()
}

fn set_disabled<'c>(
    connection: &'c mut PgConnection,
    (name, disabled): &'c (ClientName, bool),
) -> BoxFuture<'c, sqlx::Result<bool>> {
    async move {
        let done = sqlx::query!(
            "UPDATE store.client SET disabled = $2, changed_at = now() WHERE name = $1",
            name.as_str(),
            disabled
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }
    .boxed()
}

fn rotate<'c>(connection: &'c mut PgConnection, rotation: &'c Rotation) -> BoxFuture<'c, sqlx::Result<bool>> {
    async move {
        let password = rotation.password.as_ref().map(ClientSecret::sha256);
        let api_key = rotation.api_key.as_ref().map(ClientSecret::sha256);
        let done = sqlx::query!(
            "UPDATE store.client
                SET password_sha256 = COALESCE($2, password_sha256),
                    previous_password_sha256 =
                        CASE WHEN $2::bytea IS NULL THEN previous_password_sha256
                             WHEN $4::float8 > 0 THEN password_sha256 END,
                    previous_password_valid_until =
                        CASE WHEN $2::bytea IS NULL THEN previous_password_valid_until
                             WHEN $4::float8 > 0 THEN now() + make_interval(secs => $4::float8) END,
                    api_key_sha256 = COALESCE($3, api_key_sha256),
                    previous_api_key_sha256 =
                        CASE WHEN $3::bytea IS NULL THEN previous_api_key_sha256
                             WHEN $4::float8 > 0 THEN api_key_sha256 END,
                    previous_api_key_valid_until =
                        CASE WHEN $3::bytea IS NULL THEN previous_api_key_valid_until
                             WHEN $4::float8 > 0 THEN now() + make_interval(secs => $4::float8) END,
                    changed_at = now()
              WHERE name = $1",
            rotation.name.as_str(),
            password.as_ref().map(<[u8; 32]>::as_slice),
            api_key.as_ref().map(<[u8; 32]>::as_slice),
            rotation.keep_old.as_secs_f64()
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }
    .boxed()
}

fn remove<'c>(connection: &'c mut PgConnection, name: &'c ClientName) -> BoxFuture<'c, sqlx::Result<bool>> {
    async move {
        let done = sqlx::query!("DELETE FROM store.client WHERE name = $1", name.as_str())
            .execute(connection)
            .await?;
        Ok(done.rows_affected() == 1)
    }
    .boxed()
}
