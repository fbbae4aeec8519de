//! The confirmation that what is stored about a person may be erased.

use chrono::{DateTime, Utc};
use padan_domain::{NationalId, OperatorName};
use subtle::ConstantTimeEq as _;

use crate::{error::StoreError, store::Store};

impl Store {
    /// A text that confirms until a moment that an operator may have a person's data erased. Each process with the same
    /// keys can check it. It does not reveal the NIK.
    ///
    /// # Errors
    ///
    /// When the store was opened without person keys, or the key cannot sign.
    pub fn erasure_confirmation(
        &self,
        nik: &NationalId,
        operator: &OperatorName,
        until: DateTime<Utc>,
    ) -> Result<String, StoreError> {
        let keys = self.0.audit_keys();
        let person = self.0.person_keys()?.of(nik)?;
        let signature = keys
            .signature(keys.current_id(), "padan erasure confirmation 1")
            .ok_or(StoreError::Cryptography("the audit key cannot sign"))?
            .with(Some(&person))
            .text(Some(operator.as_str()))
            .integer(until.timestamp());
        Ok(format!("{}.{}", until.timestamp(), hex::encode(signature.finish())))
    }

    /// Whether a text confirms, at this moment, that an operator may have a person's data erased.
    ///
    /// # Errors
    ///
    /// As [`erasure_confirmation`](Self::erasure_confirmation).
    pub fn is_erasure_confirmed(
        &self,
        nik: &NationalId,
        operator: &OperatorName,
        confirmation: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let until = confirmation.split('.').next().and_then(|seconds| seconds.parse().ok());
        let Some(until) = until.and_then(|seconds| DateTime::from_timestamp(seconds, 0)) else {
            return Ok(false);
        };
        let expected = self.erasure_confirmation(nik, operator, until)?;
        Ok(bool::from(expected.as_bytes().ct_eq(confirmation.as_bytes())) && now < until)
    }
}
