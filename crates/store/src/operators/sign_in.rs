//! What a sign-in of an operator is checked against.

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::OperatorName;
use padan_postgres::Selection as _;
use sqlx::{Connection as _, PgConnection};
use subtle::ConstantTimeEq as _;

use crate::{
    clients::signature::ClientSignature,
    error::StoreError,
    handles::Operators,
    operators::{
        account::OperatorAccount,
        code::CodeSecret,
        password::PasswordHashText,
        row::{OperatorRow, OperatorSecrets, operator_rows, operator_secrets},
    },
};

/// The account of an operator who signs in, with what proves it.
pub struct SignInAccount {
    /// The account, whether it is still valid or not.
    pub account: OperatorAccount,
    /// The hash of its password; `None` when it has none.
    pub password: Option<PasswordHashText>,
    /// When password or code secret were last set.
    pub credentials_changed_at: Option<DateTime<Utc>>,
    code: Option<CodeSecret>,
}

/// An operator with the secrets that its row had at the same moment.
fn find<'c>(
    connection: &'c mut PgConnection,
    name: &'c OperatorName,
) -> BoxFuture<'c, sqlx::Result<Option<(OperatorRow, OperatorSecrets)>>> {
    async move {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let mut snapshot = connection.begin_with(begin).await?;
        let row = operator_rows(Some(name), None).optional(&mut snapshot).await?;
        let secrets = operator_secrets(name.as_str()).optional(&mut snapshot).await?;
        snapshot.commit().await?;
        Ok(row.zip(secrets))
    }
    .boxed()
}

const DEVICE_PURPOSE: &str = "padan operator device 1";
const NONCE_BYTES: usize = 16;

impl SignInAccount {
    /// Whether a one-time code is needed, by the secrets that are signed.
    pub fn needs_code(&self) -> bool {
        self.code.is_some()
    }
}

impl Operators {
    /// What a sign-in under a name is checked against; `None` when there is no operator of that name.
    ///
    /// # Errors
    ///
    /// [`StoreError::OperatorNotSigned`] when Padan did not write the row; otherwise when the store fails or the row is
    /// invalid.
    pub async fn for_sign_in(&self, name: &OperatorName) -> Result<Option<SignInAccount>, StoreError> {
        let Some((row, secrets)) = self.0.pool().run(find, name).await? else { return Ok(None) };
        row.require_signature(self.0.audit_keys())?;
        if !secrets.are_those_of(&row) {
            return Err(StoreError::OperatorNotSigned { name: row.name, fault: ClientSignature::Wrong });
        }
        let code = match secrets.sealed_code(&row) {
            None => None,
            Some(sealed) => Some(
                CodeSecret::open(&sealed, &row.name, self.0.audit_keys())
                    .ok_or(StoreError::Inconsistent { table: "store.operator", column: "code_secret" })?,
            ),
        };
        let password = secrets.password_hash.map(PasswordHashText);
        let credentials_changed_at = row.credentials_changed_at;
        Ok(Some(SignInAccount { account: row.try_into()?, password, credentials_changed_at, code }))
    }

    /// Uses up a one-time code of an operator and returns the number of its time step. `None` when it is wrong, or it or
    /// a later one was used before.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn use_code(
        &self,
        account: &SignInAccount,
        code: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<i64>, StoreError> {
        let step = account.code.as_ref().and_then(|secret| secret.step_of(code, now));
        let Some(step) = step else { return Ok(None) };
        let query = || {
            sqlx::query!(
                "UPDATE store.operator SET code_step = $2 WHERE name = $1 AND code_step < $2",
                account.account.name.as_str(),
                step
            )
        };
        Ok((self.0.pool().execute(query).await? == 1).then_some(step))
    }

    /// A text by which a browser in which this operator signed in is recognised. It proves nothing else.
    ///
    /// # Errors
    ///
    /// When the key cannot sign, or there are no random bytes.
    pub fn new_device(&self, name: &OperatorName) -> Result<String, StoreError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| StoreError::no_random_bytes())?;
        let keys = self.0.audit_keys();
        let mac = self
            .device_mac(keys.current_id(), name, &nonce)
            .ok_or(StoreError::Cryptography("the audit key cannot sign"))?;
        Ok(format!("{}.{}.{}", keys.current_id(), hex::encode(nonce), hex::encode(mac)))
    }

    /// Whether this operator signed in before in the browser that sends the text.
    pub fn is_device_of(&self, name: &OperatorName, text: &str) -> bool {
        let mut parts = text.split('.');
        let (Some(key_id), Some(nonce), Some(mac), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return false;
        };
        // Failures are counted for the text, so each browser has only one.
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return false;
        }
        let (Ok(nonce), Ok(mac)) = (hex::decode(nonce), hex::decode(mac)) else { return false };
        let expected = self.device_mac(key_id, name, &nonce);
        expected.is_some_and(|expected| expected.ct_eq(&mac).into())
    }

    fn device_mac(&self, key_id: &str, name: &OperatorName, nonce: &[u8]) -> Option<Vec<u8>> {
        let signature = self.0.audit_keys().signature(key_id, DEVICE_PURPOSE)?;
        Some(signature.text(Some(name.as_str())).with(Some(nonce)).finish())
    }
}
