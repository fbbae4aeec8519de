//! Rows of the table `store.operator`, and their signatures.
//!
//! The HMAC covers all columns but the time of the last use, the name among them, so that rows cannot be swapped.

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::OperatorName;
use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{audit::keys::AuditKeys, client_signature::ClientSignature, error::StoreError};

/// A whole row.
#[derive(Clone)]
pub(crate) struct OperatorRow {
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) token_sha256: Vec<u8>,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) disabled: bool,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) changed_at: DateTime<Utc>,
    pub(crate) key_id: Option<String>,
    pub(crate) mac: Option<Vec<u8>>,
    pub(crate) last_used_at: Option<DateTime<Utc>>,
}

impl OperatorRow {
    /// Whether Padan wrote the row.
    pub(crate) fn signature(&self, keys: &AuditKeys) -> ClientSignature {
        let (Some(key_id), Some(mac)) = (&self.key_id, &self.mac) else { return ClientSignature::Missing };
        match self.computed_mac(key_id, keys) {
            None => ClientSignature::UnknownKey,
            Some(computed) if computed == *mac => ClientSignature::Right,
            Some(_) => ClientSignature::Wrong,
        }
    }

    /// Refuses a row that Padan did not write.
    pub(crate) fn require_signature(&self, keys: &AuditKeys) -> Result<(), StoreError> {
        match self.signature(keys) {
            ClientSignature::Right => Ok(()),
            fault => Err(StoreError::OperatorNotSigned { name: self.name.clone(), fault }),
        }
    }

    /// The signature of the row under the current key.
    pub(crate) fn sign(&self, keys: &AuditKeys) -> Result<(String, Vec<u8>), StoreError> {
        let key_id = keys.current_id().to_owned();
        let mac =
            self.computed_mac(&key_id, keys).ok_or(StoreError::Cryptography("the audit key cannot sign"))?;
        Ok((key_id, mac))
    }

    /// The HMAC that the row must have; `None` when its key is not among the keys.
    fn computed_mac(&self, key_id: &str, keys: &AuditKeys) -> Option<Vec<u8>> {
        let expires_at = self.expires_at.map(|at| at.timestamp_micros().to_be_bytes());
        let signature = keys
            .signature(key_id, "padan operator row 1")?
            .text(Some(&self.name))
            .text(Some(&self.role))
            .with(Some(&self.token_sha256))
            .with(expires_at.as_ref().map(<[u8; 8]>::as_slice))
            .with(Some(&[u8::from(self.disabled)]))
            .integer(self.created_at.timestamp_micros())
            .integer(self.changed_at.timestamp_micros());
        Some(signature.finish())
    }

    /// What an administrative row says about the operator, without the hash of the token.
    pub(crate) fn state(&self) -> Value {
        json!({ "role": self.role, "expires_at": self.expires_at, "disabled": self.disabled })
    }
}

/// Selects operators by all criteria that are set.
#[derive(Default)]
pub(crate) struct OperatorFilter {
    pub(crate) name: Option<OperatorName>,
    pub(crate) token_sha256: Option<[u8; 32]>,
}

/// The selected rows, ordered by name.
pub(crate) fn operator_rows<'c>(
    connection: &'c mut PgConnection,
    filter: &'c OperatorFilter,
) -> BoxFuture<'c, sqlx::Result<Vec<OperatorRow>>> {
    sqlx::query_as!(
        OperatorRow,
        "SELECT name, role, token_sha256, expires_at, disabled, created_at, changed_at, key_id, mac, last_used_at
           FROM store.operator
          WHERE name = coalesce($1, name)
            AND token_sha256 = coalesce($2, token_sha256)
          ORDER BY name",
        filter.name.as_ref().map(OperatorName::as_str),
        filter.token_sha256.as_ref().map(<[u8; 32]>::as_slice)
    )
    .fetch_all(connection)
    .boxed()
}

/// Locks the row of an operator, so that nobody changes it meanwhile.
pub(crate) async fn lock_operator(connection: &mut PgConnection, name: &OperatorName) -> sqlx::Result<()> {
    sqlx::query!("SELECT FROM store.operator WHERE name = $1 FOR UPDATE", name.as_str())
        .execute(connection)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> OperatorRow {
        let at = |text: &str| text.parse().unwrap();
        OperatorRow {
            name: "rina".to_owned(),
            role: "auditor".to_owned(),
            token_sha256: vec![10; 32],
            expires_at: Some(at("2026-05-01T00:00:00Z")),
            disabled: false,
            created_at: at("2026-03-04T05:06:07.000001Z"),
            changed_at: at("2026-04-04T05:06:07.000001Z"),
            key_id: None,
            mac: None,
            last_used_at: None,
        }
    }

    #[test]
    fn a_row_has_the_signature_that_another_program_computes() {
        let keys = AuditKeys::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap();
        let mut row = row();
        assert_eq!(row.signature(&keys), ClientSignature::Missing);
        let (key_id, mac) = row.sign(&keys).unwrap();
        // Computed in Python (tools/oracle/audit_signatures.py).
        assert_eq!(hex::encode(&mac), "b097aa6981e97719c9a540cbea80664a35eccbec9f4d7c391f29ba3117fcbedd");
        (row.key_id, row.mac) = (Some(key_id), Some(mac));
        assert_eq!(row.signature(&keys), ClientSignature::Right);
        let other = AuditKeys::from_hex(&"123456789abcdef0".repeat(4).into()).unwrap();
        assert_eq!(row.signature(&other), ClientSignature::UnknownKey);
    }

    #[test]
    fn every_column_but_the_last_use_is_signed() {
        let keys = AuditKeys::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap();
        let mut signed = row();
        let (key_id, mac) = signed.sign(&keys).unwrap();
        (signed.key_id, signed.mac) = (Some(key_id), Some(mac));
        let later = "2027-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
        let changes: [fn(&mut OperatorRow, DateTime<Utc>); 8] = [
            |row, _| row.name = "budi".to_owned(),
            |row, _| row.role = "operator".to_owned(),
            |row, _| row.token_sha256 = vec![11; 32],
            |row, later| row.expires_at = Some(later),
            |row, _| row.expires_at = None,
            |row, _| row.disabled = true,
            |row, later| row.created_at = later,
            |row, later| row.changed_at = later,
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut changed = signed.clone();
            change(&mut changed, later);
            assert_eq!(changed.signature(&keys), ClientSignature::Wrong, "{number}");
        }
        signed.last_used_at = Some(later);
        assert_eq!(signed.signature(&keys), ClientSignature::Right);
    }
}
