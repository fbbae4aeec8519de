use std::collections::HashSet;

use chrono::{DateTime, Utc};
use padan_domain::{OperatorName, OperatorRole};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;

use crate::{
    error::StoreError,
    handles::Operators,
    operators::{
        provider_identity::ProviderIdentity,
        row::{OperatorRow, operator_rows},
    },
};

/// The account of an operator, without the hash of its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorAccount {
    /// Its name.
    pub name: OperatorName,
    /// What it may do.
    pub role: OperatorRole,
    /// From when on its token is refused; `None` for never.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether its token is refused.
    pub disabled: bool,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub changed_at: DateTime<Utc>,
    /// When its token was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it last signed in, where that is known.
    pub last_signed_in_at: Option<DateTime<Utc>>,
    /// Whether it has a password, without which nobody signs in.
    pub has_password: bool,
    /// Whether a sign-in needs a one-time code.
    pub has_code: bool,
    /// When password or secret of the codes were last changed. Sessions that began earlier have ended.
    pub credentials_changed_at: Option<DateTime<Utc>>,
    /// What a provider said about the operator, who then has no row in the store; `None` for an operator of the store.
    pub provider: Option<ProviderIdentity>,
}

impl OperatorAccount {
    /// The account of somebody who signed in through a provider at a moment. It counts as long as the session.
    pub fn of_provider(name: OperatorName, provider: ProviderIdentity, since: DateTime<Utc>) -> Self {
        Self {
            name,
            role: provider.role,
            expires_at: None,
            disabled: false,
            created_at: since,
            changed_at: since,
            last_used_at: None,
            last_signed_in_at: Some(since),
            has_password: false,
            has_code: false,
            credentials_changed_at: None,
            provider: Some(provider),
        }
    }
}

impl Operators {
    /// The account whose token this is, whether it is still valid or not.
    ///
    /// The hash of the token selects the row. A token has 256 random bits, so the time of the look-up reveals nothing
    /// that helps to guess one.
    ///
    /// # Errors
    ///
    /// [`StoreError::OperatorNotSigned`] when Padan did not write the row; otherwise when the store fails or the row is
    /// invalid.
    pub async fn of_token(&self, token: &[u8]) -> Result<Option<OperatorAccount>, StoreError> {
        let token_sha256 = Sha256::digest(token);
        let query = || operator_rows(None, Some(token_sha256.as_slice()));
        let Some(row) = self.0.pool().fetch_optional(query).await? else { return Ok(None) };
        row.require_signature(self.0.audit_keys())?;
        row.try_into().map(Some)
    }

    /// The SHA-256 of each operator's token, whoever wrote its row.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn token_hashes(&self) -> Result<HashSet<[u8; 32]>, StoreError> {
        let rows = self.0.pool().fetch_all(|| operator_rows(None, None)).await?;
        Ok(rows.iter().filter_map(|row| row.token_sha256.as_slice().try_into().ok()).collect())
    }

    /// Notes that an operator's token was used, at most once a minute.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn note_use(&self, name: &OperatorName) -> Result<(), StoreError> {
        let query = || {
            sqlx::query!(
                "UPDATE store.operator
                    SET last_used_at = date_trunc('minute', now())
                  WHERE name = $1
                    AND (last_used_at IS NULL OR last_used_at < date_trunc('minute', now()))",
                name.as_str()
            )
        };
        self.0.pool().execute(query).await?;
        Ok(())
    }
}

impl TryFrom<OperatorRow> for OperatorAccount {
    type Error = StoreError;

    fn try_from(row: OperatorRow) -> Result<Self, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "store.operator", column };
        Ok(Self {
            name: row.name.parse().map_err(|_| inconsistent("name"))?,
            role: row.role.parse().map_err(|_| inconsistent("role"))?,
            expires_at: row.expires_at,
            disabled: row.disabled,
            created_at: row.created_at,
            changed_at: row.changed_at,
            last_used_at: row.last_used_at,
            last_signed_in_at: row.last_signed_in_at,
            has_password: row.has_password,
            has_code: row.has_code,
            credentials_changed_at: row.credentials_changed_at,
            provider: None,
        })
    }
}

/// Notes that an operator of the store signs in, and locks its row. False when it is disabled, or its credentials are no
/// longer those that were set at this time.
pub(crate) async fn note_sign_in(
    connection: &mut PgConnection,
    operator: &str,
    credentials_changed_at: Option<DateTime<Utc>>,
) -> sqlx::Result<bool> {
    let noted = sqlx::query!(
        "UPDATE store.operator
            SET last_signed_in_at = now()
          WHERE name = $1
            AND NOT disabled
            AND credentials_changed_at IS NOT DISTINCT FROM $2",
        operator,
        credentials_changed_at
    );
    Ok(noted.execute(connection).await?.rows_affected() == 1)
}
