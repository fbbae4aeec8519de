use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use padan_domain::NationalId;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;

use crate::{StoreError, secret};

/// The secret that turns a NIK into the key of a person's rows. It cannot be turned back: NIKs are few
/// enough to be tried one by one, but not without the secret.
#[derive(Clone)]
pub struct PersonKey(SecretSlice<u8>);

impl PersonKey {
    /// Reads at least 64 hexadecimal digits (32 bytes), such as `openssl rand -hex 32` prints. White space
    /// around them is ignored.
    pub fn from_hex(text: &SecretString) -> Result<Self, StoreError> {
        secret::decode("person_key", text.expose_secret().trim()).map(Self)
    }

    /// The version of the key, by which rows of the audit trail say how their person was hashed.
    pub(crate) fn id(&self) -> String {
        secret::id_of("person_key", &self.0)
    }

    /// The key of a person's rows.
    pub(crate) fn of(&self, nik: &NationalId) -> Result<[u8; 32], StoreError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret())
            .map_err(|error| StoreError::Config(format!("store.person_key: {error}")))?;
        mac.update(nik.as_str().as_bytes());
        Ok(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_hmac_that_any_tool_computes() {
        let key = PersonKey::from_hex(&format!(" {}\n", "0123456789abcdef".repeat(4)).into()).unwrap();
        let person = key.of(&"3174011403870000".parse().unwrap()).unwrap();
        // printf 3174011403870000 | openssl dgst -sha256 -mac HMAC -macopt hexkey:0123456789abcdef...
        assert_eq!(hex::encode(person), "7a774364477e6c56b89838fd02cad572f1c93aee27fe4cdf89baec422bd7ea89");
    }

    #[test]
    fn what_is_no_secret_is_refused_without_showing_it() {
        for text in ["", "abc", &"0".repeat(64), &"ab".repeat(31), &"secret!?".repeat(8)] {
            let error = PersonKey::from_hex(&text.to_owned().into()).unwrap_err().to_string();
            assert!(error.starts_with("store.person_key"), "{error}");
            assert!(!error.contains("secret!"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_byte() {
        let key = PersonKey::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap();
        assert_eq!(format!("{key:?}"), "PersonKey");
    }
}
