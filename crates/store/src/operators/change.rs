//! Changes to operators, each within the transaction of its row in the audit trail. A changed row is signed, and so a row
//! that Padan did not write is refused.

use chrono::{DateTime, Utc};
use padan_domain::{OperatorName, OperatorRole};
use padan_postgres::{Command, Selection as _};
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
        row::{OperatorRow, lock_operator, operator_rows, operator_secrets},
    },
    row_state::RowState,
    step_error::StepError,
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
    pub(crate) name: OperatorName,
    pub(crate) what: OperatorEdit,
    /// Whether the change is refused if it takes the last operator away who could undo it.
    pub(crate) leaves_an_operator: bool,
}

/// What changes. Tokens are hashed.
#[derive(Debug)]
pub(crate) enum OperatorEdit {
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
    /// Nothing but the signature, which was that of a former release.
    Signature,
    Removal,
}

impl OperatorChange {
    /// Makes the change and signs the row. Returns what was done, or `None` when there is no such operator, or one with
    /// the new name.
    pub(crate) async fn apply(
        &self,
        connection: &mut PgConnection,
        keys: &AuditKeys,
    ) -> Result<Option<AdminEntry>, StepError> {
        if self.leaves_an_operator {
            lock_operators(connection).await?;
        }
        lock_operator(connection, &self.name).await?;
        let former = operator_rows(Some(&self.name), None).optional(&mut *connection).await?;
        let is_new = matches!(self.what, OperatorEdit::Add { .. });
        if is_new == former.is_some() {
            return Ok(None);
        }
        if self.ends_sessions() {
            end_sessions(connection, &self.name).await?;
        }
        let Some(change) = self.statement(keys)? else {
            let row = RowState { changed_at: self.remove_row(connection).await?, mac: None };
            return Ok(Some(self.entry(former.as_ref(), None, row)));
        };
        if let Some(former) = &former {
            self.require_signature(connection, former, keys).await?;
        }
        if change.execute(&mut *connection).await?.rows_affected() != 1 {
            return Ok(None);
        }
        let Some(unsigned) = operator_rows(Some(&self.name), None).optional(&mut *connection).await? else {
            return Ok(None);
        };
        let (key_id, mac) = unsigned.sign(keys)?;
        self.save_signature(connection, &key_id, &mac).await?;
        if self.leaves_an_operator && takes_the_last_operator(connection, former.as_ref(), keys).await? {
            return Err(StoreError::LastOperator(self.name.to_string()).into());
        }
        let row = RowState { changed_at: unsigned.changed_at, mac: Some(hex::encode(mac)) };
        Ok(Some(self.entry(former.as_ref(), Some(&unsigned), row)))
    }

    /// Refuses a row that Padan did not write.
    async fn require_signature(
        &self,
        connection: &mut PgConnection,
        row: &OperatorRow,
        keys: &AuditKeys,
    ) -> Result<(), StepError> {
        if matches!(self.what, OperatorEdit::Signature) {
            let secrets = operator_secrets(&row.name).optional(connection).await?;
            if secrets.is_some_and(|secrets| row.has_former_signature(&secrets, keys)) {
                return Ok(());
            }
        }
        Ok(row.require_signature(keys)?)
    }

    fn entry(&self, former: Option<&OperatorRow>, row: Option<&OperatorRow>, state: RowState) -> AdminEntry {
        let [before, after] = [former, row].map(|row| row.map_or(Value::Null, OperatorRow::state));
        let operator = Some(ChangedOperator { name: self.name.to_string(), row: state });
        AdminEntry { operator, ..AdminEntry::new(self.act(), before, after) }
    }

    fn act(&self) -> AdminAct {
        match &self.what {
            OperatorEdit::Add { .. } => AdminAct::OperatorAdded,
            OperatorEdit::Settings(_) | OperatorEdit::Signature => AdminAct::OperatorChanged,
            OperatorEdit::Token(_) => AdminAct::OperatorRotated,
            OperatorEdit::Password(_) => AdminAct::OperatorPasswordSet,
            OperatorEdit::Code(Some(_)) => AdminAct::OperatorCodeSet,
            OperatorEdit::Code(None) => AdminAct::OperatorCodeRemoved,
            OperatorEdit::Removal => AdminAct::OperatorRemoved,
        }
    }

    /// Whether the operator's sessions end with the change.
    fn ends_sessions(&self) -> bool {
        match &self.what {
            OperatorEdit::Add { .. } | OperatorEdit::Token(_) | OperatorEdit::Signature => false,
            OperatorEdit::Settings(settings) => settings.disabled == Some(true),
            OperatorEdit::Password(_) | OperatorEdit::Code(_) | OperatorEdit::Removal => true,
        }
    }

    /// The statement that writes the row without its signature; `None` when it is removed.
    fn statement(&self, keys: &AuditKeys) -> Result<Option<Command>, StoreError> {
        Ok(Some(match &self.what {
            OperatorEdit::Add { role, token, expires_at } => self.insert(*role, token, *expires_at),
            OperatorEdit::Settings(settings) => self.update_settings(settings),
            OperatorEdit::Token(token) => self.update_token(token),
            OperatorEdit::Password(hash) => self.update_password(hash),
            OperatorEdit::Code(secret) => self.update_code(secret.as_ref(), keys)?,
            OperatorEdit::Signature => self.update_settings(&OperatorSettings::default()),
            OperatorEdit::Removal => return Ok(None),
        }))
    }

    fn update_password(&self, PasswordHashText(hash): &PasswordHashText) -> Command {
        sqlx::query!(
            "UPDATE store.operator
                SET password_hash = $2,
                    credentials_changed_at = now(),
                    changed_at = greatest(now(), changed_at + interval '1 microsecond')
              WHERE name = $1",
            self.name.as_str(),
            hash
        )
    }

    fn update_code(&self, secret: Option<&CodeSecret>, keys: &AuditKeys) -> Result<Command, StoreError> {
        let sealed = secret.map(|secret| secret.seal(self.name.as_str(), keys)).transpose()?;
        Ok(sqlx::query!(
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
        ))
    }

    fn insert(&self, role: OperatorRole, token: &[u8; 32], expires_at: Option<DateTime<Utc>>) -> Command {
        sqlx::query!(
            "INSERT INTO store.operator (name, role, token_sha256, expires_at)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            self.name.as_str(),
            role.as_str(),
            token.as_slice(),
            expires_at
        )
    }

    fn update_settings(&self, settings: &OperatorSettings) -> Command {
        sqlx::query!(
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
    }

    fn update_token(&self, token: &[u8; 32]) -> Command {
        sqlx::query!(
            "UPDATE store.operator
                SET token_sha256 = $2,
                    changed_at = greatest(now(), changed_at + interval '1 microsecond')
              WHERE name = $1",
            self.name.as_str(),
            token.as_slice()
        )
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
    Ok(!operator_rows(None, None).all(connection).await?.iter().any(counts))
}
