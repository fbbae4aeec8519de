use std::{fs, path::Path};

use secrecy::{ExposeSecret as _, SecretString};

/// A secret of the settings: the text of `key` itself, or what the file that `key_file` names holds, without white space
/// around it. `None` when neither is set. An error names the key and quotes nothing.
pub fn read_secret(
    key: &str,
    text: Option<&SecretString>,
    file: Option<&Path>,
) -> Result<Option<SecretString>, String> {
    match (text, file) {
        (text, None) => Ok(text.cloned()),
        (None, Some(path)) => {
            let at = |what: String| format!("{key}_file, {}: {what}", path.display());
            let held =
                fs::read_to_string(path).map(SecretString::from).map_err(|error| at(error.to_string()))?;
            match held.expose_secret().trim() {
                "" => Err(at("the file is empty".to_owned())),
                secret => Ok(Some(secret.into())),
            }
        }
        (Some(_), Some(_)) => Err(format!("{key} and {key}_file are both set: keep one")),
    }
}
