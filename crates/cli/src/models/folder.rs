//! Writing into the model folder so that a reader never sees half a file.

use std::{
    fs::{self, File, TryLockError},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use tempfile::Builder;

/// Ends the names of files that are being written.
const UNFINISHED: &str = ".unfinished";
const LOCK: &str = ".install.lock";

/// A model folder that this process alone writes to.
#[derive(Debug)]
pub(super) struct ModelFolder {
    path: PathBuf,
    /// Held as long as the folder is.
    _lock: File,
}

impl ModelFolder {
    /// Makes the folder if need be, claims it, and removes what a killed installation left there.
    pub(super) fn claim(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("the folder {} cannot be made", path.display()))?;
        let lock =
            File::options().write(true).create(true).truncate(false).open(path.join(LOCK)).with_context(
                || format!("the folder {} cannot be written to; choose one with --to", path.display()),
            )?;
        // A file system without locks still has atomic renames: there, two installations only do the work
        // twice.
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            bail!("another `padan models install` is at work in {}; wait until it is done", path.display());
        }
        let folder = Self { path: path.to_owned(), _lock: lock };
        folder.remove_unfinished()?;
        Ok(folder)
    }

    /// Puts a file in place whole or not at all: another name, to disk, renamed, and the folder to disk.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let place = self.path.join(name);
        self.write(&place, bytes).with_context(|| {
            format!("{} cannot be written; nothing was left of it. Is the disk full?", place.display())
        })?;
        Ok(place)
    }

    /// Where a download is kept until it is whole, so that it can be taken up again.
    pub(super) fn part(&self, name: &str) -> PathBuf {
        self.path.join(format!(".{name}.part"))
    }

    fn write(&self, place: &Path, bytes: &[u8]) -> Result<()> {
        let mut file = Builder::new()
            .prefix(".")
            .suffix(UNFINISHED)
            .permissions(readable_by_all())
            .tempfile_in(&self.path)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        // The error holds the unfinished file; letting go of it removes that.
        file.persist(place).map_err(|failure| failure.error)?;
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
                    .with_context(|| format!("{} cannot be removed", entry.path().display()))?;
            }
        }
        Ok(())
    }
}

/// The service may run as another user than the one who installs.
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
    fn a_file_replaces_an_older_one_at_once() {
        let base = tempfile::tempdir().unwrap();
        let folder = ModelFolder::claim(&base.path().join("deep/models")).unwrap();
        folder.put("a.onnx", b"old").unwrap();
        let place = folder.put("a.onnx", b"new").unwrap();
        assert_eq!(fs::read(place).unwrap(), b"new");
        assert_eq!(names(&base.path().join("deep/models")), [LOCK, "a.onnx"]);
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let base = tempfile::tempdir().unwrap();
        let folder = ModelFolder::claim(base.path()).unwrap();
        // A folder of that name lets the very last step fail.
        fs::create_dir(base.path().join("a.onnx")).unwrap();
        let error = folder.put("a.onnx", b"new").unwrap_err();
        assert!(error.to_string().contains("nothing was left of it"));
        assert_eq!(names(base.path()), [LOCK, "a.onnx"]);
    }

    #[test]
    fn what_a_killed_installation_left_is_removed_and_a_download_is_kept() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join(".x7Yz.unfinished"), b"half").unwrap();
        fs::write(base.path().join(".a.onnx.part"), b"half").unwrap();
        ModelFolder::claim(base.path()).unwrap();
        assert_eq!(names(base.path()), [".a.onnx.part", LOCK]);
    }

    #[test]
    fn two_installations_do_not_share_a_folder() {
        let base = tempfile::tempdir().unwrap();
        let first = ModelFolder::claim(base.path()).unwrap();
        let error = ModelFolder::claim(base.path()).unwrap_err();
        assert!(error.to_string().contains("is at work in"));
        drop(first);
        ModelFolder::claim(base.path()).unwrap();
    }
}
