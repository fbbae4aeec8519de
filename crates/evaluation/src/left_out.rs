use std::{collections::HashSet, path::Path};

use serde::Deserialize;

use crate::listing::{LabelError, rows};

/// Photos and pairs whose labels are known to be wrong, with the reasons. They are compared with nothing.
#[derive(Debug, Default)]
pub struct LeftOut {
    pub(crate) photos: HashSet<String>,
    pub(crate) pairs: HashSet<(String, String)>,
    /// Each with its reason, in the order of the list.
    pub entries: Vec<LeftOutEntry>,
}

/// A photo, or a pair of photos, and why it is left out.
#[derive(Debug, Clone, Deserialize, serde::Serialize)]
pub struct LeftOutEntry {
    /// The photo.
    pub path: String,
    /// The other photo, when only the pair is wrong.
    #[serde(default)]
    pub with: Option<String>,
    /// What is wrong.
    pub reason: String,
}

impl LeftOut {
    /// Reads a list: columns `path`, `reason`, and optionally `with`, the other photo when only the pair is wrong. Paths
    /// are as the labels have them.
    pub fn read(list: &Path) -> Result<Self, LabelError> {
        let mut left_out = Self::default();
        for (_, entry) in rows::<LeftOutEntry>(list)? {
            match &entry.with {
                Some(with) => left_out.pairs.insert(ordered(&entry.path, with)),
                None => left_out.photos.insert(entry.path.clone()),
            };
            left_out.entries.push(entry);
        }
        Ok(left_out)
    }

    /// Whether this photo is left out.
    pub(crate) fn has_photo(&self, name: &str) -> bool {
        self.photos.contains(name)
    }

    /// Whether these two photos are not compared, because of one of them or as a pair.
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
