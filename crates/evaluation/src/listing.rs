//! Reading lists and folders of photos.

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
    #[error("{} cannot be read: {source}", place.display())]
    Unreadable {
        /// The list or folder.
        place: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A list is not a table of the columns that it needs.
    #[error("{}: {reason}", place.display())]
    Malformed {
        /// The list.
        place: PathBuf,
        /// What is wrong, with the line.
        reason: String,
    },
    /// There is nothing to compare.
    #[error("{} holds no two photos to compare: {wanted}", place.display())]
    Nothing {
        /// The list or folder.
        place: PathBuf,
        /// What would be needed.
        wanted: &'static str,
    },
}

#[derive(Deserialize)]
pub(crate) struct IdentityRow {
    pub(crate) path: String,
    pub(crate) identity: String,
    pub(crate) group: Option<String>,
}

/// File, name, person and group of a photo.
pub(crate) type Found = (PathBuf, String, String, Option<String>);

pub(crate) fn listed_photos(list: &Path) -> Result<Vec<Found>, LabelError> {
    let folder = list.parent().unwrap_or(Path::new("."));
    let found = rows::<IdentityRow>(list)?.into_iter().map(|(_, row)| {
        (folder.join(&row.path), row.path, row.identity, row.group.filter(|group| !group.is_empty()))
    });
    Ok(found.collect())
}

pub(crate) fn photos_in_folders(root: &Path) -> Result<Vec<Found>, LabelError> {
    let mut found = Vec::new();
    for person in entries(root)?.into_iter().filter(|path| path.is_dir()) {
        for file in entries(&person)?.into_iter().filter(|path| is_photo(path)) {
            let (person, name) =
                (name_of(&person), file.strip_prefix(root).unwrap_or(&file).to_string_lossy());
            found.push((file.clone(), name.into_owned(), person, None));
        }
    }
    Ok(found)
}

/// Whether the name ends as those of photos do.
fn is_photo(path: &Path) -> bool {
    let extension = path.extension().map(OsStr::to_ascii_lowercase);
    extension.is_some_and(|extension| ["jpg", "jpeg", "png"].iter().any(|known| extension == *known))
}

/// What is in a folder, in the order of names, so that the same photos always give the same pairs.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, LabelError> {
    let unreadable = |source| LabelError::Unreadable { place: folder.into(), source };
    let paths = fs::read_dir(folder).map_err(unreadable)?.map(|entry| Ok(entry?.path()));
    let mut paths: Vec<_> = paths.collect::<io::Result<_>>().map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

/// The last part of a path without its extension.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// The rows of a list with a head, each with its line.
pub(crate) fn rows<T: serde::de::DeserializeOwned>(list: &Path) -> Result<Vec<(u64, T)>, LabelError> {
    let file =
        fs::File::open(list).map_err(|source| LabelError::Unreadable { place: list.into(), source })?;
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(io::BufReader::new(file));
    let malformed =
        |error: csv::Error| LabelError::Malformed { place: list.into(), reason: error.to_string() };
    let head = reader.headers().map_err(malformed)?.clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(malformed)?;
        let line = record.position().map_or(0, csv::Position::line);
        rows.push((line, record.deserialize(Some(&head)).map_err(malformed)?));
    }
    Ok(rows)
}
