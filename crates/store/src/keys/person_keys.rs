use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use padan_domain::NationalId;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::{
    error::StoreError,
    keys::secret::{self, NamedKey},
};

/// The secrets that turn a NIK into the key of a person's rows. Without them, the NIK of a key cannot be found by
/// hashing all NIKs, of which there are few.
///
/// Rows are written under the first secret. The others are former ones, under which rows of the audit trail are still
/// found.
#[derive(Clone)]
pub struct PersonKeys(Vec<NamedKey>);

impl PersonKeys {
    /// Reads keys of at least 64 hexadecimal digits (32 bytes), such as `openssl rand -hex 32` prints, separated by
    /// commas or white space. The first one is used for new rows.
    ///
    /// # Errors
    ///
    /// When the text has no key, an invalid key, or the same key twice.
    pub fn from_hex(text: &SecretString) -> Result<Self, StoreError> {
        secret::decode_list("person_key", text).map(Self)
    }

    /// The id of the key for new rows. Rows of the audit trail name the key of their person by its id.
    pub(crate) fn current_id(&self) -> &str {
        &self.0[0].id
    }

    /// The ids of all keys.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.0.iter().map(|key| key.id.clone()).collect()
    }

    /// The key of a person's new rows.
    pub(crate) fn of(&self, nik: &NationalId) -> Result<[u8; 32], StoreError> {
        hash(&self.0[0], nik)
    }

    /// The keys of a person's rows, one for each secret.
    pub(crate) fn all_of(&self, nik: &NationalId) -> Result<Vec<Vec<u8>>, StoreError> {
        self.0.iter().map(|key| Ok(hash(key, nik)?.to_vec())).collect()
    }
}

fn hash(key: &NamedKey, nik: &NationalId) -> Result<[u8; 32], StoreError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.bytes.expose_secret())
        .map_err(|_| StoreError::Cryptography("HMAC refused the person key"))?;
    mac.update(nik.as_str().as_bytes());
    Ok(mac.finalize().into_bytes().into())
}

impl fmt::Debug for PersonKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_person_is_the_hmac_that_openssl_computes() {
        let key = PersonKeys::from_hex(&format!(" {}\n", "0123456789abcdef".repeat(4)).into()).unwrap();
        let person = key.of(&"3174011403870000".parse().unwrap()).unwrap();
        // printf 3174011403870000 | openssl dgst -sha256 -mac HMAC -macopt hexkey:0123456789abcdef...
        assert_eq!(hex::encode(person), "7a774364477e6c56b89838fd02cad572f1c93aee27fe4cdf89baec422bd7ea89");
    }

    #[test]
    fn new_rows_use_the_first_secret_and_rows_are_found_under_all() {
        let nik = "3174011403870000".parse().unwrap();
        let keys = |text: String| PersonKeys::from_hex(&text.into()).unwrap();
        let (old, new) = (keys("0123456789abcdef".repeat(4)), keys("fedcba9876543210".repeat(4)));
        let both = keys(format!("{}\n{}\n", "fedcba9876543210".repeat(4), "0123456789abcdef".repeat(4)));
        assert_eq!((both.of(&nik).unwrap(), both.current_id()), (new.of(&nik).unwrap(), new.current_id()));
        assert_eq!(both.all_of(&nik).unwrap(), [new.of(&nik).unwrap(), old.of(&nik).unwrap()]);
        assert_ne!(old.of(&nik).unwrap(), new.of(&nik).unwrap());
    }

    #[test]
    fn invalid_secrets_are_refused_without_quoting_them() {
        for text in ["", "abc", &"0".repeat(64), &"ab".repeat(31), &"secret!?".repeat(8)] {
            let error = PersonKeys::from_hex(&text.to_owned().into()).unwrap_err().to_string();
            assert!(error.starts_with("store.person_key"), "{error}");
            assert!(!error.contains("secret!"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_byte() {
        let key = PersonKeys::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap();
        assert!(!format!("{key:?}").contains("0123456789"));
    }
}
