//! Rows of the table `store.operator`, and their signatures.
//!
//! The HMAC covers all columns but the times of the last use and the last sign-in and the last code, the name among them,
//! so that rows cannot be swapped. Of the secrets it covers a digest that the database computes, so that auditors verify
//! rows without reading them.

use chrono::{DateTime, Utc};
use padan_domain::OperatorName;
use padan_postgres::Selection;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;

use crate::{
    audit::keys::{AuditKeys, Signature},
    clients::signature::ClientSignature,
    error::StoreError,
    operators::code::SealedCodeSecret,
};

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
    pub(crate) last_signed_in_at: Option<DateTime<Utc>>,
    pub(crate) has_password: bool,
    pub(crate) has_code: bool,
    pub(crate) secrets_digest: Vec<u8>,
    pub(crate) code_key_id: Option<String>,
    pub(crate) credentials_changed_at: Option<DateTime<Utc>>,
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
        // Rows without credentials for a sign-in are signed as by releases that knew none.
        let Some(changed_at) = self.credentials_changed_at else {
            return Some(self.signature_without_secrets(key_id, "padan operator row 1", keys)?.finish());
        };
        let signature = self
            .signature_without_secrets(key_id, "padan operator row 3", keys)?
            .with(Some(&self.secrets_digest))
            .text(self.code_key_id.as_deref())
            .integer(changed_at.timestamp_micros());
        Some(signature.finish())
    }

    /// Whether the row has the HMAC of releases before migration 0032, which covered the secrets themselves.
    pub(crate) fn has_former_signature(&self, secrets: &OperatorSecrets, keys: &AuditKeys) -> bool {
        let former = || {
            let signature = self
                .signature_without_secrets(self.key_id.as_deref()?, "padan operator row 2", keys)?
                .text(secrets.password_hash.as_deref())
                .with(secrets.code_secret.as_deref())
                .text(self.code_key_id.as_deref())
                .integer(self.credentials_changed_at?.timestamp_micros());
            Some(signature.finish())
        };
        self.mac.is_some() && former() == self.mac
    }

    fn signature_without_secrets(
        &self,
        key_id: &str,
        version: &'static str,
        keys: &AuditKeys,
    ) -> Option<Signature> {
        let expires_at = self.expires_at.map(|at| at.timestamp_micros().to_be_bytes());
        let signature = keys
            .signature(key_id, version)?
            .text(Some(&self.name))
            .text(Some(&self.role))
            .with(Some(&self.token_sha256))
            .with(expires_at.as_ref().map(<[u8; 8]>::as_slice))
            .with(Some(&[u8::from(self.disabled)]))
            .integer(self.created_at.timestamp_micros())
            .integer(self.changed_at.timestamp_micros());
        Some(signature)
    }

    /// What an administrative row says about the operator, without the hashes of its token and password.
    pub(crate) fn state(&self) -> Value {
        json!({
            "role": self.role,
            "expires_at": self.expires_at,
            "disabled": self.disabled,
            "has_password": self.has_password,
            "has_code": self.has_code,
        })
    }
}

/// What proves who an operator is. Only those who sign operators in, or change them, may read it.
pub(crate) struct OperatorSecrets {
    pub(crate) password_hash: Option<String>,
    pub(crate) code_secret: Option<Vec<u8>>,
}

impl OperatorSecrets {
    /// The encrypted secret of the one-time codes, under the key that the row names.
    pub(crate) fn sealed_code(&self, row: &OperatorRow) -> Option<SealedCodeSecret> {
        let (key_id, bytes) = (row.code_key_id.clone()?, self.code_secret.clone()?);
        Some(SealedCodeSecret { key_id, bytes })
    }

    /// Whether these are the secrets that the row's signature covers.
    pub(crate) fn are_those_of(&self, row: &OperatorRow) -> bool {
        let part = |secret: Option<&[u8]>| match secret {
            Some(secret) => [&[1], Sha256::digest(secret).as_slice()].concat(),
            None => vec![0],
        };
        let parts =
            [part(self.password_hash.as_deref().map(str::as_bytes)), part(self.code_secret.as_deref())];
        Sha256::digest(parts.concat()).as_slice() == row.secrets_digest
    }
}

/// Selects all operators, the one of a name, or the one whose token has this SHA-256, ordered by name.
pub(crate) fn operator_rows(
    name: Option<&OperatorName>,
    token_sha256: Option<&[u8]>,
) -> impl Selection<Row = OperatorRow> + use<> {
    sqlx::query_as!(
        OperatorRow,
        "SELECT name, role, token_sha256, expires_at, disabled, created_at, changed_at, key_id, mac, last_used_at,
                last_signed_in_at, has_password, has_code, secrets_digest, code_key_id, credentials_changed_at
           FROM store.operator
          WHERE name = coalesce($1, name)
            AND token_sha256 = coalesce($2, token_sha256)
          ORDER BY name",
        name.map(OperatorName::as_str),
        token_sha256
    )
}

/// Selects the secrets of an operator.
pub(crate) fn operator_secrets(name: &str) -> impl Selection<Row = OperatorSecrets> + use<> {
    sqlx::query_as!(
        OperatorSecrets,
        "SELECT password_hash, code_secret FROM store.operator WHERE name = $1",
        name
    )
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

    /// Computed in Python (`tools/oracle/audit_signatures.py`).
    const SECRETS_DIGEST: &str = "8f7d147ee802267eb47a9cd61bf928d0935f44628cae45fb04f97832ded19889";

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
            last_signed_in_at: None,
            has_password: false,
            has_code: false,
            secrets_digest: Sha256::digest([0, 0]).to_vec(),
            code_key_id: None,
            credentials_changed_at: None,
        }
    }

    fn secrets() -> OperatorSecrets {
        OperatorSecrets { password_hash: Some("$argon2id$".to_owned()), code_secret: Some(vec![12; 48]) }
    }

    fn row_with_credentials() -> OperatorRow {
        OperatorRow {
            has_password: true,
            has_code: true,
            secrets_digest: hex::decode(SECRETS_DIGEST).unwrap(),
            code_key_id: Some("01234567".to_owned()),
            credentials_changed_at: Some("2026-04-04T05:06:07.000002Z".parse().unwrap()),
            ..row()
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
    fn a_row_with_credentials_has_the_signature_that_another_program_computes() {
        let keys = AuditKeys::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap();
        let (_, mac) = row_with_credentials().sign(&keys).unwrap();
        // Computed in Python (tools/oracle/audit_signatures.py).
        assert_eq!(hex::encode(&mac), "936f5cfaf1259514a90b4a8969f4e88305f83eb16634a94020c9c073e6a9b08b");
    }

    #[test]
    fn secrets_are_those_of_a_row_by_their_digest() {
        let row = row_with_credentials();
        assert!(secrets().are_those_of(&row));
        for other in [
            OperatorSecrets { password_hash: Some("$argon2id$x".to_owned()), ..secrets() },
            OperatorSecrets { password_hash: None, ..secrets() },
            OperatorSecrets { code_secret: Some(vec![13; 48]), ..secrets() },
            OperatorSecrets { code_secret: None, ..secrets() },
        ] {
            assert!(!other.are_those_of(&row));
        }
        assert!(OperatorSecrets { password_hash: None, code_secret: None }.are_those_of(&self::row()));
    }

    #[test]
    fn the_signature_of_a_former_release_is_recognised_and_counts_no_more() {
        let keys = AuditKeys::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap();
        // Computed in Python (tools/oracle/audit_signatures.py).
        let former = "3d37e62188faf477ea4d613af5a43f2447231eeed6b95597dfd5ac8616e419c3";
        let (key_id, _) = row_with_credentials().sign(&keys).unwrap();
        let signed = OperatorRow {
            key_id: Some(key_id),
            mac: Some(hex::decode(former).unwrap()),
            ..row_with_credentials()
        };
        assert!(signed.has_former_signature(&secrets(), &keys));
        assert_eq!(signed.signature(&keys), ClientSignature::Wrong);
        let other = OperatorSecrets { password_hash: Some("$argon2id$x".to_owned()), ..secrets() };
        assert!(!signed.has_former_signature(&other, &keys));
        assert!(
            !OperatorRow { role: "operator".to_owned(), ..signed.clone() }
                .has_former_signature(&secrets(), &keys)
        );
        assert!(!OperatorRow { mac: None, key_id: None, ..signed }.has_former_signature(&secrets(), &keys));
    }

    #[test]
    fn every_column_but_the_last_use_sign_in_and_code_is_signed() {
        let keys = AuditKeys::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap();
        let mut signed = row_with_credentials();
        let (key_id, mac) = signed.sign(&keys).unwrap();
        (signed.key_id, signed.mac) = (Some(key_id), Some(mac));
        let later = "2027-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
        let changes: [fn(&mut OperatorRow, DateTime<Utc>); 12] = [
            |row, _| row.name = "budi".to_owned(),
            |row, _| row.role = "operator".to_owned(),
            |row, _| row.token_sha256 = vec![11; 32],
            |row, later| row.expires_at = Some(later),
            |row, _| row.expires_at = None,
            |row, _| row.disabled = true,
            |row, later| row.created_at = later,
            |row, later| row.changed_at = later,
            |row, _| row.secrets_digest = vec![13; 32],
            |row, _| row.code_key_id = None,
            |row, later| row.credentials_changed_at = Some(later),
            |row, _| row.credentials_changed_at = None,
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut changed = signed.clone();
            change(&mut changed, later);
            assert_eq!(changed.signature(&keys), ClientSignature::Wrong, "{number}");
        }
        signed.last_used_at = Some(later);
        signed.last_signed_in_at = Some(later);
        assert_eq!(signed.signature(&keys), ClientSignature::Right);
    }
}
