use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use secrecy::{SecretString, zeroize::Zeroizing};

/// Many times the longest list of URLs or keys. A file without an end, such as `/dev/zero`, fills no memory.
const MOST_BYTES: u64 = 1 << 20;

/// Reads a secret of the settings: the text of `key`, or the content of the file that `key_file` names, without the
/// white space around it. `None` when neither is set.
///
/// # Errors
///
/// When both are set, or the file is empty, longer than 1 MiB, or cannot be read. The text names the key and contains no part of the
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
            let content = read_bounded(path).map_err(|error| failed(error.to_string()))?;
            match content.trim() {
                "" => Err(failed("the file is empty".to_owned())),
                secret => Ok(Some(secret.into())),
            }
        }
        (Some(_), Some(_)) => Err(format!("{key} and {key}_file are both set: keep one")),
    }
}

/// The text is overwritten when it is dropped. The buffer has its size from the beginning, since one that grows leaves
/// copies behind.
fn read_bounded(path: &Path) -> io::Result<Zeroizing<String>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len().min(MOST_BYTES);
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(size).unwrap_or_default() + 1));
    let read = file.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    if read as u64 > MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is longer than 1 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use secrecy::ExposeSecret as _;

    use super::read_secret;

    #[test]
    fn a_file_without_an_end_is_refused_and_an_ordinary_one_is_read_to_its_end() {
        let refused = read_secret("store.url", None, Some(Path::new("/dev/zero"))).unwrap_err();
        assert_eq!(refused, "store.url_file, /dev/zero: the file is longer than 1 MiB");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("\n{}\n", "a".repeat((1 << 20) - 2))).unwrap();
        let secret = read_secret("store.url", None, Some(file.path())).unwrap().unwrap();
        assert_eq!(secret.expose_secret().len(), (1 << 20) - 2);
    }
}
