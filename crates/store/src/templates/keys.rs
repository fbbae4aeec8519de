use std::fmt;

use aes_gcm::{
    Aes256Gcm,
    aead::{Aead, Generate, KeyInit, Nonce, Payload},
};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    error::StoreError,
    keys::secret::{self, NamedKey},
};

/// The keys that encrypt face templates: AES-256 in Galois/counter mode, with a random nonce of 96 bits for each row.
///
/// The first key encrypts, all keys decrypt. To rotate a key while services run, first add the new key after the old
/// one in all processes, then put it first in all of them, then encrypt all rows again with `padan keys rotate`, then
/// remove the old key. One key suffices for billions of rows before a repeated nonce becomes likely.
#[derive(Clone)]
pub struct TemplateKeys(Vec<TemplateKey>);

#[derive(Clone)]
struct TemplateKey {
    id: String,
    cipher: Aes256Gcm,
}

/// An encrypted embedding, bound to its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// The id of the key.
    pub(crate) key_id: String,
    /// Nonce, ciphertext and tag.
    pub(crate) bytes: Vec<u8>,
}

const NONCE: usize = 12;

impl TemplateKeys {
    /// Reads keys of 64 hexadecimal digits, separated by commas or white space. The first one encrypts.
    ///
    /// # Errors
    ///
    /// When the text has no key, an invalid key, or the same key twice.
    pub fn from_hex(text: &SecretString) -> Result<Self, StoreError> {
        let keys = secret::decode_list("template_keys", text)?;
        Ok(Self(keys.iter().map(TemplateKey::new).collect::<Result<_, _>>()?))
    }

    /// The id of the key that encrypts.
    pub(crate) fn current_id(&self) -> &str {
        &self.0[0].id
    }

    /// Whether there is a key of this id.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id == id)
    }

    /// Encrypts with the current key. Decryption needs the same `context`.
    pub(crate) fn seal(&self, plain: &[u8], context: &[u8]) -> Result<Sealed, StoreError> {
        let TemplateKey { id, cipher } = &self.0[0];
        let nonce = Nonce::<Aes256Gcm>::try_generate().map_err(|_| StoreError::no_random_bytes())?;
        let sealed = cipher
            .encrypt(&nonce, Payload { msg: plain, aad: context })
            .map_err(|_| StoreError::Cryptography("AES-GCM refused to encrypt a template"))?;
        Ok(Sealed { key_id: id.clone(), bytes: [nonce.as_slice(), &sealed].concat() })
    }

    /// Decrypts; `None` when the context differs or the bytes were changed.
    pub(crate) fn open(&self, sealed: &Sealed, context: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(key) = self.0.iter().find(|key| key.id == sealed.key_id) else {
            return Err(StoreError::UnknownKey(sealed.key_id.clone()));
        };
        let Some((nonce, ciphertext)) = sealed.bytes.split_first_chunk::<NONCE>() else {
            return Ok(None);
        };
        Ok(key.cipher.decrypt(&(*nonce).into(), Payload { msg: ciphertext, aad: context }).ok())
    }
}

impl TemplateKey {
    fn new(key: &NamedKey) -> Result<Self, StoreError> {
        let cipher = Aes256Gcm::new_from_slice(key.bytes.expose_secret()).map_err(|_| {
            StoreError::Config("store.template_keys contains a key that is not 64 hexadecimal digits".into())
        })?;
        Ok(Self { id: key.id.clone(), cipher })
    }
}

impl fmt::Debug for TemplateKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> TemplateKeys {
        TemplateKeys::from_hex(&text.to_owned().into()).unwrap()
    }

    fn key(digits: &str) -> String {
        digits.repeat(64 / digits.len())
    }

    #[test]
    fn decryption_needs_the_same_key_context_and_bytes() {
        let (one, other) = (keys(&key("89ab")), keys(&key("0123")));
        let sealed = one.seal(b"embedding", b"row 1").unwrap();
        assert_eq!(one.open(&sealed, b"row 1").unwrap().as_deref(), Some(&b"embedding"[..]));
        assert_eq!(one.open(&sealed, b"row 2").unwrap(), None);
        assert_eq!(other.open(&sealed, b"row 1"), Err(StoreError::UnknownKey(sealed.key_id.clone())));
        for at in 0..sealed.bytes.len() {
            let mut changed = sealed.clone();
            changed.bytes[at] ^= 1;
            assert_eq!(one.open(&changed, b"row 1").unwrap(), None, "byte {at}");
        }
        for length in 0..sealed.bytes.len() {
            let cut = Sealed { bytes: sealed.bytes[..length].to_vec(), ..sealed.clone() };
            assert_eq!(one.open(&cut, b"row 1").unwrap(), None, "length {length}");
        }
    }

    #[test]
    fn the_published_test_vector_of_gcm_is_decrypted() {
        // NIST's GCM test vector 16 of the original submission: AES-256, 96-bit IV, 20 bytes of associated data.
        let keys = keys("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
        let nonce = "cafebabefacedbaddecaf888";
        let ciphertext = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
                          8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662";
        let tag = "76fc6ece0f4e1768cddf8853bb2d551b";
        let bytes = hex::decode([nonce, ciphertext, tag].concat()).unwrap();
        let context = hex::decode("feedfacedeadbeeffeedfacedeadbeefabaddad2").unwrap();
        let sealed = Sealed { key_id: keys.current_id().to_owned(), bytes };
        let plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
                     1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
        assert_eq!(keys.open(&sealed, &context).unwrap(), Some(hex::decode(plain).unwrap()));
    }

    #[test]
    fn two_rows_never_share_a_nonce() {
        let keys = keys(&key("0123"));
        let nonces: std::collections::HashSet<_> =
            (0..1000).map(|_| keys.seal(b"", b"").unwrap().bytes[..NONCE].to_vec()).collect();
        assert_eq!(nonces.len(), 1000);
    }

    #[test]
    fn the_first_key_encrypts_and_all_keys_decrypt() {
        let (old, new) = (key("0123"), key("4567"));
        let sealed = keys(&old).seal(b"embedding", b"").unwrap();
        let both = keys(&format!("{new},\n{old}\n"));
        assert!(both.open(&sealed, b"").unwrap().is_some());
        assert_eq!(both.seal(b"embedding", b"").unwrap().key_id, keys(&new).current_id());
        assert_ne!(keys(&new).current_id(), keys(&old).current_id());
    }

    #[test]
    fn invalid_keys_are_refused_without_quoting_them() {
        for text in [
            "",
            " , ",
            "abc",
            &key("secret!?"),
            &key("0"),
            &key("0123").repeat(2),
            &[key("0123"), key("0123")].join(","),
        ] {
            let error = TemplateKeys::from_hex(&(*text).to_owned().into()).unwrap_err().to_string();
            assert!(error.starts_with("store.template_keys"), "{error}");
            assert!(!error.contains("secret!") && !error.contains("0123"), "{error}");
        }
        assert!(!format!("{:?}", keys(&key("0123"))).contains("0123"));
    }
}
