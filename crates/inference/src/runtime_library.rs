//! Finds the ONNX Runtime library.

use std::{env, path::PathBuf};

use crate::{config::Config, error::StartError};

const FILE: &str = if cfg!(target_os = "macos") { "libonnxruntime.dylib" } else { "libonnxruntime.so" };
const SYSTEM_FOLDERS: [&str; 5] =
    ["/usr/local/lib", "/usr/lib", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];

/// Finds the ONNX Runtime library. Searched in order: the configured path, `$ORT_DYLIB_PATH`, `./.deps/onnxruntime` if
/// `config.current_folder` allows it, the folder of the program, the system's folders.
///
/// # Errors
///
/// [`StartError::RuntimeMissing`] when a configured path or `$ORT_DYLIB_PATH` does not exist, in which case nothing
/// else is searched, or when no folder has the library.
pub fn find(config: &Config) -> Result<PathBuf, StartError> {
    if let Some(path) = named(config) {
        return existing(path);
    }
    let beside = env::current_exe().ok().and_then(|binary| Some(binary.parent()?.to_path_buf()));
    let folders =
        [config.current_folder.part("onnxruntime"), beside.clone(), beside.map(|folder| folder.join("lib"))]
            .into_iter()
            .flatten()
            .chain(SYSTEM_FOLDERS.map(PathBuf::from));
    let candidates: Vec<PathBuf> = folders.map(|folder| folder.join(FILE)).collect();
    let found = candidates.iter().find(|path| path.is_file()).map(|path| path.canonicalize());
    match found {
        Some(Ok(path)) => Ok(path),
        Some(Err(_)) | None => Err(StartError::RuntimeMissing(candidates)),
    }
}

/// The path in the settings, or else in the environment.
fn named(config: &Config) -> Option<PathBuf> {
    let named = config.runtime_library.clone().or_else(|| env::var_os("ORT_DYLIB_PATH").map(PathBuf::from));
    named.filter(|path| !path.as_os_str().is_empty())
}

/// Resolves links, because the runtime searches its providers in the folder of the path that it was loaded by.
fn existing(path: PathBuf) -> Result<PathBuf, StartError> {
    match path.canonicalize() {
        Ok(library) if library.is_file() => Ok(library),
        _ => Err(StartError::RuntimeMissing(vec![path])),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_missing_configured_library_is_not_replaced() {
        let missing = Path::new("/nowhere/libonnxruntime.so");
        let error = existing(missing.to_owned()).unwrap_err().to_string();
        assert!(error.contains("/nowhere/libonnxruntime.so") && error.contains("make deps"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_resolved_to_the_providers_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (library, link) = (folder.path().join(FILE), folder.path().join("link.so"));
        std::fs::write(&library, "").unwrap();
        std::os::unix::fs::symlink(&library, &link).unwrap();
        assert_eq!(existing(link).unwrap(), library.canonicalize().unwrap());
    }
}
