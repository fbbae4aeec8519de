//! Decides whether files of the current folder may be used.
//!
//! A library is code, and a manifest decides which model is trusted. Whoever starts the program in a folder that
//! somebody else can write to, such as `/tmp`, must not run that person's code.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

/// Whether the library and the models may come from the current folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CurrentFolder {
    /// From `.deps`, if the current folder is a checkout that belongs to this user or to root. For commands that a
    /// person starts.
    #[default]
    OwnCheckout,
    /// Never. For the service, whose current folder is an accident.
    Ignored,
}

/// What makes a folder a checkout.
const CHECKOUT: &str = "Cargo.toml";
const FOLDER: &str = ".deps";

impl CurrentFolder {
    /// The path of a part of `.deps`, which need not exist; `None` if it may not be used.
    pub(crate) fn part(self, name: &str) -> Option<PathBuf> {
        let user = rustix::process::geteuid().as_raw();
        let path = Path::new(FOLDER).join(name);
        (self == Self::OwnCheckout && is_own_checkout(Path::new(""), &path, user)).then_some(path)
    }
}

/// Whether `folder` is a checkout, and nobody but the user and root can replace it or the part at `path` below it.
fn is_own_checkout(folder: &Path, path: &Path, user: u32) -> bool {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let marker = folder.join(CHECKOUT);
    marker.is_file()
        && [folder.to_owned(), marker, folder.join(FOLDER), folder.join(path)]
            .iter()
            .all(|part| is_missing(part) || belongs_to(part, user))
        && fs::read_dir(folder.join(path))
            .into_iter()
            .flatten()
            .all(|entry| entry.is_ok_and(|entry| belongs_to(&entry.path(), user)))
}

fn is_missing(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Whether the file or folder, and the link to it if it is one, belong to the user or to root, and others may not write
/// to it.
fn belongs_to(path: &Path, user: u32) -> bool {
    const WRITABLE_BY_OTHERS: u32 = 0o002;
    let is_owners = |owner: u32| owner == user || owner == 0;
    let link = fs::symlink_metadata(path).is_ok_and(|link| is_owners(link.uid()));
    let target = fs::metadata(path)
        .is_ok_and(|target| is_owners(target.uid()) && target.mode() & WRITABLE_BY_OTHERS == 0);
    link && target
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    const MODELS: &str = ".deps/models";

    /// A checkout of the current user with one model.
    fn checkout() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CHECKOUT), "").unwrap();
        fs::create_dir_all(folder.path().join(MODELS)).unwrap();
        fs::write(folder.path().join(MODELS).join("a.onnx"), "").unwrap();
        folder
    }

    fn user() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn is_used(folder: &tempfile::TempDir) -> bool {
        is_own_checkout(folder.path(), Path::new(MODELS), user())
    }

    #[test]
    fn a_checkout_of_the_same_user_is_used() {
        assert!(is_used(&checkout()));
    }

    #[test]
    fn a_part_that_is_still_missing_can_be_created() {
        let folder = checkout();
        fs::remove_dir_all(folder.path().join(".deps")).unwrap();
        assert!(is_used(&folder));
    }

    #[test]
    fn a_folder_that_is_no_checkout_is_not_used() {
        let folder = checkout();
        fs::remove_file(folder.path().join(CHECKOUT)).unwrap();
        assert!(!is_used(&folder));
    }

    /// A name of the file system, and what others may do to it.
    #[test]
    fn what_others_may_write_to_is_not_used() {
        for part in ["", CHECKOUT, ".deps", MODELS, ".deps/models/a.onnx"] {
            let folder = checkout();
            fs::set_permissions(folder.path().join(part), fs::Permissions::from_mode(0o777)).unwrap();
            assert!(!is_used(&folder), "{part:?}");
        }
    }

    #[test]
    fn what_belongs_to_another_user_is_not_used() {
        for part in ["", CHECKOUT, ".deps", MODELS, ".deps/models/a.onnx"] {
            let folder = checkout();
            // Root owns the files of a test that runs as root, and everybody trusts root.
            if user() == 0 {
                chown(folder.path().join(part), Some(4711), None).unwrap();
                assert!(!is_used(&folder), "{part:?}");
                assert!(!is_own_checkout(folder.path(), Path::new(MODELS), 4712), "{part:?}");
            } else {
                assert!(!is_own_checkout(folder.path(), Path::new(MODELS), user() + 1), "{part:?}");
            }
        }
    }

    #[test]
    fn a_link_is_judged_by_what_it_leads_to() {
        let (folder, elsewhere) = (checkout(), tempfile::tempdir().unwrap());
        fs::set_permissions(elsewhere.path(), fs::Permissions::from_mode(0o777)).unwrap();
        fs::remove_dir_all(folder.path().join(MODELS)).unwrap();
        symlink(elsewhere.path(), folder.path().join(MODELS)).unwrap();
        assert!(!is_used(&folder));
        fs::set_permissions(elsewhere.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(is_used(&folder));
    }

    #[test]
    fn the_service_never_uses_the_current_folder() {
        assert_eq!(CurrentFolder::Ignored.part("models"), None);
    }
}
