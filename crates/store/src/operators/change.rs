//! Changes to operators, each within the transaction of its row in the audit trail. A changed row is signed, and so a row
//! that Padan did not write is refused.

use chrono::{DateTime, Utc};
use padan_domain::{OperatorName, OperatorRole};
use serde_json::Value;
use sqlx::PgConnection;

use crate::{
    administration::{
        act::AdminAct,
        entry::{AdminEntry, ChangedOperator},
    },
    audit::keys::AuditKeys,
    clients::{secret::ClientSecret, signature::ClientSignature},
    error::StoreError,
    operators::{
        code::CodeSecret,
        password::PasswordHashText,
        row::{OperatorFilter, OperatorRow, lock_operator, operator_rows},
    },
    row_state::RowState,
};

/// An operator to be added.
#[derive(Debug)]
pub struct NewOperator {
    /// Its name, unique among the operators.
    pub name: OperatorName,
    /// What it may do.
    pub role: OperatorRole,
    /// Its token.
    pub token: ClientSecret,
    /// From when on the token is refused; `None` for never.
    pub expires_at: Option<DateTime<Utc>>,
}

/// The settings of an operator that change; `None` keeps the present one.
#[derive(Debug, Clone, Default)]
pub struct OperatorSettings {
    /// What it may do.
    pub role: Option<OperatorRole>,
    /// From when on its token is refused; the inner `None` for never.
    pub expires_at: Option<Option<DateTime<Utc>>>,
    /// Whether its token is refused.
    pub disabled: Option<bool>,
}

/// A change of an operator.
#[derive(Debug)]
pub(crate) struct OperatorChange {
    name: OperatorName,
    what: WhatChanges,
    /// Whether the change is refused if it takes the last operator away who could undo it.
    leaves_an_operator: bool,
}

/// What changes. Tokens are hashed.
#[derive(Debug)]
enum WhatChanges {
    Add {
        role: OperatorRole,
        token: [u8; 32],
        expires_at: Option<DateTime<Utc>>,
    },
    /// Other settings. An operator who is disabled has no session afterwards.
    Settings(OperatorSettings),
    Token([u8; 32]),
    Password(PasswordHashText),
    /// The secret of the one-time codes; `None` removes it.
    Code(Option<CodeSecret>),
    Removal,
}

impl OperatorChange {
    pub(crate) fn add(operator: &NewOperator) -> Self {
        let NewOperator { name, role, token, expires_at } = operator;
        Self::of(name, WhatChanges::Add { role: *role, token: token.sha256(), expires_at: *expires_at })
    }

    pub(crate) fn set(name: &OperatorName, settings: &OperatorSettings) -> Self {
        Self::of(name, WhatChanges::Settings(settings.clone()))
    }

    pub(crate) fn rotate(name: &OperatorName, token: &ClientSecret) -> Self {
        Self::of(name, WhatChanges::Token(token.sha256()))
    }

    pub(crate) fn set_password(name: &OperatorName, hash: PasswordHashText) -> Self {
        Self::of(name, WhatChanges::Password(hash))
    }

    pub(crate) fn set_code(name: &OperatorName, secret: Option<CodeSecret>) -> Self {
        Self::of(name, WhatChanges::Code(secret))
    }

    pub(crate) fn remove(name: &OperatorName) -> Self {
        Self::of(name, WhatChanges::Removal)
    }

    /// The same change, refused if it takes the last operator away who could undo it.
    pub(crate) fn leaving_an_operator(self) -> Self {
        Self { leaves_an_operator: true, ..self }
    }

    fn of(name: &OperatorName, what: WhatChanges) -> Self {
        Self { name: name.clone(), what, leaves_an_operator: false }
    }

    /// Makes the change and signs the row. Returns what was done, or `None` when there is no such operator, or one with
    /// the new name.
    pub(crate) async fn apply(
        &self,
        connection: &mut PgConnection,
        keys: &AuditKeys,
    ) -> sqlx::Result<Result<Option<AdminEntry>, StoreError>> {
        if self.leaves_an_operator {
            lock_operators(connection).await?;
        }
        lock_operator(connection, &self.name).await?;
        let former = read_row(connection, &self.name).await?;
        let is_new = matches!(self.what, WhatChanges::Add { .. });
        if is_new == former.is_some() {
            return Ok(Ok(None));
        }
        if let WhatChanges::Removal = self.what {
            end_sessions(connection, &self.name).await?;
            let removed_at = self.remove_row(connection).await?;
            let row = RowState { changed_at: removed_at, mac: None };
            return Ok(Ok(Some(self.entry(former.as_ref(), Value::Null, row))));
        }
        if let Some(former) = &former
            && let Err(refused) = former.require_signature(keys)
        {
            return Ok(Err(refused));
        }
        let written = match self.write(connection, keys).await? {
            Ok(written) => written,
            Err(error) => return Ok(Err(error)),
        };
        if written != 1 {
            return Ok(Ok(None));
        }
        let Some(unsigned) = read_row(connection, &self.name).await? else { return Ok(Ok(None)) };
        let (key_id, mac) = match unsigned.sign(keys) {
            Ok(signed) => signed,
            Err(error) => return Ok(Err(error)),
        };
        self.save_signature(connection, &key_id, &mac).await?;
        if self.leaves_an_operator && takes_the_last_operator(connection, former.as_ref(), keys).await? {
            return Ok(Err(StoreError::LastOperator(self.name.to_string())));
        }
        let row = RowState { changed_at: unsigned.changed_at, mac: Some(hex::encode(mac)) };
        Ok(Ok(Some(self.entry(former.as_ref(), unsigned.state(), row))))
    }

    fn entry(&self, former: Option<&OperatorRow>, after: Value, row: RowState) -> AdminEntry {
        AdminEntry {
            act: self.act(),
            client: None,
            before: former.map_or(Value::Null, OperatorRow::state),
            after,
            client_row: None,
            operator: Some(ChangedOperator { name: self.name.to_string(), row }),
        }
    }

    fn act(&self) -> AdminAct {
        match &self.what {
            WhatChanges::Add { .. } => AdminAct::OperatorAdded,
            WhatChanges::Settings(_) => AdminAct::OperatorChanged,
            WhatChanges::Token(_) => AdminAct::OperatorRotated,
            WhatChanges::Password(_) => AdminAct::OperatorPasswordSet,
            WhatChanges::Code(Some(_)) => AdminAct::OperatorCodeSet,
            WhatChanges::Code(None) => AdminAct::OperatorCodeRemoved,
            WhatChanges::Removal => AdminAct::OperatorRemoved,
        }
    }

    /// Writes the row without its signature, and returns how many rows were written.
    async fn write(
        &self,
        connection: &mut PgConnection,
        keys: &AuditKeys,
    ) -> sqlx::Result<Result<u64, StoreError>> {
        let written = match &self.what {
            WhatChanges::Add { role, token, expires_at } => {
                self.insert(connection, *role, token, *expires_at).await
            }
            WhatChanges::Settings(settings) => self.update_settings(connection, settings).await,
            WhatChanges::Token(token) => self.update_token(connection, token).await,
            WhatChanges::Password(hash) => self.update_password(connection, hash).await,
            WhatChanges::Code(secret) => {
                return self.update_code(connection, secret.as_ref(), keys).await;
            }
            WhatChanges::Removal => Ok(0),
        };
        written.map(Ok)
    }

    /// Replaces the password and ends the operator's sessions.
    async fn update_password(
        &self,
        connection: &mut PgConnection,
        PasswordHashText(hash): &PasswordHashText,
    ) -> sqlx::Result<u64> {
        end_sessions(connection, &self.name).await?;
        let done = sqlx::query!(
            "UPDATE store.operator
                SET password_hash = $2,
                    credentials_changed_at = now(),
                    changed_at = greatest(now(), changed_at + interval '1 microsecond')
              WHERE name = $1",
            self.name.as_str(),
            hash
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected())
    }

    /// Replaces or removes the secret of the one-time codes, and ends the operator's sessions.
    async fn update_code(
        &self,
        connection: &mut PgConnection,
        secret: Option<&CodeSecret>,
        keys: &AuditKeys,
    ) -> sqlx::Result<Result<u64, StoreError>> {
        let sealed = match secret.map(|secret| secret.seal(self.name.as_str(), keys)).transpose() {
            Ok(sealed) => sealed,
            Err(error) => return Ok(Err(error)),
        };
        end_sessions(connection, &self.name).await?;
        let done = sqlx::query!(
            "UPDATE store.operator
                SET code_secret = $2,
                    code_key_id = $3,
                    code_step = 0,
                    credentials_changed_at = now(),
                    changed_at = greatest(now(), changed_at + interval '1 microsecond')
              WHERE name = $1",
            self.name.as_str(),
            sealed.as_ref().map(|sealed| sealed.bytes.as_slice()),
            sealed.as_ref().map(|sealed| sealed.key_id.as_str())
        )
        .execute(connection)
        .await?;
        Ok(Ok(done.rows_affected()))
    }

    async fn insert(
        &self,
        connection: &mut PgConnection,
        role: OperatorRole,
        token: &[u8; 32],
        expires_at: Option<DateTime<Utc>>,
    ) -> sqlx::Result<u64> {
        let done = sqlx::query!(
            "INSERT INTO store.operator (name, role, token_sha256, expires_at)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            self.name.as_str(),
            role.as_str(),
            token.as_slice(),
            expires_at
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected())
    }

    async fn update_settings(
        &self,
        connection: &mut PgConnection,
        settings: &OperatorSettings,
    ) -> sqlx::Result<u64> {
        if settings.disabled == Some(true) {
            end_sessions(connection, &self.name).await?;
        }
        let done = sqlx::query!(
            "UPDATE store.operator
                SET role = coalesce($2, role),
                    disabled = coalesce($3, disabled),
                    expires_at = CASE WHEN $4 THEN $5 ELSE expires_at END,
                    changed_at = greatest(now(), changed_at + interval '1 microsecond')
              WHERE name = $1",
            self.name.as_str(),
            settings.role.map(OperatorRole::as_str),
            settings.disabled,
            settings.expires_at.is_some(),
            settings.expires_at.flatten()
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected())
    }

    async fn update_token(&self, connection: &mut PgConnection, token: &[u8; 32]) -> sqlx::Result<u64> {
        let done = sqlx::query!(
            "UPDATE store.operator
                SET token_sha256 = $2,
                    changed_at = greatest(now(), changed_at + interval '1 microsecond')
              WHERE name = $1",
            self.name.as_str(),
            token.as_slice()
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
            "UPDATE store.operator SET key_id = $2, mac = $3 WHERE name = $1",
            self.name.as_str(),
            key_id,
            mac
        )
        .execute(connection)
        .await
        .map(drop)
    }

    /// Removes the row. Returns a time after its last change.
    async fn remove_row(&self, connection: &mut PgConnection) -> sqlx::Result<DateTime<Utc>> {
        sqlx::query_scalar!(
            r#"DELETE FROM store.operator
                WHERE name = $1
            RETURNING greatest(now(), changed_at + interval '1 microsecond') AS "removed_at!""#,
            self.name.as_str()
        )
        .fetch_one(connection)
        .await
    }
}

/// Ends all sessions of an account. Returns how many there were.
pub(crate) async fn end_sessions(connection: &mut PgConnection, name: &OperatorName) -> sqlx::Result<u64> {
    sqlx::query!("DELETE FROM store.operator_session WHERE operator = $1", name.as_str())
        .execute(connection)
        .await
        .map(|done| done.rows_affected())
}

/// Locks the rows of all operators, so that two of them do not disable each other at the same time. Always in the same
/// order, so that nobody waits for each other.
async fn lock_operators(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query!("SELECT FROM store.operator ORDER BY name FOR UPDATE").execute(connection).await.map(drop)
}

/// Whether the operator was an enabled account in the role operator, and none is left after the change. A store may have
/// none: people of a provider are operators too.
async fn takes_the_last_operator(
    connection: &mut PgConnection,
    former: Option<&OperatorRow>,
    keys: &AuditKeys,
) -> sqlx::Result<bool> {
    let now = sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(&mut *connection).await?;
    let counts = |row: &OperatorRow| {
        row.role == OperatorRole::Operator.as_str()
            && !row.disabled
            && row.expires_at.is_none_or(|at| at > now)
            && row.signature(keys) == ClientSignature::Right
    };
    if !former.is_some_and(counts) {
        return Ok(false);
    }
    Ok(!operator_rows(connection, &OperatorFilter::default()).await?.iter().any(counts))
}

async fn read_row(connection: &mut PgConnection, name: &OperatorName) -> sqlx::Result<Option<OperatorRow>> {
    let filter = OperatorFilter { name: Some(name.clone()), token_sha256: None };
    Ok(operator_rows(connection, &filter).await?.pop())
}
