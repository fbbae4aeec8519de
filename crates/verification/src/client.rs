use std::collections::HashMap;

use padan_domain::{ClientName, ClientRules};
use padan_store::SecretHashes;
use sha2::{Digest as _, Sha256};

/// Clients by user name.
pub(crate) type ClientTable = HashMap<Box<[u8]>, Client>;

/// A SHA-256 digest of a secret.
pub(crate) type SecretDigest = [u8; 32];

/// One client.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// The user name of its credentials, as bytes.
    pub(crate) username: Box<[u8]>,
    pub(crate) name: ClientName,
    pub(crate) password: SecretHashes,
    pub(crate) api_key: SecretHashes,
    pub(crate) disabled: bool,
    /// Whether it is answered from the table of test people.
    pub(crate) is_sandbox: bool,
    pub(crate) rules: ClientRules,
}

/// The digest that is stored of a secret.
pub(crate) fn digest(secret: &[u8]) -> SecretDigest {
    Sha256::digest(secret).into()
}
