//! Photos with the names of who is on them, and the pairs that are to be compared.

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
    left_out::LeftOut,
    listing::{IdentityRow, LabelError, listed_photos, name_of, photos_in_folders, rows},
};

/// Labelled photos. Photos of one source are compared with each other, and with those of no other source.
#[derive(Debug, Default)]
pub struct Labelled {
    /// Every photo once.
    pub photos: Vec<LabelledPhoto>,
    /// The pairs that were listed, or drawn.
    pub pairs: Vec<LabelledPair>,
    /// The names of the sources.
    pub sources: Vec<String>,
    /// The names of the groups of people.
    pub groups: Vec<String>,
    /// Where the identities come from; `None` when only the listed pairs tell who is whom.
    pub identities_from: Option<&'static str>,
    /// The photos and pairs that were left out because their labels are known to be wrong.
    pub left_out: LeftOut,
    /// Source and name of the photos among them.
    pub(crate) left_out_photos: Vec<(usize, String)>,
}

/// A photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledPhoto {
    /// Where it is.
    pub file: PathBuf,
    /// How the list calls it.
    pub name: Arc<str>,
    /// Its source, as an index.
    pub source: usize,
    /// Who is on it, as a number that no other source has. Where identities are not known, photos that a genuine pair
    /// joins have the same.
    pub identity: usize,
    /// The group of people, as an index.
    pub group: Option<usize>,
}

/// Two photos, as indices, and whether they show the same person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelledPair {
    /// The one.
    pub a: usize,
    /// The other.
    pub b: usize,
    /// Whether they show one person: a genuine pair. Else it is an impostor pair.
    pub same: bool,
    /// The part of a cross-validation that it belongs to.
    pub fold: Option<usize>,
    /// The group of people, as an index.
    pub group: Option<usize>,
}

/// The file in a folder that says who is on which photo.
const IDENTITY_LIST: &str = "identity.csv";
/// Impostor pairs are drawn; the same photos give the same pairs.
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
    /// Reads a list of pairs: columns `path_a`, `path_b`, `same` (1 or 0), and optionally `fold` and `group`. Paths are
    /// below `root`.
    ///
    /// Who is on a photo is told by `root/identity.csv` (`path`, `identity` and optionally `group`), or by the photo's
    /// folder where that agrees with every pair of the list.
    pub fn from_pairs(list: &Path, root: &Path, left_out: LeftOut) -> Result<Self, LabelError> {
        let mut labelled = Self { sources: vec![name_of(list)], left_out, ..Self::default() };
        let mut photos = Names::default();
        let (mut folds, mut groups) = (Names::default(), Names::default());
        for (line, row) in rows::<PairRow>(list)? {
            if labelled.left_out.has_pair(&row.path_a, &row.path_b) {
                continue;
            }
            let same = match row.same.trim() {
                "1" | "true" => true,
                "0" | "false" => false,
                other => {
                    let reason = format!("line {line}: same is {other:?}, and must be 1 or 0");
                    return Err(LabelError::Malformed { place: list.into(), reason });
                }
            };
            let [a, b] = [&row.path_a, &row.path_b].map(|name| photos.index(name));
            let fold = row.fold.filter(|fold| !fold.is_empty()).map(|fold| folds.index(&fold));
            let group = row.group.filter(|group| !group.is_empty()).map(|group| groups.index(&group));
            labelled.pairs.push(LabelledPair { a, b, same, fold, group });
        }
        if labelled.pairs.is_empty() {
            let wanted = "a row is path_a, path_b, same";
            return Err(LabelError::Nothing { place: list.into(), wanted });
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

    /// Reads folders in which each person has a folder, or lists of `path`, `identity` and optionally `group`, whose paths
    /// are below the list's own folder. A folder may hold such a list as `identity.csv`. Each is a source.
    ///
    /// All genuine pairs are compared, and so many impostor pairs of each source, drawn from all.
    pub fn from_identities(
        sources: &[PathBuf],
        impostor_pairs: usize,
        left_out: LeftOut,
    ) -> Result<Self, LabelError> {
        let mut labelled = Self { left_out, identities_from: Some("folder names"), ..Self::default() };
        let (mut identities, mut groups) = (Names::default(), Names::default());
        for place in sources {
            let first = labelled.photos.len();
            let source = labelled.sources.len();
            labelled.sources.push(name_of(place));
            let listed = place.join(IDENTITY_LIST);
            let found = if place.is_file() {
                labelled.identities_from = Some("an identity list");
                listed_photos(place)?
            } else if listed.is_file() {
                labelled.identities_from = Some("an identity list");
                listed_photos(&listed)?
            } else {
                photos_in_folders(place)?
            };
            for (file, name, identity, group) in found {
                if labelled.left_out.has_photo(&name) {
                    labelled.left_out_photos.push((source, name));
                    continue;
                }
                let identity = identities.index(&format!("{source}/{identity}"));
                let group = group.map(|group| groups.index(&group));
                labelled.photos.push(LabelledPhoto { file, name: name.into(), source, identity, group });
            }
            if labelled.photos.len() < first + 2 {
                let wanted = "a folder for each person with photos in it, or a list path,identity";
                return Err(LabelError::Nothing { place: place.clone(), wanted });
            }
            labelled.draw_pairs(first, impostor_pairs);
        }
        labelled.groups = groups.names;
        Ok(labelled)
    }

    /// Whether two photos may be compared as an impostor pair: of one source, of two persons, and not known as wrong.
    pub fn are_impostors(&self, a: usize, b: usize) -> bool {
        let (one, other) = (&self.photos[a], &self.photos[b]);
        one.source == other.source
            && one.identity != other.identity
            && !self.left_out.has_pair(&one.name, &other.name)
    }

    /// How many persons there are.
    pub fn persons(&self) -> usize {
        self.photos.iter().map(|photo| photo.identity).collect::<HashSet<_>>().len()
    }

    /// All pairs of photos of one person, listed or not.
    pub fn all_genuine_pairs(&self) -> Vec<(usize, usize)> {
        let mut photos_of: HashMap<usize, Vec<usize>> = HashMap::new();
        for (at, photo) in self.photos.iter().enumerate() {
            photos_of.entry(photo.identity).or_default().push(at);
        }
        let mut pairs: Vec<_> = (photos_of.values())
            .flat_map(|photos| {
                photos.iter().enumerate().flat_map(|(at, a)| photos[at + 1..].iter().map(|b| (*a, *b)))
            })
            .filter(|(a, b)| !self.left_out.has_pair(&self.photos[*a].name, &self.photos[*b].name))
            .collect();
        pairs.sort_unstable();
        pairs
    }

    /// What was left out, in words, each with its source.
    pub fn left_out_by_source(&self) -> Vec<(usize, String)> {
        let photos = self.photos.iter().map(|photo| (photo.source, &*photo.name));
        let left_out = self.left_out_photos.iter().map(|(source, name)| (*source, name.as_str()));
        let sources: HashMap<_, _> = photos.chain(left_out).map(|(source, name)| (name, source)).collect();
        let described = self.left_out.entries.iter().filter_map(|entry| {
            let source = *sources.get(entry.path.as_str())?;
            let path = name_of(Path::new(&entry.path));
            let what = match &entry.with {
                Some(with) => format!("{path} with {}", name_of(Path::new(with))),
                None => path,
            };
            Some((source, format!("{what}: {}", entry.reason)))
        });
        described.collect()
    }

    /// Finds out who is on the photos of a list of pairs.
    fn identify(&mut self, root: &Path) -> Result<(), LabelError> {
        let list = root.join(IDENTITY_LIST);
        let mut identities = Names::default();
        if list.is_file() {
            let mut groups = Names { numbers: HashMap::new(), names: std::mem::take(&mut self.groups) };
            groups.numbers = groups.names.iter().cloned().zip(0..).collect();
            let known: HashMap<_, _> =
                rows::<IdentityRow>(&list)?.into_iter().map(|(_, row)| (row.path.clone(), row)).collect();
            for photo in &mut self.photos {
                let Some(row) = known.get(&*photo.name) else {
                    let reason = format!("{} of the list of pairs is not in it", photo.name);
                    return Err(LabelError::Malformed { place: list, reason });
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
            self.join_by_pairs();
        }
        Ok(())
    }

    /// Photos that genuine pairs join are of one person; that others are of another is not known beyond the list.
    fn join_by_pairs(&mut self) {
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

    /// All genuine pairs of the photos from `first` on, and impostor pairs: all, or so many drawn evenly.
    fn draw_pairs(&mut self, first: usize, impostor_pairs: usize) {
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
            // A collection of one person's photos has no impostors; it is not looked for them for ever.
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

/// Names in the order in which they came, each with its index.
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
