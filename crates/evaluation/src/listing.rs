//! Reads lists and folders of photos.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use padan_domain::Photo;
use serde::{Deserialize, Serialize};

use crate::{csv_list::rows, label_error::LabelError};

#[derive(Deserialize)]
pub(crate) struct IdentityRow {
    pub(crate) path: String,
    pub(crate) identity: String,
    pub(crate) group: Option<String>,
}

/// A photo of a list or folder.
pub(crate) struct FoundPhoto {
    pub(crate) file: PathBuf,
    /// Its path as listed, or below the folder.
    pub(crate) name: String,
    pub(crate) identity: String,
    pub(crate) group: Option<String>,
}

/// The photos of a folder or list.
#[derive(Default)]
pub(crate) struct FoundPhotos {
    pub(crate) photos: Vec<FoundPhoto>,
    pub(crate) skipped: Vec<SkippedFile>,
}

/// A file in a folder of photos that is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedFile {
    /// Its path.
    pub path: String,
    /// Why it is not read.
    pub reason: SkipReason,
}

/// Why a file in a folder of photos is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// It is hidden, or an operating system wrote it beside the photos.
    SystemFile,
    /// It is neither a PNG nor a JPEG, by name and by content.
    NoPhoto,
    /// It is not in a person's folder.
    OutsidePersonsFolder,
    /// It is in a folder within a person's folder.
    DeeperFolder,
    /// A person's folder without photos.
    EmptyFolder,
}

impl SkipReason {
    /// The reason as part of a sentence.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SystemFile => "hidden or written by an operating system",
            Self::NoPhoto => "neither PNG nor JPEG",
            Self::OutsidePersonsFolder => "not in a person's folder",
            Self::DeeperFolder => "in a folder within a person's folder",
            Self::EmptyFolder => "a folder without photos",
        }
    }
}

/// The photos of a list of identities.
pub(crate) fn listed_photos(list: &Path) -> Result<Vec<FoundPhoto>, LabelError> {
    let folder = list.parent().unwrap_or(Path::new("."));
    let found = identity_rows(list)?.into_iter().map(|row| FoundPhoto {
        file: folder.join(&row.path),
        name: row.path,
        identity: row.identity,
        group: row.group.filter(|group| !group.is_empty()),
    });
    Ok(found.collect())
}

/// The rows of a list of identities. A path that is listed twice is refused: the photo would be compared with itself.
pub(crate) fn identity_rows(list: &Path) -> Result<Vec<IdentityRow>, LabelError> {
    let rows = rows::<IdentityRow>(list, &["path", "identity"])?;
    let mut lines = HashMap::new();
    for (line, row) in &rows {
        if let Some(earlier) = lines.insert(row.path.as_str(), *line) {
            let reason = format!("line {line}: {} is already in line {earlier}", row.path);
            return Err(LabelError::Malformed { location: list.into(), reason });
        }
    }
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// The photos of a folder with a folder for each person.
pub(crate) fn photos_in_folders(root: &Path) -> Result<FoundPhotos, LabelError> {
    let mut found = FoundPhotos::default();
    for entry in entries(root)? {
        if is_system_file(&entry) {
            found.skip(&entry, SkipReason::SystemFile)?;
        } else if entry.is_dir() {
            found.add_person(root, &entry)?;
        } else {
            found.skip(&entry, SkipReason::OutsidePersonsFolder)?;
        }
    }
    Ok(found)
}

impl FoundPhotos {
    fn add_person(&mut self, root: &Path, person: &Path) -> Result<(), LabelError> {
        let files = entries(person)?;
        if files.is_empty() {
            self.skipped
                .push(SkippedFile { path: text_of(person.as_os_str()), reason: SkipReason::EmptyFolder });
        }
        for file in files {
            if is_system_file(&file) {
                self.skip(&file, SkipReason::SystemFile)?;
            } else if file.is_dir() {
                self.skip(&file, SkipReason::DeeperFolder)?;
            } else if is_photo(&file) {
                let name = text_of(file.strip_prefix(root).unwrap_or(&file).as_os_str());
                let identity = whole_name_of(person);
                self.photos.push(FoundPhoto { name, identity, group: None, file });
            } else {
                self.skip(&file, SkipReason::NoPhoto)?;
            }
        }
        Ok(())
    }

    /// Records a file, or every file in a folder and the folders below it.
    fn skip(&mut self, path: &Path, reason: SkipReason) -> Result<(), LabelError> {
        // Links are not followed, because they may form a circle.
        if path.is_dir() && !path.is_symlink() {
            return entries(path)?.iter().try_for_each(|entry| self.skip(entry, reason));
        }
        self.skipped.push(SkippedFile { path: text_of(path.as_os_str()), reason });
        Ok(())
    }
}

/// The usual extensions of JPEG and PNG files.
const PHOTO_EXTENSIONS: [&str; 8] = ["jpg", "jpeg", "jpe", "jif", "jfif", "pjpeg", "pjp", "png"];

/// Whether the file has a photo's extension, or begins like a PNG or JPEG. With a photo's extension and other content,
/// it counts as a photo that cannot be read, which matches nobody.
fn is_photo(path: &Path) -> bool {
    // Only regular files are opened: reading a pipe could wait without end. A broken link has no metadata.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return false;
    }
    let has_extension = path
        .extension()
        .is_some_and(|extension| PHOTO_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)));
    let begins_like_photo = || {
        let mut head = Vec::new();
        let read = fs::File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head));
        read.is_ok() && Photo::try_from(Bytes::from(head)).is_ok()
    };
    has_extension || begins_like_photo()
}

/// Enough to tell a PNG or JPEG from other files.
const HEAD_BYTES: u64 = 16;

/// Files and folders that macOS, Windows, Linux or a network drive create, in lower case. Hidden ones, such as
/// `.DS_Store` and the `._` files of macOS, begin with a dot.
const SYSTEM_NAMES: [&str; 9] = [
    "__macosx",
    "icon\r",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "@eadir",
    "$recycle.bin",
    "system volume information",
    "lost+found",
];

fn is_system_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b".")
        || SYSTEM_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The entries of a folder, sorted by name, so that the same photos always give the same pairs.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, LabelError> {
    let unreadable = |source| LabelError::Unreadable { location: folder.into(), source };
    let paths = fs::read_dir(folder).map_err(unreadable)?.map(|entry| Ok(entry?.path()));
    let mut paths: Vec<_> = paths.collect::<io::Result<_>>().map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

/// The last component of a file's path without its extension.
pub(crate) fn name_of(path: &Path) -> String {
    text_of(path.file_stem().unwrap_or(path.as_os_str()))
}

/// The last component of a folder's path. What follows a dot in it is no extension.
pub(crate) fn whole_name_of(path: &Path) -> String {
    text_of(path.file_name().unwrap_or(path.as_os_str()))
}

/// The name as text. Bytes that are not UTF-8 are escaped, so that different names remain different.
fn text_of(name: &OsStr) -> String {
    name.to_str().map_or_else(|| name.as_encoded_bytes().escape_ascii().to_string(), str::to_owned)
}
