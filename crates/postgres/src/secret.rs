use std::{fs, path::Path};

use secrecy::{ExposeSecret as _, SecretString};

/// Reads a secret of the settings: the text of `key`, or the content of the file that `key_file` names, without the
/// white space around it. `None` when neither is set.
///
/// # Errors
///
/// When both are set, or the file is empty or cannot be read. The text names the key and contains no part of the
/// secret.
pub fn read_secret(
    key: &str,
    text: Option<&SecretString>,
    file: Option<&Path>,
) -> Result<Option<SecretString>, String> {
    match (text, file) {
        (text, None) => Ok(text.cloned()),
        (None, Some(path)) => {
            let failed = |reason: String| format!("{key}_file, {}: {reason}", path.display());
            let content = fs::read_to_string(path)
                .map(SecretString::from)
                .map_err(|error| failed(error.to_string()))?;
            match content.expose_secret().trim() {
                "" => Err(failed("the file is empty".to_owned())),
                secret => Ok(Some(secret.into())),
            }
        }
        (Some(_), Some(_)) => Err(format!("{key} and {key}_file are both set: keep one")),
    }
}
