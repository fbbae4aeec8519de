use std::fmt;

use aes_gcm::Aes256Gcm;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use super::head::AuditHead;
use crate::{
    error::StoreError,
    keys::secret::{self, NamedKey},
};

/// The keys that sign the audit trail. The first one signs, all verify. To rotate, put the new key first and keep the
/// old one as long as its rows exist.
#[derive(Clone)]
pub struct AuditKeys(Vec<NamedKey>);

/// An HMAC over fields. Each field is preceded by its length, so that different lists of fields never give the same
/// bytes.
pub(crate) struct Signature(Hmac<Sha256>);

impl AuditKeys {
    /// Reads keys of 64 hexadecimal digits, separated by commas or white space. The first one signs.
    ///
    /// # Errors
    ///
    /// When the text has no key, an invalid key, or the same key twice.
    pub fn from_hex(text: &SecretString) -> Result<Self, StoreError> {
        secret::decode_list("audit_keys", text).map(Self)
    }

    /// The id of the key that signs.
    pub(crate) fn current_id(&self) -> &str {
        &self.0[0].id
    }

    /// Whether there is a key of this id.
    pub(super) fn has(&self, key_id: &str) -> bool {
        self.0.iter().any(|key| key.id == key_id)
    }

    /// Begins a signature for a purpose; `None` when there is no key of this id.
    pub(crate) fn signature(&self, key_id: &str, purpose: &str) -> Option<Signature> {
        let key = self.0.iter().find(|key| key.id == key_id)?;
        let mac = Hmac::new_from_slice(key.bytes.expose_secret()).ok()?;
        Some(Signature(mac).with(Some(purpose.as_bytes())))
    }

    /// A cipher for a purpose, under a key of its own; `None` when there is no key of this id.
    pub(crate) fn cipher(&self, key_id: &str, purpose: &str) -> Option<Aes256Gcm> {
        Aes256Gcm::new_from_slice(&self.signature(key_id, purpose)?.finish()).ok()
    }
}

impl Signature {
    /// Adds a field. An absent field differs from an empty one.
    pub(crate) fn with(mut self, field: Option<&[u8]>) -> Self {
        self.0.update(&[u8::from(field.is_some())]);
        let bytes = field.unwrap_or_default();
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    pub(crate) fn text(self, field: Option<&str>) -> Self {
        self.with(field.map(str::as_bytes))
    }

    pub(crate) fn integer(self, field: i64) -> Self {
        self.with(Some(&field.to_be_bytes()))
    }

    pub(crate) fn float(self, field: Option<f64>) -> Self {
        self.with(field.map(|number| number.to_bits().to_be_bytes()).as_ref().map(<[u8; 8]>::as_slice))
    }

    /// Adds a row's place and HMAC.
    pub(super) fn head(self, head: &AuditHead) -> Self {
        self.with(Some(head.writer.as_bytes())).integer(head.sequence).with(Some(&head.mac))
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0.finalize().into_bytes().to_vec()
    }
}

impl fmt::Debug for AuditKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_fields_are_signed() {
        let keys = AuditKeys::from_hex(&"0123456789abcdef".repeat(4).into()).unwrap();
        let sign = |fields: &[Option<&str>]| {
            let begun = keys.signature(keys.current_id(), "test").unwrap();
            fields.iter().fold(begun, |signature, field| signature.text(*field)).finish()
        };
        let different = [
            sign(&[Some("ab"), Some("c")]),
            sign(&[Some("a"), Some("bc")]),
            sign(&[Some("abc"), None]),
            sign(&[Some("abc"), Some("")]),
            sign(&[Some("abc")]),
        ];
        for (index, one) in different.iter().enumerate() {
            assert!(different[index + 1..].iter().all(|other| other != one));
        }
        assert!(keys.signature("00000000", "test").is_none());
        assert!(!format!("{keys:?}").contains("0123456789abcdef"));
    }
}
