//! Reads lists and folders of photos.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsStr,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use padan_domain::Photo;
use serde::Deserialize;

use crate::{
    csv_list::rows,
    exclusions::Exclusions,
    label_error::LabelError,
    photo_files::{canonical, find_file, nfc, path_key},
    skipped::{SkipReason, SkippedFile},
};

/// The file in a folder that lists the identities of its photos.
const IDENTITY_LIST: &str = "identity.csv";

#[derive(Deserialize)]
pub(crate) struct IdentityRow {
    pub(crate) path: String,
    pub(crate) identity: String,
    pub(crate) group: Option<String>,
}

/// A photo of a list or folder.
pub(crate) struct FoundPhoto {
    pub(crate) file: PathBuf,
    /// Its path as listed, or below the folder, as [`path_key`] writes it.
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

/// The photos of a list of identities. A file that does not exist is refused: it would count as a photo without a face.
/// Excluded photos need not exist.
pub(crate) fn listed_photos(list: &Path, exclusions: &Exclusions) -> Result<Vec<FoundPhoto>, LabelError> {
    let folder = list.parent().unwrap_or(Path::new(""));
    let (mut photos, mut problems) = (Vec::new(), Problems::default());
    let mut lines: HashMap<PathBuf, (u64, String)> = HashMap::new();
    for (line, IdentityRow { path, identity, group }) in identity_rows(list)? {
        let name = path_key(&path);
        let file = if exclusions.has_photo(&name) {
            folder.join(&path)
        } else {
            let Some(file) = problems.find(line, folder, &path) else { continue };
            if let Some((earlier, other)) = lines.insert(canonical(&file), (line, path.clone())) {
                let reason = format!("line {line}: {path} is the same file as {other} in line {earlier}");
                return Err(LabelError::Malformed { location: list.into(), reason });
            }
            file
        };
        let group = group.filter(|group| !group.is_empty());
        photos.push(FoundPhoto { file, name, identity: nfc(&identity), group });
    }
    problems.refuse(list)?;
    Ok(photos)
}

/// Listed files that cannot be read.
#[derive(Default)]
pub(crate) struct Problems {
    first: Option<String>,
    further: usize,
}

impl Problems {
    /// The file of a photo; `None` if it cannot be read.
    pub(crate) fn find(&mut self, line: u64, folder: &Path, path: &str) -> Option<PathBuf> {
        find_file(folder, path)
            .inspect_err(|problem| {
                self.further += usize::from(self.first.is_some());
                self.first.get_or_insert_with(|| format!("line {line}: {path} {problem}"));
            })
            .ok()
    }

    /// Refuses the list if a file cannot be read.
    pub(crate) fn refuse(self, list: &Path) -> Result<(), LabelError> {
        let Some(first) = self.first else { return Ok(()) };
        let reason = match self.further {
            0 => first,
            further => format!("{first}; {further} further paths in this list cannot be read either"),
        };
        Err(LabelError::Malformed { location: list.into(), reason })
    }
}

/// The rows of a list of identities, each with its line. A path that is listed twice is refused: the photo would be
/// compared with itself.
pub(crate) fn identity_rows(list: &Path) -> Result<Vec<(u64, IdentityRow)>, LabelError> {
    let rows = rows::<IdentityRow>(list, &["path", "identity"])?;
    let mut lines = HashMap::new();
    for (line, row) in &rows {
        if let Some(earlier) = lines.insert(path_key(&row.path), *line) {
            let reason = format!("line {line}: {} is already in line {earlier}", row.path);
            return Err(LabelError::Malformed { location: list.into(), reason });
        }
    }
    Ok(rows)
}

/// The list of identities in a folder of photos, whose name may be in any case.
pub(crate) fn identity_list_in(folder: &Path) -> Option<PathBuf> {
    let exact = folder.join(IDENTITY_LIST);
    if exact.is_file() {
        return Some(exact);
    }
    let is_list = |file: &PathBuf| {
        file.file_name().is_some_and(|name| name.eq_ignore_ascii_case(IDENTITY_LIST)) && file.is_file()
    };
    entries(folder).ok()?.into_iter().find(is_list)
}

/// The photos of a folder with a folder for each person.
pub(crate) fn photos_in_folders(root: &Path) -> Result<FoundPhotos, LabelError> {
    let mut found = FoundPhotos::default();
    let entries = entries(root)?;
    let is_own_folder = |entry: &&PathBuf| entry.is_dir() && !entry.is_symlink() && !is_system_file(entry);
    let mut read: HashSet<_> = entries.iter().filter(is_own_folder).map(|own| canonical(own)).collect();
    for entry in entries {
        if is_system_file(&entry) {
            found.skip(&entry, SkipReason::SystemFile)?;
        } else if entry.is_dir() && entry.is_symlink() && !read.insert(canonical(&entry)) {
            found.skip(&entry, SkipReason::LinkedFolder)?;
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
            } else if let Err(reason) = check_photo(&file) {
                self.skip(&file, reason)?;
            } else {
                let name = path_key(&text_of(file.strip_prefix(root).unwrap_or(&file).as_os_str()));
                let identity = nfc(&whole_name_of(person));
                self.photos.push(FoundPhoto { name, identity, group: None, file });
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
/// it counts as a photo without a face, which matches nobody.
pub(crate) fn check_photo(path: &Path) -> Result<(), SkipReason> {
    let metadata = fs::metadata(path).map_err(|_| SkipReason::Unreadable)?;
    // Only regular files are opened: reading a pipe could wait without end.
    if !metadata.is_file() {
        return Err(SkipReason::NoPhoto);
    }
    let mut head = Vec::new();
    (fs::File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head)))
        .map_err(|_| SkipReason::Unreadable)?;
    let has_extension = path
        .extension()
        .is_some_and(|extension| PHOTO_EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)));
    let is_photo = has_extension || Photo::try_from(Bytes::from(head)).is_ok();
    is_photo.then_some(()).ok_or(SkipReason::NoPhoto)
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

pub(crate) fn is_system_file(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().starts_with(b".")
        || SYSTEM_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// The entries of a folder, sorted by name, so that the same photos always give the same pairs.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, LabelError> {
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
pub(crate) fn text_of(name: &OsStr) -> String {
    name.to_str().map_or_else(|| name.as_encoded_bytes().escape_ascii().to_string(), str::to_owned)
}
