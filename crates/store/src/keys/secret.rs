//! Reads secrets and keys from the settings.

use std::path::Path;

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::{Digest, Sha256};

use crate::error::StoreError;

/// A key, with the id by which rows refer to it.
#[derive(Clone)]
pub(crate) struct NamedKey {
    pub(crate) id: String,
    pub(crate) bytes: SecretSlice<u8>,
}

/// Reads a secret of the settings: the text itself, or the content of the file.
pub(crate) fn read(
    name: &str,
    text: Option<&SecretString>,
    file: Option<&Path>,
) -> Result<SecretString, StoreError> {
    let read =
        padan_postgres::read_secret(&format!("store.{name}"), text, file).map_err(StoreError::Config)?;
    read.ok_or_else(|| {
        StoreError::Config(format!(
            "store.{name} is not set: make one with `openssl rand -hex 32` and put it into store.{name}_file or the \
             environment variable PADAN__STORE__{}",
            name.to_uppercase()
        ))
    })
}

/// Lets an error about a key name the file that the key was read from.
pub(crate) fn in_file(error: StoreError, name: &str, file: Option<&Path>) -> StoreError {
    match (error, file) {
        (StoreError::Config(text), Some(file)) => {
            let setting = format!("store.{name}");
            let fault = text.strip_prefix(&setting).unwrap_or(&text);
            StoreError::Config(format!("{setting}_file, {}:{fault}", file.display()))
        }
        (error, _) => error,
    }
}

/// Decodes keys in hexadecimal digits, separated by commas or white space: at least one, without duplicates.
pub(crate) fn decode_list(name: &str, text: &SecretString) -> Result<Vec<NamedKey>, StoreError> {
    let refused = |text: &str| StoreError::Config(format!("store.{name} {text}"));
    let mut keys: Vec<NamedKey> = Vec::new();
    let digits = text.expose_secret().split(|c: char| c == ',' || c.is_whitespace());
    for digits in digits.filter(|digits| !digits.is_empty()) {
        let bytes = decode(name, digits)?;
        let key = NamedKey { id: id_of(name, &bytes), bytes };
        if keys.iter().any(|known| known.id == key.id) {
            return Err(refused("contains a key twice"));
        }
        keys.push(key);
    }
    if keys.is_empty() { Err(refused("is empty")) } else { Ok(keys) }
}

/// The id of a key: a part of its digest, from which a key of 256 random bits cannot be found.
pub(crate) fn id_of(name: &str, key: &SecretSlice<u8>) -> String {
    let purpose = format!("padan {}\0", name.trim_end_matches('s').replace('_', " "));
    let digest = Sha256::new().chain_update(purpose).chain_update(key.expose_secret());
    hex::encode(&digest.finalize()[..4])
}

/// Decodes a key of at least 32 bytes in hexadecimal digits.
pub(crate) fn decode(name: &str, digits: &str) -> Result<SecretSlice<u8>, StoreError> {
    let refused = |text: &str| StoreError::Config(format!("store.{name} {text}"));
    if !digits.chars().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(refused("has a character that is not a hexadecimal digit"));
    }
    let bytes: SecretSlice<u8> =
        hex::decode(digits).map_err(|_| refused("has an odd number of hexadecimal digits"))?.into();
    let exposed = bytes.expose_secret();
    if exposed.len() < 32 {
        return Err(refused("has fewer than 64 hexadecimal digits"));
    }
    if exposed.iter().all(|byte| *byte == exposed[0]) {
        return Err(refused("is one byte repeated, which is not a secret"));
    }
    Ok(bytes)
}
