//! One-time codes of operators (RFC 6238). The secret is encrypted under a key that is derived from an audit key.

use std::fmt;

use chrono::{DateTime, Utc};
use padan_domain::OperatorName;
use totp_rs::{Builder, Secret, Totp};

use crate::{
    audit::keys::AuditKeys,
    error::StoreError,
    keys::sealing::{self, SealedBytes},
};

/// A new secret for one-time codes: 160 random bits. It is shown once.
#[derive(Clone)]
pub struct CodeSecret([u8; SECRET_BYTES]);

/// An encrypted secret, as its row has it.
pub(crate) type SealedCodeSecret = SealedBytes;

const SECRET_BYTES: usize = 20;
const PURPOSE: &str = "padan operator code 1";

impl CodeSecret {
    /// Generates a secret.
    ///
    /// # Errors
    ///
    /// [`StoreError::Cryptography`] when the operating system gives no random bytes.
    pub fn generate() -> Result<Self, StoreError> {
        let mut bytes = [0; SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| StoreError::no_random_bytes())?;
        Ok(Self(bytes))
    }

    /// The secret in base32, as apps for one-time codes take it.
    pub fn reveal(&self) -> String {
        Secret::from(self.0).to_base32()
    }

    /// The secret as an address that apps for one-time codes read, such as from a square code.
    pub fn address(&self, operator: &OperatorName) -> String {
        // Names are visible ASCII. Of these, an address takes letters, digits and a few marks as they are.
        let label: String = operator.as_str().bytes().map(address_character).collect();
        format!("otpauth://totp/Padan:{label}?secret={}&issuer=Padan", self.reveal())
    }

    /// The step of 30 seconds whose code this is: the present one, or one beside it. `None` for a wrong code.
    pub(crate) fn step_of(&self, code: &str, now: DateTime<Utc>) -> Option<i64> {
        let is_code = code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = u64::try_from(now.timestamp()).ok().filter(|_| is_code)?;
        self.totp()?.check(code, seconds).and_then(|step| i64::try_from(step).ok())
    }

    /// Encrypts the secret for the row of this operator.
    pub(crate) fn seal(&self, operator: &str, keys: &AuditKeys) -> Result<SealedCodeSecret, StoreError> {
        sealing::seal(keys, PURPOSE, operator.as_bytes(), &self.0)
    }

    /// Decrypts the secret in the row of this operator; `None` when it is not one that was encrypted for it.
    pub(crate) fn open(sealed: &SealedCodeSecret, operator: &str, keys: &AuditKeys) -> Option<Self> {
        sealing::open(keys, PURPOSE, operator.as_bytes(), sealed)?.try_into().ok().map(Self)
    }

    fn totp(&self) -> Option<Totp> {
        Builder::new().with_secret(self.0).build().ok()
    }
}

impl fmt::Debug for CodeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeSecret")
    }
}

fn address_character(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> AuditKeys {
        AuditKeys::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap()
    }

    #[test]
    fn the_codes_are_those_of_the_standard() {
        // RFC 6238, appendix B: the last six digits of the codes of eight.
        let secret = CodeSecret(*b"12345678901234567890");
        assert_eq!(secret.reveal(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
            assert_eq!(secret.step_of(code, at(seconds)), Some(seconds / 30));
            assert_eq!(secret.step_of(code, at(seconds + 30)), Some(seconds / 30), "one step late");
            assert_eq!(secret.step_of(code, at(seconds + 90)), None);
        }
        for wrong in ["", "28708", "2870822", "28708a", " 287082", "-87082"] {
            assert_eq!(secret.step_of(wrong, DateTime::from_timestamp(59, 0).unwrap()), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_secret_is_decrypted_in_the_row_of_its_operator_alone() {
        let secret = CodeSecret::generate().unwrap();
        let sealed = secret.seal("rina", &keys()).unwrap();
        assert_eq!(CodeSecret::open(&sealed, "rina", &keys()).unwrap().reveal(), secret.reveal());
        assert!(CodeSecret::open(&sealed, "budi", &keys()).is_none());
        let mut changed = sealed.clone();
        changed.bytes[20] ^= 1;
        assert!(CodeSecret::open(&changed, "rina", &keys()).is_none());
        let short = SealedCodeSecret { bytes: vec![1; 11], ..sealed };
        assert!(CodeSecret::open(&short, "rina", &keys()).is_none());
        assert_eq!(format!("{secret:?}"), "CodeSecret");
    }
}
