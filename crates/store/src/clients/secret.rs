use std::fmt;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::error::StoreError;

/// A new secret of a client: 256 random bits, as 64 hexadecimal digits. It is shown once and not stored.
pub struct ClientSecret(SecretString);

/// The SHA-256 of a client's password or key and, for some time after a rotation, that of the previous secret.
///
/// A plain hash suffices: the secrets are random and cannot be found by trial, however fast the hash is.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHashes {
    /// The SHA-256 of the present secret.
    pub current: [u8; 32],
    /// The SHA-256 of the previous secret, and when it expires.
    pub previous: Option<([u8; 32], DateTime<Utc>)>,
}

impl ClientSecret {
    /// Generates a secret.
    ///
    /// # Errors
    ///
    /// [`StoreError::Cryptography`] when the operating system gives no random bytes.
    pub fn generate() -> Result<Self, StoreError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|_| StoreError::no_random_bytes())?;
        Ok(Self(hex::encode(bytes).into()))
    }

    /// The secret with a signature behind it, by which Padan recognises what it made itself.
    pub(crate) fn signed(&self, signature: &str) -> Self {
        Self(format!("{}.{signature}", self.reveal()).into())
    }

    /// The secret itself, to be shown once.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    /// The hash that is stored.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.reveal().as_bytes()).into()
    }
}

impl SecretHashes {
    /// The hash of a secret without a predecessor.
    pub fn new(sha256: [u8; 32]) -> Self {
        Self { current: sha256, previous: None }
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret")
    }
}

impl fmt::Debug for SecretHashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHashes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_is_new_and_debug_shows_none() {
        let (one, other) = (ClientSecret::generate().unwrap(), ClientSecret::generate().unwrap());
        assert_eq!(one.reveal().len(), 64);
        assert!(one.reveal().bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(format!("{one:?} {:?}", SecretHashes::new(one.sha256())), "ClientSecret SecretHashes");
    }

    #[test]
    fn the_sha256_of_the_digits_is_stored() {
        // printf abc | sha256sum
        let secret = ClientSecret("abc".to_owned().into());
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(secret.sha256()), expected);
    }
}
