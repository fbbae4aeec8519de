//! Photos labelled with identities, and the pairs to compare.

mod pair_list;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::Serialize;

use crate::{
    exclusions::{Exclusion, Exclusions},
    label_error::LabelError,
    listing::{
        FoundPhoto, FoundPhotos, identity_list_in, listed_photos, name_of, photos_in_folders, whole_name_of,
    },
    photo_files::{canonical, originals},
    skipped::{SkipReason, SkippedFile},
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
    /// The files in folders of photos that are not read, and copies of photos.
    pub skipped: Vec<SkippedFile>,
    /// The photos that are compared although they have the same bytes as a photo with another label.
    pub copies: Vec<CopiedPhoto>,
    /// The photos that were excluded, or that are in excluded rows, when the sources were read.
    pub(crate) excluded_photos: Vec<ExcludedPhoto>,
}

/// A photo with the same bytes as another photo that has another label. One of the labels is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CopiedPhoto {
    /// Its file.
    pub path: String,
    /// The file of the other photo.
    pub copy_of: String,
}

/// A photo that is excluded, or of a row that is excluded.
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

/// Seed for sampling impostor pairs: the same photos give the same pairs.
const SEED: u64 = 20_260_101;

impl Labelled {
    /// Reads sources: folders with a folder for each person, or lists of `path`, `identity` and optionally `group` with
    /// paths below the list's folder. A folder may have such a list as `identity.csv`.
    ///
    /// All genuine pairs are compared, and up to `impostor_pairs` random impostor pairs of each source.
    ///
    /// # Errors
    ///
    /// [`LabelError`] when a source cannot be read, is malformed, is given twice, lists a file that does not exist, or
    /// has fewer than two photos.
    pub fn from_identities(
        sources: &[PathBuf],
        impostor_pairs: usize,
        exclusions: Exclusions,
    ) -> Result<Self, LabelError> {
        let mut labelled = Self { exclusions, identities_from: Some("folder names"), ..Self::default() };
        let (mut identities, mut groups) = (Names::default(), Names::default());
        let mut locations = HashSet::new();
        for location in sources {
            if !locations.insert(canonical(location)) {
                let reason = "this source is given twice".to_owned();
                return Err(LabelError::Malformed { location: location.clone(), reason });
            }
            let first = labelled.photos.len();
            let source = labelled.sources.len();
            let photos = labelled.read_source(location)?;
            for FoundPhoto { file, name, identity, group } in photos {
                let identity = identities.index(&format!("{source}/{identity}"));
                let group = group.map(|group| groups.index(&group));
                labelled.photos.push(LabelledPhoto { file, name: name.into(), source, identity, group });
            }
            labelled.leave_out_copies(first);
            if labelled.photos.len() < first + 2 {
                let expected =
                    "a folder with photos for each person, or a list with the columns path,identity";
                let skipped = std::mem::take(&mut labelled.skipped);
                return Err(LabelError::NothingToCompare { location: location.clone(), expected, skipped });
            }
            labelled.add_pairs(first, impostor_pairs);
        }
        labelled.groups = groups.names;
        Ok(labelled)
    }

    /// The photos of a source that are not excluded.
    fn read_source(&mut self, location: &Path) -> Result<Vec<FoundPhoto>, LabelError> {
        let source = self.sources.len();
        let is_list = location.is_file();
        self.sources.push(if is_list { name_of(location) } else { whole_name_of(location) });
        let list = if is_list { Some(location.to_owned()) } else { identity_list_in(location) };
        let FoundPhotos { mut photos, mut skipped } = if let Some(list) = list {
            self.identities_from = Some("an identity list");
            FoundPhotos { photos: listed_photos(&list, &self.exclusions)?, skipped: Vec::new() }
        } else {
            photos_in_folders(location)?
        };
        self.skipped.append(&mut skipped);
        photos.retain(|photo| {
            let is_excluded = self.exclusions.has_photo(&photo.name);
            if is_excluded {
                self.excluded_photos.push(ExcludedPhoto { source, name: photo.name.clone() });
            }
            !is_excluded
        });
        Ok(photos)
    }

    /// Leaves out copies of a photo of the same person among the photos from index `first`, whose pairs would always
    /// match. Copies of another person's photo remain, and are recorded: which of the labels is wrong is not known.
    fn leave_out_copies(&mut self, first: usize) {
        let photos = self.photos.split_off(first);
        let files: Vec<_> = photos.iter().map(|photo| &*photo.file).collect();
        let originals = originals(&files);
        let mut seen = HashSet::new();
        for (at, photo) in photos.iter().enumerate() {
            let original = &photos[originals[at]];
            if !seen.insert((originals[at], photo.identity)) {
                let path = photo.file.display().to_string();
                self.skipped.push(SkippedFile { path, reason: SkipReason::Copy });
                continue;
            }
            self.record_copy(photo, original);
            self.photos.push(photo.clone());
        }
    }

    /// Records a photo with the bytes of another one, unless they are the same, or an excluded pair.
    fn record_copy(&mut self, photo: &LabelledPhoto, original: &LabelledPhoto) {
        let is_pair = photo.file != original.file;
        if is_pair && !self.exclusions.has_pair(&photo.name, &original.name) {
            let [path, copy_of] = [photo, original].map(|photo| photo.file.display().to_string());
            self.copies.push(CopiedPhoto { path, copy_of });
        }
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

    /// The exclusions of photos and pairs that are not among the labels: nothing was left out because of them.
    pub fn unmatched_exclusions(&self) -> Vec<&Exclusion> {
        self.exclusions_by_source().filter(|(_, source)| source.is_none()).map(|(entry, _)| entry).collect()
    }

    /// The exclusions of photos and pairs that are among the labels.
    pub(crate) fn matched_exclusions(&self) -> Vec<Exclusion> {
        let matched = self.exclusions_by_source().filter(|(_, source)| source.is_some());
        matched.map(|(entry, _)| entry.clone()).collect()
    }

    /// A description of each exclusion of a photo or pair that is among the labels.
    pub(crate) fn described_exclusions(&self) -> Vec<DescribedExclusion> {
        let described = self.exclusions_by_source().filter_map(|(entry, source)| {
            let path = name_of(Path::new(&entry.path));
            let excluded = match &entry.with {
                Some(with) => format!("{path} with {}", name_of(Path::new(with))),
                None => path,
            };
            Some(DescribedExclusion { source: source?, text: format!("{excluded}: {}", entry.reason) })
        });
        described.collect()
    }

    /// All exclusions, each with the source that has its photos, if there is one.
    fn exclusions_by_source(&self) -> impl Iterator<Item = (&Exclusion, Option<usize>)> {
        let photos = self.photos.iter().map(|photo| (photo.source, &*photo.name));
        let excluded_photos = self.excluded_photos.iter().map(|photo| (photo.source, photo.name.as_str()));
        let known: HashSet<_> = photos.chain(excluded_photos).collect();
        self.exclusions.entries.iter().map(move |entry| {
            let has = |source: usize, name: &str| known.contains(&(source, name));
            let has_all = |source: &usize| {
                has(*source, &entry.path) && entry.with.as_ref().is_none_or(|with| has(*source, with))
            };
            (entry, (0..self.sources.len()).find(has_all))
        })
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
