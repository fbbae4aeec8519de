//! Changes to clients by an operator, each within the transaction of its row in the audit trail. The service's role
//! lacks the privilege.
//!
//! A changed row is signed, and so a row that Padan did not write is refused. Otherwise a change of something else would
//! sign what somebody put there.

use std::time::Duration;

use chrono::{DateTime, Utc};
use padan_domain::{ClientName, ClientRules, Username};
use padan_postgres::{Command, Selection as _};
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{
    administration::{act::AdminAct, entry::AdminEntry},
    audit::keys::AuditKeys,
    clients::{
        row::{ClientRow, client_rows, lock_client},
        rules::RuleColumns,
        secret::ClientSecret,
    },
    error::StoreError,
    row_state::RowState,
    step_error::StepError,
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
    pub(crate) what: ClientEdit,
}

/// What changes. Secrets are hashed.
#[derive(Debug)]
pub(crate) enum ClientEdit {
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
    /// Makes the change and signs the row. Returns what was done, or `None` when there is no such client, or one with
    /// the new name or user name.
    pub(crate) async fn apply(
        &self,
        connection: &mut PgConnection,
        keys: &AuditKeys,
    ) -> Result<Option<AdminEntry>, StepError> {
        lock_client(connection, &self.name).await?;
        let former = client_rows(Some(&self.name)).optional(&mut *connection).await?;
        let is_new = matches!(self.what, ClientEdit::Add { .. });
        if is_new == former.is_some() {
            return Ok(None);
        }
        if let Some(former) = &former {
            self.check(former, keys)?;
        }
        let Some(change) = self.statement() else {
            let row = RowState { changed_at: self.remove(connection).await?, mac: None };
            return Ok(Some(self.entry(former.as_ref(), None, row, keys)));
        };
        if change.execute(&mut *connection).await?.rows_affected() != 1 {
            return Ok(None);
        }
        let Some(unsigned) = client_rows(Some(&self.name)).optional(&mut *connection).await? else {
            return Ok(None);
        };
        let (key_id, mac) = unsigned.sign(keys)?;
        self.save_signature(connection, &key_id, &mac).await?;
        let row = RowState { changed_at: unsigned.columns.changed_at, mac: Some(hex::encode(mac)) };
        Ok(Some(self.entry(former.as_ref(), Some(&unsigned), row, keys)))
    }

    /// Refuses a row that Padan did not write, if the rest of it is signed again, and one that was changed since the rules
    /// were computed from it.
    fn check(&self, former: &ClientRow, keys: &AuditKeys) -> Result<(), StoreError> {
        match self.what {
            ClientEdit::Signature | ClientEdit::Removal => return Ok(()),
            _ => former.require_signature(keys)?,
        }
        match self.what {
            ClientEdit::Rules { read_at, .. } if former.columns.changed_at != read_at => {
                Err(StoreError::ClientChangedMeanwhile(self.name.to_string()))
            }
            _ => Ok(()),
        }
    }

    fn entry(
        &self,
        former: Option<&ClientRow>,
        row: Option<&ClientRow>,
        client_row: RowState,
        keys: &AuditKeys,
    ) -> AdminEntry {
        let state = |row: Option<&ClientRow>| row.map_or(Value::Null, |row| row.columns.state());
        let (mut before, mut after) = (state(former), state(row));
        if let ClientEdit::Secrets { password, api_key, .. } = &self.what {
            after["new_secrets"] = json!({ "password": password.is_some(), "api_key": api_key.is_some() });
        }
        if let (ClientEdit::Signature, Some(former)) = (&self.what, former) {
            before["signature"] = former.signature(keys).to_string().into();
        }
        let client = Some(self.name.to_string());
        AdminEntry { client, client_row: Some(client_row), ..AdminEntry::new(self.act(), before, after) }
    }

    fn act(&self) -> AdminAct {
        match &self.what {
            ClientEdit::Add { .. } => AdminAct::ClientAdded,
            ClientEdit::Rules { .. } => AdminAct::ClientChanged,
            ClientEdit::Disabled(true) => AdminAct::ClientDisabled,
            ClientEdit::Disabled(false) => AdminAct::ClientEnabled,
            ClientEdit::Secrets { .. } => AdminAct::ClientRotated,
            ClientEdit::Signature => AdminAct::ClientSigned,
            ClientEdit::Removal => AdminAct::ClientRemoved,
        }
    }

    /// The statement that writes the row without its signature; `None` when it is removed.
    fn statement(&self) -> Option<Command> {
        Some(match &self.what {
            ClientEdit::Add { username, password, api_key, is_sandbox, rules } => {
                self.insert(username, password, api_key, *is_sandbox, rules)
            }
            ClientEdit::Rules { rules, .. } => self.update_rules(rules),
            ClientEdit::Disabled(disabled) => self.update_disabled(*disabled),
            ClientEdit::Secrets { password, api_key, keep_old } => {
                self.update_secrets(password.as_ref(), api_key.as_ref(), *keep_old)
            }
            ClientEdit::Signature => self.touch(),
            ClientEdit::Removal => return None,
        })
    }

    fn insert(
        &self,
        username: &Username,
        password: &[u8; 32],
        api_key: &[u8; 32],
        is_sandbox: bool,
        rules: &ClientRules,
    ) -> Command {
        let rules = RuleColumns::from(rules);
        sqlx::query!(
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
    }

    fn update_rules(&self, rules: &ClientRules) -> Command {
        let rules = RuleColumns::from(rules);
        sqlx::query!(
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
    }

    fn update_disabled(&self, disabled: bool) -> Command {
        sqlx::query!(
            "UPDATE store.client
                SET disabled = $2,
                    changed_at = greatest(now(), changed_at + interval '1 microsecond')
              WHERE name = $1",
            self.name.as_str(),
            disabled
        )
    }

    fn update_secrets(
        &self,
        password: Option<&[u8; 32]>,
        api_key: Option<&[u8; 32]>,
        keep_old: Duration,
    ) -> Command {
        sqlx::query!(
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
            password.map(<[u8; 32]>::as_slice),
            api_key.map(<[u8; 32]>::as_slice),
            keep_old.as_secs_f64()
        )
    }

    fn touch(&self) -> Command {
        sqlx::query!(
            "UPDATE store.client
                SET changed_at = greatest(now(), changed_at + interval '1 microsecond')
              WHERE name = $1",
            self.name.as_str()
        )
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
