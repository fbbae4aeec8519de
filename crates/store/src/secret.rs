//! How secrets come in.

use std::{fs, path::Path};

use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::StoreError;

/// A secret of the settings: the text itself, or what the named file holds.
pub(crate) fn read(
    name: &str,
    text: Option<&SecretString>,
    file: Option<&Path>,
) -> Result<SecretString, StoreError> {
    match (text, file) {
        (Some(text), None) => Ok(text.clone()),
        (None, Some(path)) => fs::read_to_string(path)
            .map(SecretString::from)
            .map_err(|error| StoreError::Config(format!("store.{name}_file, {}: {error}", path.display()))),
        (Some(_), Some(_)) => {
            Err(StoreError::Config(format!("store.{name} and store.{name}_file are both set: keep one")))
        }
        (None, None) => Err(StoreError::Config(format!(
            "store.{name} is not set: make one with `openssl rand -hex 32` and put it into store.{name}_file or the \
             environment variable PADAN__STORE__{}",
            name.to_uppercase()
        ))),
    }
}

/// The bytes of a key in hexadecimal digits; 32 at least.
pub(crate) fn decode(name: &str, digits: &str) -> Result<SecretSlice<u8>, StoreError> {
    let refused = |text: &str| StoreError::Config(format!("store.{name} {text}"));
    // The error of the hex crate quotes the digit.
    let bytes: SecretSlice<u8> =
        hex::decode(digits).map_err(|_| refused("is not an even number of hexadecimal digits"))?.into();
    let exposed = bytes.expose_secret();
    if exposed.len() < 32 {
        return Err(refused("has fewer than 64 hexadecimal digits"));
    }
    if exposed.iter().all(|byte| *byte == exposed[0]) {
        return Err(refused("is one byte repeated, which is no secret"));
    }
    Ok(bytes)
}
