//! Reads lists and folders of photos.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// Why labels cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// A list or folder cannot be read.
    #[error("{} cannot be read: {source}", location.display())]
    Unreadable {
        /// The list or folder.
        location: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A list lacks a column, or has an invalid value.
    #[error("{}: {reason}", location.display())]
    Malformed {
        /// The list.
        location: PathBuf,
        /// What is wrong, with its line.
        reason: String,
    },
    /// There are fewer than two photos to compare.
    #[error("{} has fewer than two photos to compare; expected {expected}", location.display())]
    NothingToCompare {
        /// The list or folder.
        location: PathBuf,
        /// The expected content.
        expected: &'static str,
    },
}

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

pub(crate) fn listed_photos(list: &Path) -> Result<Vec<FoundPhoto>, LabelError> {
    let folder = list.parent().unwrap_or(Path::new("."));
    let found = rows::<IdentityRow>(list)?.into_iter().map(|(_, row)| FoundPhoto {
        file: folder.join(&row.path),
        name: row.path,
        identity: row.identity,
        group: row.group.filter(|group| !group.is_empty()),
    });
    Ok(found.collect())
}

pub(crate) fn photos_in_folders(root: &Path) -> Result<Vec<FoundPhoto>, LabelError> {
    let mut found = Vec::new();
    for person in entries(root)?.into_iter().filter(|path| path.is_dir()) {
        for file in entries(&person)?.into_iter().filter(|path| is_photo(path)) {
            let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
            found.push(FoundPhoto { name, identity: name_of(&person), group: None, file });
        }
    }
    Ok(found)
}

/// Whether the file has a photo's extension.
fn is_photo(path: &Path) -> bool {
    let extension = path.extension().map(OsStr::to_ascii_lowercase);
    extension.is_some_and(|extension| ["jpg", "jpeg", "png"].iter().any(|known| extension == *known))
}

/// The entries of a folder, sorted by name, so that the same photos always give the same pairs.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, LabelError> {
    let unreadable = |source| LabelError::Unreadable { location: folder.into(), source };
    let paths = fs::read_dir(folder).map_err(unreadable)?.map(|entry| Ok(entry?.path()));
    let mut paths: Vec<_> = paths.collect::<io::Result<_>>().map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

/// The last component of a path without its extension.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The rows of a CSV list with a header, each with its line number.
pub(crate) fn rows<T: serde::de::DeserializeOwned>(list: &Path) -> Result<Vec<(u64, T)>, LabelError> {
    let file =
        fs::File::open(list).map_err(|source| LabelError::Unreadable { location: list.into(), source })?;
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(io::BufReader::new(file));
    let malformed =
        |error: csv::Error| LabelError::Malformed { location: list.into(), reason: error.to_string() };
    let header = reader.headers().map_err(malformed)?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(malformed)?;
        let line = record.position().map_or(0, csv::Position::line);
        rows.push((line, record.deserialize(Some(&header)).map_err(malformed)?));
    }
    Ok(rows)
}
