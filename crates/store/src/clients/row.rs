//! Rows of the table `store.client`, and their signatures.
//!
//! Padan trusts a row only if its HMAC is right, so that nobody who can write to the database adds a client or changes
//! what one may do. The HMAC covers all columns, the name among them, so that rows cannot be swapped.

use chrono::{DateTime, Utc};
use padan_domain::ClientName;
use padan_postgres::Selection;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;

use crate::{audit::keys::AuditKeys, clients::signature::ClientSignature, error::StoreError};

/// The columns that an auditor may read: all but the hashes of the secrets.
#[derive(Debug, Clone)]
pub(crate) struct ClientColumns {
    pub(crate) name: String,
    pub(crate) username: String,
    /// The SHA-256 over the hashes of the secrets.
    pub(crate) secrets_digest: Vec<u8>,
    pub(crate) previous_password_valid_until: Option<DateTime<Utc>>,
    pub(crate) previous_api_key_valid_until: Option<DateTime<Utc>>,
    pub(crate) disabled: bool,
    /// Whether it is answered from the table of test people.
    pub(crate) sandbox: bool,
    pub(crate) allowed_networks: Vec<String>,
    pub(crate) certificates: Vec<String>,
    pub(crate) endpoints: Option<Vec<String>>,
    pub(crate) fields: Option<Vec<String>>,
    pub(crate) requests_per_second: Option<f64>,
    pub(crate) burst: Option<i32>,
    pub(crate) daily_quota: Option<i64>,
    pub(crate) monthly_quota: Option<i64>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) changed_at: DateTime<Utc>,
    pub(crate) key_id: Option<String>,
    pub(crate) mac: Option<Vec<u8>>,
}

/// The SHA-256 of each of a client's secrets.
#[derive(Clone)]
pub(crate) struct SecretColumns {
    pub(crate) password: Vec<u8>,
    pub(crate) api_key: Vec<u8>,
    pub(crate) previous_password: Option<Vec<u8>>,
    pub(crate) previous_api_key: Option<Vec<u8>>,
}

/// A whole row.
#[derive(Clone)]
pub(crate) struct ClientRow {
    pub(crate) columns: ClientColumns,
    pub(crate) secrets: SecretColumns,
}

impl ClientColumns {
    /// Whether Padan wrote the row.
    pub(crate) fn signature(&self, keys: &AuditKeys) -> ClientSignature {
        let (Some(key_id), Some(mac)) = (&self.key_id, &self.mac) else { return ClientSignature::Missing };
        match self.computed_mac(key_id, keys) {
            None => ClientSignature::UnknownKey,
            Some(computed) if computed == *mac => ClientSignature::Right,
            Some(_) => ClientSignature::Wrong,
        }
    }

    /// The HMAC that the row must have; `None` when its key is not among the keys.
    fn computed_mac(&self, key_id: &str, keys: &AuditKeys) -> Option<Vec<u8>> {
        let moment = |moment: Option<DateTime<Utc>>| moment.map(|at| at.timestamp_micros().to_be_bytes());
        let (password_until, api_key_until) =
            (moment(self.previous_password_valid_until), moment(self.previous_api_key_valid_until));
        let list = |list: Option<&Vec<String>>| list.map(|list| json!(list).to_string());
        let number = |number: Option<i64>| number.map(i64::to_be_bytes);
        let (burst, daily, monthly) =
            (number(self.burst.map(i64::from)), number(self.daily_quota), number(self.monthly_quota));
        // The purpose tells a sandbox client from another one, so that the row of neither is valid as that of the other,
        // and a program that knows no sandbox trusts no such row.
        let purpose = if self.sandbox { "padan client row 2" } else { "padan client row 1" };
        let signature = keys
            .signature(key_id, purpose)?
            .text(Some(&self.name))
            .text(Some(&self.username))
            .with(Some(&self.secrets_digest))
            .with(password_until.as_ref().map(<[u8; 8]>::as_slice))
            .with(api_key_until.as_ref().map(<[u8; 8]>::as_slice))
            .with(Some(&[u8::from(self.disabled)]))
            .text(list(Some(&self.allowed_networks)).as_deref())
            .text(list(Some(&self.certificates)).as_deref())
            .text(list(self.endpoints.as_ref()).as_deref())
            .text(list(self.fields.as_ref()).as_deref())
            .float(self.requests_per_second)
            .with(burst.as_ref().map(<[u8; 8]>::as_slice))
            .with(daily.as_ref().map(<[u8; 8]>::as_slice))
            .with(monthly.as_ref().map(<[u8; 8]>::as_slice))
            .integer(self.created_at.timestamp_micros())
            .integer(self.changed_at.timestamp_micros());
        Some(signature.finish())
    }

    /// What an administrative row says about the client, without secrets.
    pub(crate) fn state(&self) -> Value {
        json!({
            "username": self.username,
            "disabled": self.disabled,
            "sandbox": self.sandbox,
            "networks": self.allowed_networks,
            "certificates": self.certificates,
            "endpoints": self.endpoints,
            "fields": self.fields,
            "requests_per_second": self.requests_per_second,
            "burst": self.burst,
            "daily_quota": self.daily_quota,
            "monthly_quota": self.monthly_quota,
            "old_password_until": self.previous_password_valid_until,
            "old_api_key_until": self.previous_api_key_valid_until,
        })
    }
}

impl ClientRow {
    /// Whether Padan wrote the row, its secrets included.
    pub(crate) fn signature(&self, keys: &AuditKeys) -> ClientSignature {
        // The database computes the digest, but its owner can change how.
        if self.secrets.digest() != self.columns.secrets_digest {
            return ClientSignature::Wrong;
        }
        self.columns.signature(keys)
    }

    /// Refuses a row that Padan did not write.
    pub(crate) fn require_signature(&self, keys: &AuditKeys) -> Result<(), StoreError> {
        match self.signature(keys) {
            ClientSignature::Right => Ok(()),
            fault => Err(StoreError::ClientNotSigned { name: self.columns.name.clone(), fault }),
        }
    }

    /// The signature of the row under the current key.
    pub(crate) fn sign(&self, keys: &AuditKeys) -> Result<(String, Vec<u8>), StoreError> {
        if self.secrets.digest() != self.columns.secrets_digest {
            return Err(StoreError::Inconsistent { table: "store.client", column: "secrets_digest" });
        }
        let key_id = keys.current_id().to_owned();
        let mac = self
            .columns
            .computed_mac(&key_id, keys)
            .ok_or(StoreError::Cryptography("the audit key cannot sign"))?;
        Ok((key_id, mac))
    }
}

impl SecretColumns {
    /// What the column `secrets_digest` has. The hashes have a fixed length, so that different ones never give the same
    /// bytes.
    fn digest(&self) -> Vec<u8> {
        let mut sum = Sha256::new().chain_update(&self.password).chain_update(&self.api_key);
        for previous in [&self.previous_password, &self.previous_api_key] {
            match previous {
                Some(hash) => sum = sum.chain_update([1]).chain_update(hash),
                None => sum.update([0]),
            }
        }
        sum.finalize().to_vec()
    }
}

/// Selects the client of a name, or all clients, ordered by name.
pub(crate) fn client_rows(name: Option<&ClientName>) -> impl Selection<Row = ClientRow> + use<> {
    sqlx::query!(
        r#"SELECT name, username, secrets_digest AS "secrets_digest!",
                  previous_password_valid_until, previous_api_key_valid_until, disabled, sandbox,
                  allowed_networks::text[] AS "allowed_networks!", certificates, endpoints, fields,
                  requests_per_second, burst, daily_quota, monthly_quota, created_at, changed_at, key_id, mac,
                  password_sha256, api_key_sha256, previous_password_sha256, previous_api_key_sha256
             FROM store.client
            WHERE name = coalesce($1, name)
            ORDER BY name"#,
        name.map(ClientName::as_str)
    )
    .map(|record| ClientRow {
        columns: ClientColumns {
            name: record.name,
            username: record.username,
            secrets_digest: record.secrets_digest,
            previous_password_valid_until: record.previous_password_valid_until,
            previous_api_key_valid_until: record.previous_api_key_valid_until,
            disabled: record.disabled,
            sandbox: record.sandbox,
            allowed_networks: record.allowed_networks,
            certificates: record.certificates,
            endpoints: record.endpoints,
            fields: record.fields,
            requests_per_second: record.requests_per_second,
            burst: record.burst,
            daily_quota: record.daily_quota,
            monthly_quota: record.monthly_quota,
            created_at: record.created_at,
            changed_at: record.changed_at,
            key_id: record.key_id,
            mac: record.mac,
        },
        secrets: SecretColumns {
            password: record.password_sha256,
            api_key: record.api_key_sha256,
            previous_password: record.previous_password_sha256,
            previous_api_key: record.previous_api_key_sha256,
        },
    })
}

/// As [`client_rows`], without the hashes of the secrets.
pub(crate) fn client_columns(name: Option<&ClientName>) -> impl Selection<Row = ClientColumns> + use<> {
    sqlx::query_as!(
        ClientColumns,
        r#"SELECT name, username, secrets_digest AS "secrets_digest!",
                  previous_password_valid_until, previous_api_key_valid_until, disabled, sandbox,
                  allowed_networks::text[] AS "allowed_networks!", certificates, endpoints, fields,
                  requests_per_second, burst, daily_quota, monthly_quota, created_at, changed_at, key_id, mac
             FROM store.client
            WHERE name = coalesce($1, name)
            ORDER BY name"#,
        name.map(ClientName::as_str)
    )
}

/// Locks the row of a client, so that nobody changes it meanwhile.
pub(crate) async fn lock_client(connection: &mut PgConnection, name: &ClientName) -> sqlx::Result<()> {
    sqlx::query!("SELECT FROM store.client WHERE name = $1 FOR UPDATE", name.as_str())
        .execute(connection)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> ClientRow {
        let secrets = SecretColumns {
            password: vec![10; 32],
            api_key: vec![11; 32],
            previous_password: Some(vec![12; 32]),
            previous_api_key: None,
        };
        let at = |text: &str| text.parse().unwrap();
        ClientRow {
            columns: ClientColumns {
                name: "bank".to_owned(),
                username: "bank-user".to_owned(),
                secrets_digest: secrets.digest(),
                previous_password_valid_until: Some(at("2026-05-01T00:00:00Z")),
                previous_api_key_valid_until: None,
                disabled: false,
                sandbox: false,
                allowed_networks: vec!["10.0.0.0/8".to_owned(), "2001:db8::/32".to_owned()],
                certificates: Vec::new(),
                endpoints: None,
                fields: Some(vec!["default".to_owned(), "no_kk".to_owned()]),
                requests_per_second: Some(2.5),
                burst: Some(7),
                daily_quota: Some(1000),
                monthly_quota: None,
                created_at: at("2026-03-04T05:06:07.000001Z"),
                changed_at: at("2026-04-04T05:06:07.000001Z"),
                key_id: None,
                mac: None,
            },
            secrets,
        }
    }

    #[test]
    fn a_row_has_the_signature_that_another_program_computes() {
        let keys = AuditKeys::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap();
        let mut row = row();
        assert_eq!(row.signature(&keys), ClientSignature::Missing);
        let (key_id, mac) = row.sign(&keys).unwrap();
        // Computed in Python (tools/oracle/audit_signatures.py).
        assert_eq!(hex::encode(&mac), "67f46e7a4a0f724be5c9ab8895eeb81d80f0015a9268bc59e1f967c06deecbd3");
        (row.columns.key_id, row.columns.mac) = (Some(key_id), Some(mac));
        assert_eq!(row.signature(&keys), ClientSignature::Right);
        // Neither is a sandbox client valid as another one, nor the other way round.
        row.columns.sandbox = true;
        assert_eq!(row.signature(&keys), ClientSignature::Wrong);
        let (_, mac) = row.sign(&keys).unwrap();
        assert_eq!(hex::encode(&mac), "13fdb4420c418226716b8b0517e98d3baea5e43a1a92ba9858db8388ef64ccf2");
        row.columns.mac = Some(mac);
        assert_eq!(row.signature(&keys), ClientSignature::Right);
        row.columns.sandbox = false;
        assert_eq!(row.signature(&keys), ClientSignature::Wrong);
        let other = AuditKeys::from_hex(&"123456789abcdef0".repeat(4).into()).unwrap();
        assert_eq!(row.signature(&other), ClientSignature::UnknownKey);
    }
}
