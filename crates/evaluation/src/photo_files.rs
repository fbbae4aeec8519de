//! Finds the files of listed photos, and files with the same bytes.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;

/// A path in the one form in which paths are compared: in NFC, with `/` between folders, and without `.`.
///
/// Lists that Windows wrote have `\`, and archives that a Mac wrote have names in NFD.
pub(crate) fn path_key(path: &str) -> String {
    let path = nfc(path).replace('\\', "/");
    let parts: Vec<_> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    format!("{}{}", if path.starts_with('/') { "/" } else { "" }, parts.join("/"))
}

/// The text in NFC, the Unicode normal form that most programs write.
pub(crate) fn nfc(text: &str) -> String {
    text.nfc().collect()
}

/// The file of a listed photo. If there is none with this very path, `\` is taken as `/`, and each name is also tried
/// in the other Unicode normal form. The error is the rest of a sentence that begins with the path.
pub(crate) fn find_file(folder: &Path, listed: &str) -> Result<PathBuf, String> {
    let found = find_below(folder, listed).or_else(|| find_below(folder, &listed.replace('\\', "/")));
    let file = found.ok_or_else(|| format!("does not exist in {}", described(folder)))?;
    // Only regular files are opened: opening a pipe could wait without end.
    if !file.is_file() {
        return Err("is not a file".to_owned());
    }
    fs::File::open(&file).map_err(|error| format!("cannot be read: {error}"))?;
    Ok(file)
}

fn find_below(folder: &Path, path: &str) -> Option<PathBuf> {
    Path::new(path).components().try_fold(folder.to_owned(), |found, component| {
        let name = component.as_os_str().to_str()?;
        let forms = [name.to_owned(), nfc(name), name.nfd().collect()];
        forms.iter().map(|form| found.join(form)).find(|candidate| candidate.exists())
    })
}

fn described(folder: &Path) -> String {
    if folder.as_os_str().is_empty() { "this folder".to_owned() } else { folder.display().to_string() }
}

/// The file's path without links, by which two paths to one file are recognised.
pub(crate) fn canonical(file: &Path) -> PathBuf {
    file.canonicalize().unwrap_or_else(|_| file.to_owned())
}

/// For each file, the index of the first one with the same bytes: its own, if there is no earlier one. Empty files and
/// those that cannot be read are not compared.
pub(crate) fn originals(files: &[&Path]) -> Vec<usize> {
    let length = |file: &&Path| fs::metadata(file).map_or(0, |metadata| metadata.len());
    let lengths: Vec<_> = files.par_iter().map(length).collect();
    let mut seen = HashSet::new();
    let repeated: HashSet<_> =
        lengths.iter().filter(|length| **length > 0 && !seen.insert(**length)).copied().collect();
    // Only files of the same length can have the same bytes, so few are read here.
    let digest_of = |at: usize| -> Option<[u8; 32]> {
        let bytes = repeated.contains(&lengths[at]).then(|| fs::read(files[at]).ok())??;
        Some(Sha256::digest(bytes).into())
    };
    let digests: Vec<_> = (0..files.len()).into_par_iter().map(digest_of).collect();
    let mut first = HashMap::new();
    let original = |(at, digest): (usize, &Option<[u8; 32]>)| match digest {
        Some(digest) => *first.entry(*digest).or_insert(at),
        None => at,
    };
    digests.iter().enumerate().map(original).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_form_whatever_system_wrote_it() {
        // é as one character, and as e with a combining accent.
        for path in ["Jos\u{e9}/1.jpg", "Jose\u{301}\\1.jpg", "./Jos\u{e9}//1.jpg", ".\\Jos\u{e9}/./1.jpg"] {
            assert_eq!(path_key(path), "Jos\u{e9}/1.jpg", "{path}");
        }
        assert_eq!(path_key("/photos/../1.jpg"), "/photos/../1.jpg");
    }

    #[test]
    fn the_first_file_with_the_same_bytes_is_found_and_empty_files_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<_> = ["one", "two", "one", "", "", "three", "one"]
            .iter()
            .enumerate()
            .map(|(at, text)| {
                let file = folder.path().join(at.to_string());
                fs::write(&file, text).unwrap();
                file
            })
            .chain([folder.path().join("missing")])
            .collect();
        let files: Vec<_> = files.iter().map(PathBuf::as_path).collect();
        assert_eq!(originals(&files), [0, 1, 0, 3, 4, 5, 0, 7]);
    }
}
