use std::{collections::HashSet, path::Path};

use serde::Deserialize;

use crate::{csv_list::rows, label_error::LabelError, photo_files::path_key};

/// Photos and pairs whose labels are known to be wrong, with the reasons. They are not compared.
#[derive(Debug, Default)]
pub struct Exclusions {
    pub(crate) photos: HashSet<String>,
    pub(crate) pairs: HashSet<(String, String)>,
    /// All exclusions, in the order of the list.
    pub entries: Vec<Exclusion>,
}

/// An excluded photo, or an excluded pair of photos.
#[derive(Debug, Clone, Deserialize, serde::Serialize)]
pub struct Exclusion {
    /// The photo, by the name that it has in the labels.
    pub path: String,
    /// The other photo, when only the pair is excluded.
    #[serde(default)]
    pub with: Option<String>,
    /// What is wrong with the label.
    pub reason: String,
}

impl Exclusions {
    /// Reads a list with the columns `path`, `reason` and optionally `with`, the other photo of an excluded pair. Paths
    /// are those of the labels; `\` is `/`, and the Unicode normal form does not matter.
    ///
    /// # Errors
    ///
    /// [`LabelError`] when the list cannot be read or a column is missing.
    pub fn read(list: &Path) -> Result<Self, LabelError> {
        let mut exclusions = Self::default();
        for (_, mut entry) in rows::<Exclusion>(list, &["path"])? {
            entry.path = path_key(&entry.path);
            entry.with = entry.with.as_deref().map(path_key);
            match &entry.with {
                Some(with) => exclusions.pairs.insert(ordered(&entry.path, with)),
                None => exclusions.photos.insert(entry.path.clone()),
            };
            exclusions.entries.push(entry);
        }
        Ok(exclusions)
    }

    /// Whether this photo is excluded.
    pub(crate) fn has_photo(&self, name: &str) -> bool {
        self.photos.contains(name)
    }

    /// Whether these two photos are not compared because one of them, or the pair, is excluded.
    pub(crate) fn has_pair(&self, a: &str, b: &str) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        self.has_photo(a)
            || self.has_photo(b)
            || (!self.pairs.is_empty() && self.pairs.contains(&ordered(a, b)))
    }
}

fn ordered(a: &str, b: &str) -> (String, String) {
    if a <= b { (a.to_owned(), b.to_owned()) } else { (b.to_owned(), a.to_owned()) }
}
