//! Sessions of operators who signed in.
//!
//! The HMAC of a session covers all columns but the time of the last use. A token ends with an HMAC over its random part, so
//! that one that somebody made up is refused without a look-up. A session through a provider has what the provider said
//! about the operator, who then has no row in `store.operator`.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::OperatorName;
use padan_postgres::Selection as _;
use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, PgConnection};
use subtle::ConstantTimeEq as _;

use crate::{
    audit::keys::AuditKeys,
    clients::secret::ClientSecret,
    error::StoreError,
    handles::Operators,
    operators::{
        account::{OperatorAccount, note_sign_in},
        provider_identity::ProviderIdentity,
        row::{OperatorRow, operator_rows},
    },
};

/// A session that begins.
#[derive(Debug)]
pub struct NewSession {
    /// The operator.
    pub operator: OperatorName,
    /// How long it lasts at most.
    pub lifetime: TimeDelta,
    /// What a provider said about the operator; `None` for an operator of the store.
    pub provider: Option<ProviderIdentity>,
    /// When the credentials of an operator of the store were set that were checked.
    pub credentials_changed_at: Option<DateTime<Utc>>,
}

/// A session of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorSession {
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
    /// When it was last used, to ten seconds.
    pub last_used_at: DateTime<Utc>,
    token_sha256: [u8; 32],
}

/// A whole row.
pub(crate) struct SessionRow {
    pub(crate) token_sha256: Vec<u8>,
    pub(crate) operator: String,
    pub(crate) began_at: DateTime<Utc>,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) last_used_at: DateTime<Utc>,
    pub(crate) issuer: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) claimed_name: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) key_id: String,
    pub(crate) mac: Vec<u8>,
}

/// A session with its operator, if that is one of the store.
type FoundSession = (SessionRow, Option<OperatorRow>);

/// What the statement of a new session needs.
struct Beginning<'a> {
    session: &'a NewSession,
    token_sha256: [u8; 32],
    keys: &'a AuditKeys,
}

/// Sessions that an operator has at the same time. A further one ends the oldest.
const MAX_SESSIONS: i64 = 10;

impl Operators {
    /// Begins a session. Returns its token, which only the operator's browser may have; `None` when the operator was
    /// disabled or has got other credentials since they were checked.
    ///
    /// # Errors
    ///
    /// When the store fails, or the key cannot sign.
    pub async fn begin_session(
        &self,
        session: &NewSession,
    ) -> Result<Option<(ClientSecret, OperatorSession)>, StoreError> {
        let token = new_token(self.0.audit_keys())?;
        let beginning = Beginning { session, token_sha256: token.sha256(), keys: self.0.audit_keys() };
        let begun = self.0.pool().run(begin, &beginning).await??;
        Ok(begun.map(|begun| (token, begun)))
    }

    /// Whether Padan made this token, under one of the audit keys. Says nothing about its session.
    pub fn is_session_token(&self, token: &[u8]) -> bool {
        let Some((secret, signature)) = std::str::from_utf8(token).ok().and_then(|text| text.split_once('.'))
        else {
            return false;
        };
        let key_id = signature.split('.').next().unwrap_or_default();
        let expected = token_signature(self.0.audit_keys(), key_id, secret);
        expected.is_some_and(|expected| bool::from(expected.as_bytes().ct_eq(signature.as_bytes())))
    }

    /// The session whose token this is, with the account of its operator, whether they are still valid or not. `None`
    /// when there is none, or Padan did not write its row, or its operator has got other credentials since.
    ///
    /// # Errors
    ///
    /// [`StoreError::OperatorNotSigned`] when Padan did not write the operator's row; otherwise when the store fails or a
    /// row is invalid.
    pub async fn session(
        &self,
        token: &[u8],
    ) -> Result<Option<(OperatorSession, OperatorAccount)>, StoreError> {
        let token_sha256 = Sha256::digest(token).into();
        let Some((session, operator)) = self.0.pool().run(find, &token_sha256).await? else {
            return Ok(None);
        };
        if !session.is_signed(self.0.audit_keys()) {
            tracing::error!("a session of operator {} was written by others than Padan", session.operator);
            return Ok(None);
        }
        let Some(operator) = operator else { return session.of_provider(token_sha256).map(Some) };
        operator.require_signature(self.0.audit_keys())?;
        let has_ended = operator.credentials_changed_at.is_none_or(|at| session.began_at < at)
            || session.began_at < operator.created_at;
        let SessionRow { began_at, expires_at, last_used_at, .. } = session;
        let found = OperatorSession { began_at, expires_at, last_used_at, token_sha256 };
        Ok(if has_ended { None } else { Some((found, operator.try_into()?)) })
    }

    /// Notes that a session was used, at most each ten seconds.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn note_session_use(&self, session: &OperatorSession) -> Result<(), StoreError> {
        let query = || {
            sqlx::query!(
                "UPDATE store.operator_session
                    SET last_used_at = now()
                  WHERE token_sha256 = $1
                    AND last_used_at < now() - interval '10 seconds'",
                session.token_sha256.as_slice()
            )
        };
        self.0.pool().execute(query).await?;
        Ok(())
    }

    /// Ends a session.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn end_session(&self, session: &OperatorSession) -> Result<(), StoreError> {
        let query = || {
            sqlx::query!(
                "DELETE FROM store.operator_session WHERE token_sha256 = $1",
                session.token_sha256.as_slice()
            )
        };
        self.0.pool().execute(query).await?;
        Ok(())
    }
}

impl SessionRow {
    /// Whether Padan wrote the row.
    pub(crate) fn is_signed(&self, keys: &AuditKeys) -> bool {
        self.computed_mac(&self.key_id, keys).as_ref() == Some(&self.mac)
    }

    fn computed_mac(&self, key_id: &str, keys: &AuditKeys) -> Option<Vec<u8>> {
        // Sessions of operators of the store are signed as by releases that knew no others.
        let version =
            if self.issuer.is_none() { "padan operator session 1" } else { "padan operator session 2" };
        let signature = keys
            .signature(key_id, version)?
            .with(Some(&self.token_sha256))
            .text(Some(&self.operator))
            .integer(self.began_at.timestamp_micros())
            .integer(self.expires_at.timestamp_micros());
        if self.issuer.is_none() {
            return Some(signature.finish());
        }
        let signature = signature
            .text(self.issuer.as_deref())
            .text(self.subject.as_deref())
            .text(self.claimed_name.as_deref())
            .text(self.role.as_deref());
        Some(signature.finish())
    }

    /// The session of somebody whom a provider knows, with the account that this gives.
    fn of_provider(self, token_sha256: [u8; 32]) -> Result<(OperatorSession, OperatorAccount), StoreError> {
        let (began_at, expires_at, last_used_at) = (self.began_at, self.expires_at, self.last_used_at);
        let session = OperatorSession { began_at, expires_at, last_used_at, token_sha256 };
        Ok((session, self.account_of_provider()?))
    }

    /// The account of somebody whom a provider knows.
    pub(crate) fn account_of_provider(self) -> Result<OperatorAccount, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "store.operator_session", column };
        let role = self.role.and_then(|role| role.parse().ok()).ok_or(inconsistent("role"))?;
        let provider = ProviderIdentity {
            issuer: self.issuer.ok_or(inconsistent("issuer"))?,
            subject: self.subject.ok_or(inconsistent("subject"))?,
            claimed_name: self.claimed_name.ok_or(inconsistent("claimed_name"))?,
            role,
        };
        let name = self.operator.parse().map_err(|_| inconsistent("operator"))?;
        Ok(OperatorAccount::of_provider(name, provider, self.began_at))
    }
}

fn new_token(keys: &AuditKeys) -> Result<ClientSecret, StoreError> {
    let secret = ClientSecret::generate()?;
    let signature = token_signature(keys, keys.current_id(), secret.reveal());
    let signature = signature.ok_or(StoreError::Cryptography("the audit key cannot sign"))?;
    Ok(secret.signed(&signature))
}

/// The signature of a token's random part: the key's id, and the HMAC.
fn token_signature(keys: &AuditKeys, key_id: &str, secret: &str) -> Option<String> {
    let signature = keys.signature(key_id, "padan session token 1")?.text(Some(secret));
    Some(format!("{key_id}.{}", hex::encode(signature.finish())))
}

fn begin<'c>(
    connection: &'c mut PgConnection,
    beginning: &'c Beginning<'_>,
) -> BoxFuture<'c, sqlx::Result<Result<Option<OperatorSession>, StoreError>>> {
    async move {
        let Beginning { session, token_sha256, keys } = *beginning;
        let mut transaction = connection.begin().await?;
        let now = sqlx::query_scalar!(r#"SELECT now() AS "now!""#).fetch_one(&mut *transaction).await?;
        let mut row = SessionRow {
            token_sha256: token_sha256.to_vec(),
            operator: session.operator.to_string(),
            began_at: now,
            expires_at: now + session.lifetime,
            last_used_at: now,
            issuer: session.provider.as_ref().map(|provider| provider.issuer.clone()),
            subject: session.provider.as_ref().map(|provider| provider.subject.clone()),
            claimed_name: session.provider.as_ref().map(|provider| provider.claimed_name.clone()),
            role: session.provider.as_ref().map(|provider| provider.role.as_str().to_owned()),
            key_id: keys.current_id().to_owned(),
            mac: Vec::new(),
        };
        let Some(mac) = row.computed_mac(&row.key_id, keys) else {
            return Ok(Err(StoreError::Cryptography("the audit key cannot sign")));
        };
        row.mac = mac;
        // First, as changes of operators lock the rows in this order. A change that comes later ends this session.
        if row.issuer.is_none()
            && !note_sign_in(&mut transaction, &row.operator, session.credentials_changed_at).await?
        {
            return Ok(Ok(None));
        }
        end_surplus(&mut transaction, &row.operator).await?;
        insert(&mut transaction, &row).await?;
        transaction.commit().await?;
        let SessionRow { began_at, expires_at, last_used_at, .. } = row;
        Ok(Ok(Some(OperatorSession { began_at, expires_at, last_used_at, token_sha256 })))
    }
    .boxed()
}

/// Ends sessions whose time is over, and the oldest ones of the operator so that one more is allowed.
async fn end_surplus(connection: &mut PgConnection, operator: &str) -> sqlx::Result<()> {
    sqlx::query!(
        "DELETE FROM store.operator_session
          WHERE expires_at < now()
             OR token_sha256 IN (SELECT token_sha256
                                   FROM store.operator_session
                                  WHERE operator = $1
                                  ORDER BY began_at DESC
                                 OFFSET $2)",
        operator,
        MAX_SESSIONS - 1
    )
    .execute(connection)
    .await
    .map(drop)
}

async fn insert(connection: &mut PgConnection, row: &SessionRow) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO store.operator_session (token_sha256, operator, began_at, expires_at, last_used_at, issuer, subject,
                                             claimed_name, role, key_id, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        row.token_sha256,
        row.operator,
        row.began_at,
        row.expires_at,
        row.last_used_at,
        row.issuer,
        row.subject,
        row.claimed_name,
        row.role,
        row.key_id,
        row.mac
    )
    .execute(connection)
    .await
    .map(drop)
}

fn find<'c>(
    connection: &'c mut PgConnection,
    token_sha256: &'c [u8; 32],
) -> BoxFuture<'c, sqlx::Result<Option<FoundSession>>> {
    async move {
        let session = sqlx::query_as!(
            SessionRow,
            "SELECT token_sha256, operator, began_at, expires_at, last_used_at, issuer, subject, claimed_name, role,
                    key_id, mac
               FROM store.operator_session
              WHERE token_sha256 = $1",
            token_sha256.as_slice()
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(session) = session else { return Ok(None) };
        if session.issuer.is_some() {
            return Ok(Some((session, None)));
        }
        let Ok(name) = session.operator.parse() else { return Ok(None) };
        let operator = operator_rows(Some(&name), None).optional(connection).await?;
        Ok(operator.map(|operator| (session, Some(operator))))
    }
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_signature_that_another_program_computes() {
        let keys = AuditKeys::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap();
        let row = row(&keys);
        // Computed in Python (tools/oracle/audit_signatures.py).
        let expected = "a2ec3a7b1ffbac9ce8f32cb56b4818a84aef98710714f231081bfa3c9592293d";
        assert_eq!(hex::encode(row.computed_mac(&row.key_id, &keys).unwrap()), expected);
    }

    fn row(keys: &AuditKeys) -> SessionRow {
        SessionRow {
            token_sha256: vec![11; 32],
            operator: "rina".to_owned(),
            began_at: "2026-03-04T05:00:00Z".parse().unwrap(),
            expires_at: "2026-03-04T17:00:00Z".parse().unwrap(),
            last_used_at: "2026-03-04T06:00:00Z".parse().unwrap(),
            issuer: None,
            subject: None,
            claimed_name: None,
            role: None,
            key_id: keys.current_id().to_owned(),
            mac: Vec::new(),
        }
    }

    #[test]
    fn a_session_through_a_provider_has_all_that_the_provider_said_in_its_signature() {
        let keys = AuditKeys::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap();
        let of_provider = || SessionRow {
            operator: "oidc:f47ac10b".to_owned(),
            issuer: Some("https://id.bank.example".to_owned()),
            subject: Some("f47ac10b".to_owned()),
            claimed_name: Some("Rina".to_owned()),
            role: Some("auditor".to_owned()),
            ..row(&keys)
        };
        let mac = |row: &SessionRow| hex::encode(row.computed_mac(&row.key_id, &keys).unwrap());
        // Computed in Python (tools/oracle/audit_signatures.py).
        assert_eq!(mac(&of_provider()), "b18e69e23e87da047f6a360be719c2dbda41cd270a60972c40e345fdfe06e06a");
        let changes: [fn(&mut SessionRow); 6] = [
            |row| row.issuer = None,
            |row| row.issuer = Some("https://evil.example".to_owned()),
            |row| row.subject = Some("other".to_owned()),
            |row| row.claimed_name = Some("Budi".to_owned()),
            |row| row.role = Some("operator".to_owned()),
            |row| row.operator = "oidc:other".to_owned(),
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut changed = of_provider();
            change(&mut changed);
            assert_ne!(mac(&changed), mac(&of_provider()), "{number}");
        }
    }
}
