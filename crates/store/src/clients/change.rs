//! Changes to clients by an operator, each within the transaction of its row in the audit trail. The service's role
//! lacks the privilege.
//!
//! A changed row is signed, and so a row that Padan did not write is refused. Otherwise a change of something else would
//! sign what somebody put there.

use std::time::Duration;

use chrono::{DateTime, Utc};
use padan_domain::{ClientName, ClientRules, Username};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{
    administration::{act::AdminAct, entry::AdminEntry},
    audit::keys::AuditKeys,
    clients::{
        row::{ClientFilter, ClientRow, client_rows, lock_client},
        rules::RuleColumns,
        secret::ClientSecret,
    },
    error::StoreError,
    row_state::RowState,
};

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
    /// Whether it is answered from the table of test people. This never changes.
    pub is_sandbox: bool,
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

/// A change of a client.
#[derive(Debug)]
pub(crate) struct ClientChange {
    pub(crate) name: ClientName,
    pub(crate) what: WhatChanges,
}

/// What changes. Secrets are hashed.
#[derive(Debug)]
pub(crate) enum WhatChanges {
    Add {
        username: Username,
        password: [u8; 32],
        api_key: [u8; 32],
        is_sandbox: bool,
        rules: ClientRules,
    },
    /// Rules that were computed from the row as it was last changed at `read_at`.
    Rules {
        rules: ClientRules,
        read_at: DateTime<Utc>,
    },
    Disabled(bool),
    Secrets {
        password: Option<[u8; 32]>,
        api_key: Option<[u8; 32]>,
        keep_old: Duration,
    },
    /// The row stays as it is and is signed, whoever wrote it.
    Signature,
    Removal,
}

impl ClientChange {
    pub(crate) fn add(client: &NewClient) -> Self {
        let what = WhatChanges::Add {
            username: client.username.clone(),
            password: client.password.sha256(),
            api_key: client.api_key.sha256(),
            is_sandbox: client.is_sandbox,
            rules: client.rules.clone(),
        };
        Self { name: client.name.clone(), what }
    }

    pub(crate) fn rotate(rotation: &Rotation) -> Self {
        let what = WhatChanges::Secrets {
            password: rotation.password.as_ref().map(ClientSecret::sha256),
            api_key: rotation.api_key.as_ref().map(ClientSecret::sha256),
            keep_old: rotation.keep_old,
        };
        Self { name: rotation.name.clone(), what }
    }

    /// Makes the change and signs the row. Returns what was done, or `None` when there is no such client, or one with
    /// the new name or user name.
    pub(crate) async fn apply(
        &self,
        connection: &mut PgConnection,
        keys: &AuditKeys,
    ) -> sqlx::Result<Result<Option<AdminEntry>, StoreError>> {
        lock_client(connection, &self.name).await?;
        let former = read_row(connection, &self.name).await?;
        let is_new = matches!(self.what, WhatChanges::Add { .. });
        if is_new == former.is_some() {
            return Ok(Ok(None));
        }
        if let Some(former) = &former
            && self.keeps_signature()
            && let Err(refused) = former.require_signature(keys)
        {
            return Ok(Err(refused));
        }
        if let (Some(former), WhatChanges::Rules { read_at, .. }) = (&former, &self.what)
            && former.columns.changed_at != *read_at
        {
            return Ok(Err(StoreError::ClientChangedMeanwhile(self.name.to_string())));
        }
        if let WhatChanges::Removal = self.what {
            let removed_at = self.remove(connection).await?;
            return Ok(Ok(Some(self.removal(former, removed_at))));
        }
        if !self.write(connection).await? {
            return Ok(Ok(None));
        }
        let Some(unsigned) = read_row(connection, &self.name).await? else { return Ok(Ok(None)) };
        let (key_id, mac) = match unsigned.sign(keys) {
            Ok(signed) => signed,
            Err(error) => return Ok(Err(error)),
        };
        self.save_signature(connection, &key_id, &mac).await?;
        let client_row = RowState { changed_at: unsigned.columns.changed_at, mac: Some(hex::encode(mac)) };
        Ok(Ok(Some(self.entry(former.as_ref(), &unsigned, client_row, keys))))
    }

    fn entry(
        &self,
        former: Option<&ClientRow>,
        row: &ClientRow,
        client_row: RowState,
        keys: &AuditKeys,
    ) -> AdminEntry {
        let mut before = former.map_or(Value::Null, |former| former.columns.state());
        let mut after = row.columns.state();
        if let WhatChanges::Secrets { password, api_key, .. } = &self.what {
            after["new_secrets"] = json!({ "password": password.is_some(), "api_key": api_key.is_some() });
        }
        if let (WhatChanges::Signature, Some(former)) = (&self.what, former) {
            before["signature"] = former.signature(keys).to_string().into();
        }
        let client = Some(self.name.to_string());
        AdminEntry { act: self.act(), client, before, after, client_row: Some(client_row), operator: None }
    }

    fn removal(&self, former: Option<ClientRow>, removed_at: DateTime<Utc>) -> AdminEntry {
        AdminEntry {
            act: self.act(),
            client: Some(self.name.to_string()),
            before: former.map_or(Value::Null, |former| former.columns.state()),
            after: Value::Null,
            client_row: Some(RowState { changed_at: removed_at, mac: None }),
            operator: None,
        }
    }

    fn act(&self) -> AdminAct {
        match &self.what {
            WhatChanges::Add { .. } => AdminAct::ClientAdded,
            WhatChanges::Rules { .. } => AdminAct::ClientChanged,
            WhatChanges::Disabled(true) => AdminAct::ClientDisabled,
            WhatChanges::Disabled(false) => AdminAct::ClientEnabled,
            WhatChanges::Secrets { .. } => AdminAct::ClientRotated,
            WhatChanges::Signature => AdminAct::ClientSigned,
            WhatChanges::Removal => AdminAct::ClientRemoved,
        }
    }

    /// Whether the rest of the row is signed again, so that it must be one that Padan wrote.
    fn keeps_signature(&self) -> bool {
        !matches!(self.what, WhatChanges::Signature | WhatChanges::Removal)
    }

    /// Writes the row without its signature. False when nothing was written.
    async fn write(&self, connection: &mut PgConnection) -> sqlx::Result<bool> {
        let written = match &self.what {
            WhatChanges::Add { .. } => self.insert(connection).await?,
            WhatChanges::Rules { rules, .. } => self.update_rules(connection, rules).await?,
            WhatChanges::Disabled(disabled) => self.update_disabled(connection, *disabled).await?,
            WhatChanges::Secrets { .. } => self.update_secrets(connection).await?,
            WhatChanges::Signature => self.touch(connection).await?,
            WhatChanges::Removal => 0,
        };
        Ok(written == 1)
    }

    async fn insert(&self, connection: &mut PgConnection) -> sqlx::Result<u64> {
        let WhatChanges::Add { username, password, api_key, is_sandbox, rules } = &self.what else {
            return Ok(0);
        };
        let rules = RuleColumns::from(rules);
        let done = sqlx::query!(
            "INSERT INTO store.client
                    (name, username, password_sha256, api_key_sha256, allowed_networks, endpoints,
                     requests_per_second, burst, daily_quota, monthly_quota, certificates, fields, sandbox)
             VALUES ($1, $2, $3, $4, $5::text[]::cidr[], $6, $7, $8, $9, $10, $11, $12, $13)
             ON CONFLICT DO NOTHING",
            self.name.as_str(),
            username.as_str(),
            password.as_slice(),
            api_key.as_slice(),
            &rules.networks,
            rules.endpoints.as_deref(),
            rules.requests_per_second,
            rules.burst,
            rules.daily_quota,
            rules.monthly_quota,
            &rules.certificates,
            rules.fields.as_deref(),
            is_sandbox
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected())
    }

    async fn update_rules(&self, connection: &mut PgConnection, rules: &ClientRules) -> sqlx::Result<u64> {
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
                    changed_at = greatest(now(), changed_at + interval '1 microsecond')
              WHERE name = $1",
            self.name.as_str(),
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
        Ok(done.rows_affected())
    }

    async fn update_disabled(&self, connection: &mut PgConnection, disabled: bool) -> sqlx::Result<u64> {
        let done = sqlx::query!(
            "UPDATE store.client
                SET disabled = $2,
                    changed_at = greatest(now(), changed_at + interval '1 microsecond')
              WHERE name = $1",
            self.name.as_str(),
            disabled
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected())
    }

    async fn update_secrets(&self, connection: &mut PgConnection) -> sqlx::Result<u64> {
        let WhatChanges::Secrets { password, api_key, keep_old } = &self.what else { return Ok(0) };
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
                    changed_at = greatest(now(), changed_at + interval '1 microsecond')
              WHERE name = $1",
            self.name.as_str(),
            password.as_ref().map(<[u8; 32]>::as_slice),
            api_key.as_ref().map(<[u8; 32]>::as_slice),
            keep_old.as_secs_f64()
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected())
    }

    async fn touch(&self, connection: &mut PgConnection) -> sqlx::Result<u64> {
        let done = sqlx::query!(
            "UPDATE store.client
                SET changed_at = greatest(now(), changed_at + interval '1 microsecond')
              WHERE name = $1",
            self.name.as_str()
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected())
    }

    async fn save_signature(
        &self,
        connection: &mut PgConnection,
        key_id: &str,
        mac: &[u8],
    ) -> sqlx::Result<()> {
        sqlx::query!(
            "UPDATE store.client SET key_id = $2, mac = $3 WHERE name = $1",
            self.name.as_str(),
            key_id,
            mac
        )
        .execute(connection)
        .await
        .map(drop)
    }

    /// Removes the row, but not the count of its used quotas. Returns a time after its last change.
    async fn remove(&self, connection: &mut PgConnection) -> sqlx::Result<DateTime<Utc>> {
        sqlx::query_scalar!(
            r#"DELETE FROM store.client
                WHERE name = $1
            RETURNING greatest(now(), changed_at + interval '1 microsecond') AS "removed_at!""#,
            self.name.as_str()
        )
        .fetch_one(connection)
        .await
    }
}

async fn read_row(connection: &mut PgConnection, name: &ClientName) -> sqlx::Result<Option<ClientRow>> {
    Ok(client_rows(connection, &ClientFilter(Some(name.clone()))).await?.pop())
}
