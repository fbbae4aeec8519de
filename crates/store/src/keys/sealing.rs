//! Encrypts small things under a key that is derived from an audit key, by AES-256-GCM with a random nonce.

use aes_gcm::{
    Aes256Gcm,
    aead::{Aead as _, Generate as _, Nonce, Payload},
};

use crate::{audit::keys::AuditKeys, error::StoreError};

/// Encrypted bytes, as a row has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedBytes {
    pub(crate) key_id: String,
    /// Nonce and ciphertext.
    pub(crate) bytes: Vec<u8>,
}

const NONCE_BYTES: usize = 12;

/// Encrypts for a purpose. Decryption needs the same context.
pub(crate) fn seal(
    keys: &AuditKeys,
    purpose: &str,
    context: &[u8],
    plain: &[u8],
) -> Result<SealedBytes, StoreError> {
    let key_id = keys.current_id().to_owned();
    let cipher =
        keys.cipher(&key_id, purpose).ok_or(StoreError::Cryptography("the audit key cannot encrypt"))?;
    let nonce = Nonce::<Aes256Gcm>::try_generate().map_err(|_| StoreError::no_random_bytes())?;
    let sealed = cipher
        .encrypt(&nonce, Payload { msg: plain, aad: context })
        .map_err(|_| StoreError::Cryptography("AES-GCM refused to encrypt"))?;
    Ok(SealedBytes { key_id, bytes: [nonce.as_slice(), &sealed].concat() })
}

/// Decrypts; `None` when the key is unknown, the purpose or the context differs, or the bytes were changed.
pub(crate) fn open(keys: &AuditKeys, purpose: &str, context: &[u8], sealed: &SealedBytes) -> Option<Vec<u8>> {
    let cipher = keys.cipher(&sealed.key_id, purpose)?;
    let (nonce, ciphertext) = sealed.bytes.split_first_chunk::<NONCE_BYTES>()?;
    cipher.decrypt(&(*nonce).into(), Payload { msg: ciphertext, aad: context }).ok()
}
