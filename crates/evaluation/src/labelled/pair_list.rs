//! Lists of pairs of photos.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{ExcludedPhoto, Labelled, LabelledPair, LabelledPhoto, Names};
use crate::{
    csv_list::rows,
    exclusions::Exclusions,
    label_error::LabelError,
    listing::{Problems, identity_list_in, identity_rows, name_of},
    photo_files::{canonical, nfc, originals, path_key},
};

#[derive(Deserialize)]
struct PairRow {
    path_a: String,
    path_b: String,
    same: String,
    fold: Option<String>,
    group: Option<String>,
}

/// The photos of a list of pairs, each file once.
struct PairedPhotos<'a> {
    root: &'a Path,
    photos: Vec<LabelledPhoto>,
    numbers: HashMap<PathBuf, usize>,
    numbers_of_paths: HashMap<String, usize>,
    problems: Problems,
}

impl PairedPhotos<'_> {
    /// The index of a listed photo; `None` if its file cannot be read.
    fn index(&mut self, line: u64, path: &str) -> Option<usize> {
        if let Some(number) = self.numbers_of_paths.get(path) {
            return Some(*number);
        }
        let file = self.problems.find(line, self.root, path)?;
        let number = *self.numbers.entry(canonical(&file)).or_insert_with(|| {
            let name = path_key(path).into();
            self.photos.push(LabelledPhoto { file, name, source: 0, identity: 0, group: None });
            self.photos.len() - 1
        });
        self.numbers_of_paths.insert(path.to_owned(), number);
        Some(number)
    }
}

impl Labelled {
    /// Reads a list of pairs with the columns `path_a`, `path_b`, `same` (1 or 0) and optionally `fold` and `group`.
    /// Paths are below `root`.
    ///
    /// Identities come from `root/identity.csv` (`path`, `identity` and optionally `group`), or from the photos'
    /// folders if these agree with every pair of the list.
    ///
    /// # Errors
    ///
    /// [`LabelError`] when a list cannot be read, is malformed or has no pairs; when a listed file does not exist; when
    /// a photo is paired with itself or a copy, or a pair is both genuine and impostor.
    pub fn from_pairs(list: &Path, root: &Path, exclusions: Exclusions) -> Result<Self, LabelError> {
        let mut labelled = Self { sources: vec![name_of(list)], exclusions, ..Self::default() };
        let mut photos = PairedPhotos {
            root,
            photos: Vec::new(),
            numbers: HashMap::new(),
            numbers_of_paths: HashMap::new(),
            problems: Problems::default(),
        };
        let (mut folds, mut groups) = (Names::default(), Names::default());
        let mut lines = Vec::new();
        for (line, row) in rows::<PairRow>(list, &["path_a", "path_b", "same"])? {
            let names = [&row.path_a, &row.path_b].map(|path| path_key(path));
            if labelled.exclusions.has_pair(&names[0], &names[1]) {
                labelled.excluded_photos.extend(names.map(|name| ExcludedPhoto { source: 0, name }));
                continue;
            }
            let same = is_genuine(&row.same).map_err(|reason| malformed(list, line, &reason))?;
            let [a, b] = [&row.path_a, &row.path_b].map(|path| photos.index(line, path));
            let (Some(a), Some(b)) = (a, b) else { continue };
            let fold = row.fold.filter(|fold| !fold.is_empty()).map(|fold| folds.index(&fold));
            let group = row.group.filter(|group| !group.is_empty()).map(|group| groups.index(&group));
            labelled.pairs.push(LabelledPair { a, b, same, fold, group });
            lines.push(line);
        }
        photos.problems.refuse(list)?;
        if labelled.pairs.is_empty() {
            let expected = "rows with the columns path_a,path_b,same";
            return Err(LabelError::NothingToCompare {
                location: list.into(),
                expected,
                skipped: Vec::new(),
            });
        }
        labelled.photos = photos.photos;
        labelled.groups = groups.names;
        labelled.refuse_wrong_pairs(list, &lines)?;
        labelled.identify(root)?;
        Ok(labelled)
    }

    /// Refuses pairs of a photo with itself or a copy of itself, and contradicting labels. Records other copies.
    /// `lines` are those of the pairs.
    fn refuse_wrong_pairs(&mut self, list: &Path, lines: &[u64]) -> Result<(), LabelError> {
        let files: Vec<_> = self.photos.iter().map(|photo| &*photo.file).collect();
        let originals = originals(&files);
        let mut labels = HashMap::new();
        for (pair, line) in self.pairs.iter().zip(lines) {
            let [a, b] = [pair.a, pair.b].map(|at| originals[at]);
            let names = [pair.a, pair.b].map(|at| &*self.photos[at].name).join(" and ");
            if a == b {
                return Err(malformed(list, *line, &format!("{names} are the same photo")));
            }
            let (earlier, same) = *labels.entry((a.min(b), a.max(b))).or_insert((*line, pair.same));
            if same != pair.same {
                let reason = format!("{names} have the other label in line {earlier}");
                return Err(malformed(list, *line, &reason));
            }
        }
        for (at, original) in originals.into_iter().enumerate() {
            let [photo, original] = [at, original].map(|at| self.photos[at].clone());
            self.record_copy(&photo, &original);
        }
        Ok(())
    }

    /// Determines the identities of the photos of a list of pairs.
    fn identify(&mut self, root: &Path) -> Result<(), LabelError> {
        let mut identities = Names::default();
        if let Some(list) = identity_list_in(root) {
            let mut groups = Names { numbers: HashMap::new(), names: std::mem::take(&mut self.groups) };
            groups.numbers = groups.names.iter().cloned().zip(0..).collect();
            let known: HashMap<_, _> =
                identity_rows(&list)?.into_iter().map(|(_, row)| (path_key(&row.path), row)).collect();
            for photo in &mut self.photos {
                let Some(row) = known.get(&*photo.name) else {
                    let reason = format!("{} is missing, but is in the list of pairs", photo.name);
                    return Err(LabelError::Malformed { location: list, reason });
                };
                photo.identity = identities.index(&nfc(&row.identity));
                photo.group = row.group.as_ref().filter(|group| !group.is_empty()).map(|g| groups.index(g));
            }
            self.groups = groups.names;
            self.identities_from = Some("an identity list");
            return Ok(());
        }
        let folder_of = |photo: &LabelledPhoto| {
            Path::new(&*photo.name).parent().map(|folder| folder.to_string_lossy().into_owned())
        };
        let folders: Vec<_> = self.photos.iter().map(folder_of).map(Option::unwrap_or_default).collect();
        if self.pairs.iter().all(|pair| pair.same == (folders[pair.a] == folders[pair.b])) {
            for (photo, folder) in self.photos.iter_mut().zip(&folders) {
                photo.identity = identities.index(folder);
            }
            self.identities_from = Some("folder names");
        } else {
            self.identify_by_pairs();
        }
        Ok(())
    }

    /// Gives the same identity to photos that genuine pairs connect. Photos with different identities may show the same
    /// person, unless they are a listed impostor pair.
    fn identify_by_pairs(&mut self) {
        let mut leaders: Vec<usize> = (0..self.photos.len()).collect();
        let find = |leaders: &[usize], mut at: usize| {
            while leaders[at] != at {
                at = leaders[at];
            }
            at
        };
        for pair in self.pairs.iter().filter(|pair| pair.same) {
            let (a, b) = (find(&leaders, pair.a), find(&leaders, pair.b));
            leaders[a.max(b)] = a.min(b);
        }
        for at in 0..self.photos.len() {
            self.photos[at].identity = find(&leaders, at);
        }
    }
}

/// Whether the column `same` says so. Spreadsheet programs write TRUE and FALSE.
fn is_genuine(same: &str) -> Result<bool, String> {
    match same.to_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(format!("expected 1 or 0 in the column same, found {same:?}")),
    }
}

fn malformed(list: &Path, line: u64, reason: &str) -> LabelError {
    LabelError::Malformed { location: list.into(), reason: format!("line {line}: {reason}") }
}
