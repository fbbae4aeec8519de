//! What a sign-in of an operator is checked against.

use chrono::{DateTime, Utc};
use padan_domain::OperatorName;
use subtle::ConstantTimeEq as _;

use crate::{
    error::StoreError,
    handles::Operators,
    operators::{account::OperatorAccount, code::CodeSecret, password::PasswordHashText, row::operator_rows},
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

const DEVICE_PURPOSE: &str = "padan operator device 1";
const NONCE_BYTES: usize = 16;

impl Operators {
    /// What a sign-in under a name is checked against; `None` when there is no operator of that name.
    ///
    /// # Errors
    ///
    /// [`StoreError::OperatorNotSigned`] when Padan did not write the row; otherwise when the store fails or the row is
    /// invalid.
    pub async fn for_sign_in(&self, name: &OperatorName) -> Result<Option<SignInAccount>, StoreError> {
        let row = self.0.pool().fetch_optional(|| operator_rows(Some(name), None)).await?;
        let Some(row) = row else { return Ok(None) };
        row.require_signature(self.0.audit_keys())?;
        let code = match row.sealed_code_secret() {
            None => None,
            Some(sealed) => Some(
                CodeSecret::open(&sealed, &row.name, self.0.audit_keys())
                    .ok_or(StoreError::Inconsistent { table: "store.operator", column: "code_secret" })?,
            ),
        };
        let password = row.password_hash.clone().map(PasswordHashText);
        let credentials_changed_at = row.credentials_changed_at;
        Ok(Some(SignInAccount { account: row.try_into()?, password, credentials_changed_at, code }))
    }

    /// Uses up a one-time code of an operator. False when it is wrong, or it or a later one was used before.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn use_code(
        &self,
        account: &SignInAccount,
        code: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let step = account.code.as_ref().and_then(|secret| secret.step_of(code, now));
        let Some(step) = step else { return Ok(false) };
        let query = || {
            sqlx::query!(
                "UPDATE store.operator SET code_step = $2 WHERE name = $1 AND code_step < $2",
                account.account.name.as_str(),
                step
            )
        };
        Ok(self.0.pool().execute(query).await? == 1)
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
