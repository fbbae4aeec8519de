//! Photos labelled with identities, and the pairs to compare.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::Deserialize;

use crate::{
    csv_list::rows,
    exclusions::Exclusions,
    label_error::LabelError,
    listing::{
        FoundPhoto, FoundPhotos, SkippedFile, identity_rows, listed_photos, name_of, photos_in_folders,
        whole_name_of,
    },
};

/// Labelled photos. Only photos of the same source are compared with each other.
#[derive(Debug, Default)]
pub struct Labelled {
    /// All photos, each once.
    pub photos: Vec<LabelledPhoto>,
    /// The listed or sampled pairs.
    pub pairs: Vec<LabelledPair>,
    /// The names of the sources.
    pub sources: Vec<String>,
    /// The names of the demographic groups.
    pub groups: Vec<String>,
    /// Where the identities come from; `None` when only the listed pairs are known.
    pub identities_from: Option<&'static str>,
    /// The photos and pairs that are excluded because their labels are known to be wrong.
    pub exclusions: Exclusions,
    /// The files in folders of photos that are not read.
    pub skipped: Vec<SkippedFile>,
    /// The photos that were excluded when the sources were read.
    pub(crate) excluded_photos: Vec<ExcludedPhoto>,
}

/// A photo that is excluded.
#[derive(Debug)]
pub(crate) struct ExcludedPhoto {
    source: usize,
    name: String,
}

/// An exclusion in words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DescribedExclusion {
    /// The source of its photos, as an index.
    pub(crate) source: usize,
    pub(crate) text: String,
}

/// A labelled photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledPhoto {
    /// Its file.
    pub file: PathBuf,
    /// Its name in the list.
    pub name: Arc<str>,
    /// Its source, as an index.
    pub source: usize,
    /// The person, as a number that is unique over all sources. Where identities are unknown, photos that genuine pairs
    /// connect have the same number.
    pub identity: usize,
    /// The demographic group, as an index.
    pub group: Option<usize>,
}

/// A labelled pair of photos.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelledPair {
    /// One photo, as an index.
    pub a: usize,
    /// The other photo, as an index.
    pub b: usize,
    /// Whether it is a genuine pair, of one person, or an impostor pair, of two.
    pub same: bool,
    /// Its fold of a cross-validation.
    pub fold: Option<usize>,
    /// The demographic group, as an index.
    pub group: Option<usize>,
}

/// The file in a folder that lists the identities of its photos.
const IDENTITY_LIST: &str = "identity.csv";
/// Seed for sampling impostor pairs: the same photos give the same pairs.
const SEED: u64 = 20_260_101;

#[derive(Deserialize)]
struct PairRow {
    path_a: String,
    path_b: String,
    same: String,
    fold: Option<String>,
    group: Option<String>,
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
    /// [`LabelError`] when a list cannot be read, is malformed or has no pairs.
    pub fn from_pairs(list: &Path, root: &Path, exclusions: Exclusions) -> Result<Self, LabelError> {
        let mut labelled = Self { sources: vec![name_of(list)], exclusions, ..Self::default() };
        let mut photos = Names::default();
        let (mut folds, mut groups) = (Names::default(), Names::default());
        for (line, row) in rows::<PairRow>(list, &["path_a", "path_b", "same"])? {
            if labelled.exclusions.has_pair(&row.path_a, &row.path_b) {
                continue;
            }
            // Spreadsheet programs write TRUE and FALSE.
            let same = match row.same.to_lowercase().as_str() {
                "1" | "true" => true,
                "0" | "false" => false,
                _ => {
                    let reason =
                        format!("line {line}: expected 1 or 0 in the column same, found {:?}", row.same);
                    return Err(LabelError::Malformed { location: list.into(), reason });
                }
            };
            let [a, b] = [&row.path_a, &row.path_b].map(|name| photos.index(name));
            let fold = row.fold.filter(|fold| !fold.is_empty()).map(|fold| folds.index(&fold));
            let group = row.group.filter(|group| !group.is_empty()).map(|group| groups.index(&group));
            labelled.pairs.push(LabelledPair { a, b, same, fold, group });
        }
        if labelled.pairs.is_empty() {
            let expected = "rows with the columns path_a,path_b,same";
            return Err(LabelError::NothingToCompare { location: list.into(), expected });
        }
        labelled.photos = (photos.names.into_iter())
            .map(|name| LabelledPhoto {
                file: root.join(&name),
                name: name.into(),
                source: 0,
                identity: 0,
                group: None,
            })
            .collect();
        labelled.groups = groups.names;
        labelled.identify(root)?;
        Ok(labelled)
    }

    /// Reads sources: folders with a folder for each person, or lists of `path`, `identity` and optionally `group` with
    /// paths below the list's folder. A folder may have such a list as `identity.csv`.
    ///
    /// All genuine pairs are compared, and up to `impostor_pairs` random impostor pairs of each source.
    ///
    /// # Errors
    ///
    /// [`LabelError`] when a source cannot be read, is malformed or has fewer than two photos.
    pub fn from_identities(
        sources: &[PathBuf],
        impostor_pairs: usize,
        exclusions: Exclusions,
    ) -> Result<Self, LabelError> {
        let mut labelled = Self { exclusions, identities_from: Some("folder names"), ..Self::default() };
        let (mut identities, mut groups) = (Names::default(), Names::default());
        for location in sources {
            let first = labelled.photos.len();
            let source = labelled.sources.len();
            let list = if location.is_file() { location.clone() } else { location.join(IDENTITY_LIST) };
            let source_name = if location.is_file() { name_of(location) } else { whole_name_of(location) };
            labelled.sources.push(source_name);
            let FoundPhotos { photos, mut skipped } = if list.is_file() {
                labelled.identities_from = Some("an identity list");
                FoundPhotos { photos: listed_photos(&list)?, skipped: Vec::new() }
            } else {
                photos_in_folders(location)?
            };
            labelled.skipped.append(&mut skipped);
            for FoundPhoto { file, name, identity, group } in photos {
                if labelled.exclusions.has_photo(&name) {
                    labelled.excluded_photos.push(ExcludedPhoto { source, name });
                    continue;
                }
                let identity = identities.index(&format!("{source}/{identity}"));
                let group = group.map(|group| groups.index(&group));
                labelled.photos.push(LabelledPhoto { file, name: name.into(), source, identity, group });
            }
            if labelled.photos.len() < first + 2 {
                let expected =
                    "a folder with photos for each person, or a list with the columns path,identity";
                return Err(LabelError::NothingToCompare { location: location.clone(), expected });
            }
            labelled.add_pairs(first, impostor_pairs);
        }
        labelled.groups = groups.names;
        Ok(labelled)
    }

    /// Whether two photos are an impostor pair: of one source, of two persons, and not excluded.
    pub fn are_impostors(&self, a: usize, b: usize) -> bool {
        let (one, other) = (&self.photos[a], &self.photos[b]);
        one.source == other.source
            && one.identity != other.identity
            && !self.exclusions.has_pair(&one.name, &other.name)
    }

    /// The number of persons.
    pub fn persons(&self) -> usize {
        self.photos.iter().map(|photo| photo.identity).collect::<HashSet<_>>().len()
    }

    /// All genuine pairs of the photos, listed or not.
    pub fn all_genuine_pairs(&self) -> Vec<(usize, usize)> {
        let mut photos_of: HashMap<usize, Vec<usize>> = HashMap::new();
        for (at, photo) in self.photos.iter().enumerate() {
            photos_of.entry(photo.identity).or_default().push(at);
        }
        let mut pairs: Vec<_> = (photos_of.values())
            .flat_map(|photos| {
                photos.iter().enumerate().flat_map(|(at, a)| photos[at + 1..].iter().map(|b| (*a, *b)))
            })
            .filter(|(a, b)| !self.exclusions.has_pair(&self.photos[*a].name, &self.photos[*b].name))
            .collect();
        pairs.sort_unstable();
        pairs
    }

    /// A description of each exclusion whose photo belongs to a source.
    pub(crate) fn described_exclusions(&self) -> Vec<DescribedExclusion> {
        let photos = self.photos.iter().map(|photo| (photo.source, &*photo.name));
        let excluded_photos = self.excluded_photos.iter().map(|photo| (photo.source, photo.name.as_str()));
        let sources: HashMap<_, _> =
            photos.chain(excluded_photos).map(|(source, name)| (name, source)).collect();
        let described = self.exclusions.entries.iter().filter_map(|entry| {
            let source = *sources.get(entry.path.as_str())?;
            let path = name_of(Path::new(&entry.path));
            let excluded = match &entry.with {
                Some(with) => format!("{path} with {}", name_of(Path::new(with))),
                None => path,
            };
            Some(DescribedExclusion { source, text: format!("{excluded}: {}", entry.reason) })
        });
        described.collect()
    }

    /// Determines the identities of the photos of a list of pairs.
    fn identify(&mut self, root: &Path) -> Result<(), LabelError> {
        let list = root.join(IDENTITY_LIST);
        let mut identities = Names::default();
        if list.is_file() {
            let mut groups = Names { numbers: HashMap::new(), names: std::mem::take(&mut self.groups) };
            groups.numbers = groups.names.iter().cloned().zip(0..).collect();
            let known: HashMap<_, _> =
                identity_rows(&list)?.into_iter().map(|row| (row.path.clone(), row)).collect();
            for photo in &mut self.photos {
                let Some(row) = known.get(&*photo.name) else {
                    let reason = format!("{} is missing, but is in the list of pairs", photo.name);
                    return Err(LabelError::Malformed { location: list, reason });
                };
                photo.identity = identities.index(&row.identity);
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

    /// Adds the pairs of the photos from index `first`: all genuine pairs, and all impostor pairs or `impostor_pairs`
    /// random ones.
    fn add_pairs(&mut self, first: usize, impostor_pairs: usize) {
        let pair = |a: usize, b: usize, same: bool| LabelledPair { a, b, same, fold: None, group: None };
        let genuine = self.all_genuine_pairs().into_iter().filter(|(a, _)| *a >= first);
        let mut pairs: Vec<_> = genuine.map(|(a, b)| pair(a, b, true)).collect();
        let count = self.photos.len() - first;
        let all = count * (count - 1) / 2;
        if all <= impostor_pairs {
            let each =
                (first..self.photos.len()).flat_map(|a| (a + 1..self.photos.len()).map(move |b| (a, b)));
            pairs.extend(each.filter(|(a, b)| self.are_impostors(*a, *b)).map(|(a, b)| pair(a, b, false)));
        } else {
            let mut random = StdRng::seed_from_u64(SEED);
            let mut drawn = HashSet::new();
            // The number of tries is limited, because a collection of one person's photos has no impostor pairs.
            for _ in 0..impostor_pairs.saturating_mul(8) {
                let (a, b) =
                    (random.random_range(first..first + count), random.random_range(first..first + count));
                let (a, b) = (a.min(b), a.max(b));
                if a != b && self.are_impostors(a, b) && drawn.insert((a, b)) {
                    pairs.push(pair(a, b, false));
                }
                if drawn.len() == impostor_pairs {
                    break;
                }
            }
        }
        for pair in &mut pairs {
            let (a, b) = (self.photos[pair.a].group, self.photos[pair.b].group);
            pair.group = a.filter(|_| a == b);
        }
        self.pairs.append(&mut pairs);
    }
}

/// Names in order of first use, each with its index.
#[derive(Default)]
struct Names {
    numbers: HashMap<String, usize>,
    names: Vec<String>,
}

impl Names {
    fn index(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), self.names.len() - 1);
        self.names.len() - 1
    }
}
