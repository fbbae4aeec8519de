//! Writes to the model folder so that a reader never sees an incomplete file.

use std::{
    fs::{self, File, TryLockError},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use tempfile::Builder;

/// The suffix of files that are being written.
const UNFINISHED: &str = ".unfinished";
const LOCK: &str = ".install.lock";

/// A model folder that is locked against other installations.
#[derive(Debug)]
pub(super) struct ModelFolder {
    path: PathBuf,
    _lock: File,
}

impl ModelFolder {
    /// Creates the folder if necessary, locks it, and removes what a killed installation has left.
    pub(super) fn claim(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("cannot create the folder {}", path.display()))?;
        let lock =
            File::options().write(true).create(true).truncate(false).open(path.join(LOCK)).with_context(
                || format!("cannot write to the folder {}: choose another one with --to", path.display()),
            )?;
        // On a file system without locks, renames are still atomic: two installations at once do no harm.
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            bail!(
                "another `padan models install` is running in {}: wait until it has finished",
                path.display()
            );
        }
        let folder = Self { path: path.to_owned(), _lock: lock };
        folder.remove_unfinished()?;
        Ok(folder)
    }

    /// Writes a file completely or not at all: under another name, synced to disk, and then renamed.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.path.join(name);
        self.write(&path, bytes).with_context(|| {
            format!("cannot write {}; the incomplete file was removed. Is the disk full?", path.display())
        })?;
        Ok(path)
    }

    /// The file that keeps an incomplete download, so that it can be resumed.
    pub(super) fn part(&self, name: &str) -> PathBuf {
        self.path.join(format!(".{name}.part"))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        let mut file = Builder::new()
            .prefix(".")
            .suffix(UNFINISHED)
            .permissions(readable_by_all())
            .tempfile_in(&self.path)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        // The error owns the unfinished file; dropping it removes the file.
        file.persist(path).map_err(|failure| failure.error)?;
        File::open(&self.path)?.sync_all()?;
        Ok(())
    }

    fn remove_unfinished(&self) -> Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".")
                && name.as_encoded_bytes().ends_with(UNFINISHED.as_bytes())
            {
                fs::remove_file(entry.path())
                    .with_context(|| format!("cannot remove {}", entry.path().display()))?;
            }
        }
        Ok(())
    }
}

/// The service may run as another user than the installation.
fn readable_by_all() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(0o644)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_replaces_an_older_one_atomically() {
        let base = tempfile::tempdir().unwrap();
        let folder = ModelFolder::claim(&base.path().join("deep/models")).unwrap();
        folder.put("a.onnx", b"old").unwrap();
        let path = folder.put("a.onnx", b"new").unwrap();
        assert_eq!(fs::read(path).unwrap(), b"new");
        assert_eq!(names(&base.path().join("deep/models")), [LOCK, "a.onnx"]);
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let base = tempfile::tempdir().unwrap();
        let folder = ModelFolder::claim(base.path()).unwrap();
        // A folder of that name makes the rename fail.
        fs::create_dir(base.path().join("a.onnx")).unwrap();
        let error = folder.put("a.onnx", b"new").unwrap_err();
        assert!(error.to_string().contains("the incomplete file was removed"));
        assert_eq!(names(base.path()), [LOCK, "a.onnx"]);
    }

    #[test]
    fn unfinished_files_are_removed_and_downloads_are_kept() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join(".x7Yz.unfinished"), b"half").unwrap();
        fs::write(base.path().join(".a.onnx.part"), b"half").unwrap();
        ModelFolder::claim(base.path()).unwrap();
        assert_eq!(names(base.path()), [".a.onnx.part", LOCK]);
    }

    #[test]
    fn a_second_installation_into_a_folder_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let first = ModelFolder::claim(base.path()).unwrap();
        let error = ModelFolder::claim(base.path()).unwrap_err();
        assert!(error.to_string().contains("is running in"));
        drop(first);
        ModelFolder::claim(base.path()).unwrap();
    }
}
