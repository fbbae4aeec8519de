use std::fmt;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::error::StoreError;

/// A new secret of a client: 256 bits from the system, as 64 hexadecimal digits. It is shown once and kept nowhere.
pub struct ClientSecret(SecretString);

/// A client's password or key as it is kept: the SHA-256 of it, and for a while that of the one before.
///
/// A plain hash is enough, since the secrets are random: there is nothing to guess that a slow hash would make slow.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptSecret {
    /// The SHA-256 of the secret.
    pub current: [u8; 32],
    /// The SHA-256 of the one before, and until when it is good.
    pub previous: Option<([u8; 32], DateTime<Utc>)>,
}

impl ClientSecret {
    /// Makes one.
    pub fn generate() -> Result<Self, StoreError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| StoreError::no_random_bytes())?;
        Ok(Self(hex::encode(bytes).into()))
    }

    /// The secret itself, to be shown once.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is kept of it.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.reveal().as_bytes()).into()
    }
}

impl KeptSecret {
    /// One without a predecessor.
    pub fn new(sha256: [u8; 32]) -> Self {
        Self { current: sha256, previous: None }
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret")
    }
}

impl fmt::Debug for KeptSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeptSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_another_and_none_prints() {
        let (one, other) = (ClientSecret::generate().unwrap(), ClientSecret::generate().unwrap());
        assert_eq!(one.reveal().len(), 64);
        assert!(one.reveal().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(format!("{one:?} {:?}", KeptSecret::new(one.sha256())), "ClientSecret KeptSecret");
    }

    #[test]
    fn what_is_kept_is_the_sha256_of_the_digits() {
        // printf abc | sha256sum
        let secret = ClientSecret("abc".to_owned().into());
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(secret.sha256()), expected);
    }
}
