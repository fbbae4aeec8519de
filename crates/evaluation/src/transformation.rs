//! Finds out whether comparing faces without the centre of their population pays.
//!
//! Persons are divided into halves. The centre is the mean of the one half; the other half tells what it changes. It is taken
//! if
//!
//! 1. fewer genuine pairs are missed in both halves, at the pass mark that the rules of the scale give with and without it,
//! 2. and in the other half no group's false match rate at that pass mark rises: not above the interval of the rate without
//!    it, and not so that the interval of the difference is above zero.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};

use padan_domain::{Centre, Embedding};
use padan_inference::{
    BeforeAndAfter, CalibrationCentre, CalibrationTransformation, GroupCheck, TransformationCheck,
};
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use crate::{
    bootstrap::Bootstrap,
    cross_pairs::CrossPairs,
    fmr_curve::FmrCurve,
    labelled::Labelled,
    measured::{Measured, Outcome},
    scale::{
        MIN_GROUP_PERSONS, MIN_PAIRS_AT_THRESHOLD, POOLED_FMR, WORST_GROUP_FMR, is_large_enough, pass_mark,
        round_interval, round_rate,
    },
    scored_pair::{ScoredPair, score_pairs},
};

/// What was found out.
#[derive(Debug, Clone, PartialEq)]
pub struct TransformationSearch {
    /// What the centre changes among the persons who did not make it; `None` if there are too few of them to tell.
    pub check: Option<TransformationCheck>,
    /// Why there is no transformation; `None` if the centre is taken.
    pub refused: Option<NoTransformation>,
    /// The transformation, if it is taken.
    pub taken: Option<CalibrationTransformation>,
}

/// Why faces are compared as they are.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NoTransformation {
    /// A centre would tell too much about one person.
    #[error(
        "photos of {found} persons are too few to look for a centre: it needs {needed}, half of them to report on"
    )]
    TooFewPersons {
        /// Persons with an embedding.
        found: usize,
        /// How many are needed.
        needed: usize,
    },
    /// A half has too few pairs for a pass mark, or none of one person.
    #[error("half of the persons have too few pairs to tell what a centre changes")]
    TooFewPairs,
    /// It does not lower the misses.
    #[error("a centre was not taken: it does not lower the share of missed genuine pairs")]
    MissesDoNotFall,
    /// A group has more false matches.
    #[error("a centre was not taken: it raises the false match rate of {0}")]
    RaisesGroup(String),
    /// The mean is that of equal faces.
    #[error("a centre was not taken: {0}")]
    NoCentre(String),
}

/// The seed of the halves.
const SEED: u64 = 1;

/// Looks for a transformation among labelled photos.
pub fn find_transformation(labelled: &Labelled, measured: &Measured) -> TransformationSearch {
    let refused = |why| TransformationSearch { check: None, refused: Some(why), taken: None };
    let embeddings: Vec<_> = measured.outcomes.iter().map(Outcome::embedding).collect();
    let halves = Halves::of(labelled, &embeddings);
    let needed = 2 * CalibrationCentre::MIN_PERSONS as usize;
    if halves.persons() < needed {
        return refused(NoTransformation::TooFewPersons { found: halves.persons(), needed });
    }
    let components = mean(labelled, &embeddings, &halves.first);
    let centre = match Centre::new(components.clone()) {
        Ok(centre) => centre,
        Err(error) => return refused(NoTransformation::NoCentre(error.to_string())),
    };
    let centred = without_centre(&embeddings, &centre);
    let compared = |half: &HashSet<usize>| {
        let before = Compared::of(labelled, &embeddings, half)?;
        let after = Compared::of(labelled, &centred.iter().map(Option::as_ref).collect::<Vec<_>>(), half)?;
        Some((before, after))
    };
    let (Some((before, after)), Some((made_before, made_after))) =
        (compared(&halves.second), compared(&halves.first))
    else {
        return refused(NoTransformation::TooFewPairs);
    };
    let check = check(labelled, &halves.second, &embeddings, &before, &after);
    let falls = check.fnmr.after.value < check.fnmr.before.value && made_after.fnmr() < made_before.fnmr();
    let raised = check.groups.iter().find(|group| rises(&group.fmr)).map(|group| group.name.clone());
    let why = match raised {
        Some(name) => Some(NoTransformation::RaisesGroup(name)),
        None if !falls => Some(NoTransformation::MissesDoNotFall),
        None => None,
    };
    let taken = why.is_none().then(|| {
        let persons = halves.first.len() as u64;
        CalibrationTransformation::Centre(CalibrationCentre { persons, components, check: check.clone() })
    });
    TransformationSearch { check: Some(check), refused: why, taken }
}

/// The persons in two halves, each with as many persons of each source and group as the other.
struct Halves {
    first: HashSet<usize>,
    second: HashSet<usize>,
}

impl Halves {
    fn of(labelled: &Labelled, embeddings: &[Option<&Embedding>]) -> Self {
        let mut persons: BTreeMap<usize, (usize, Option<usize>)> = BTreeMap::new();
        for (photo, _) in labelled.photos.iter().zip(embeddings).filter(|(_, embedding)| embedding.is_some())
        {
            persons.entry(photo.identity).or_insert((photo.source, photo.group));
        }
        let mut persons: Vec<_> = persons.into_iter().collect();
        persons.shuffle(&mut StdRng::seed_from_u64(SEED));
        persons.sort_by_key(|(_, stratum)| *stratum);
        let half = |parity: usize| {
            let alternate = persons.iter().skip(parity).step_by(2);
            alternate.map(|(identity, _)| *identity).collect()
        };
        Self { first: half(0), second: half(1) }
    }

    fn persons(&self) -> usize {
        self.first.len() + self.second.len()
    }
}

/// The mean of one embedding of each person, to seven decimals: as exact as an embedding.
fn mean(labelled: &Labelled, embeddings: &[Option<&Embedding>], persons: &HashSet<usize>) -> Vec<f64> {
    let mut seen = HashSet::new();
    let mut sum: Vec<f64> = Vec::new();
    for (photo, embedding) in labelled.photos.iter().zip(embeddings) {
        let Some(embedding) = embedding.filter(|_| persons.contains(&photo.identity)) else { continue };
        if seen.insert(photo.identity) {
            sum.resize(embedding.as_slice().len(), 0.0);
            for (sum, value) in sum.iter_mut().zip(embedding.as_slice()) {
                *sum += f64::from(*value);
            }
        }
    }
    let count = seen.len().max(1) as f64;
    sum.into_iter().map(|sum| (sum / count * 1e7).round() / 1e7).collect()
}

/// Every embedding without the centre.
fn without_centre(embeddings: &[Option<&Embedding>], centre: &Centre) -> Vec<Option<Embedding>> {
    embeddings.iter().map(|embedding| embedding.and_then(|it| centre.remove_from(it).ok())).collect()
}

/// The pairs of some persons, and the pass mark that the rules of the scale give for them.
struct Compared {
    genuine: Vec<ScoredPair>,
    groups: Vec<ComparedGroup>,
    pass_mark: f64,
}

struct ComparedGroup {
    number: usize,
    persons: usize,
    pairs: CrossPairs,
}

impl Compared {
    fn of(labelled: &Labelled, embeddings: &[Option<&Embedding>], half: &HashSet<usize>) -> Option<Self> {
        let in_half = |at: usize| half.contains(&labelled.photos[at].identity);
        let pooled = CrossPairs::compute(labelled, embeddings, in_half);
        let genuine: Vec<_> = labelled.all_genuine_pairs().into_iter().filter(|(a, _)| in_half(*a)).collect();
        if genuine.is_empty() || (pooled.total() as f64) < MIN_PAIRS_AT_THRESHOLD / POOLED_FMR {
            return None;
        }
        let genuine = score_pairs(embeddings, genuine);
        let group = |number: usize| {
            let belongs = |at: usize| in_half(at) && labelled.photos[at].group == Some(number);
            let persons: HashSet<_> = (0..labelled.photos.len())
                .filter(|at| belongs(*at) && embeddings[*at].is_some())
                .map(|at| labelled.photos[at].identity)
                .collect();
            let pairs = CrossPairs::compute(labelled, embeddings, belongs);
            ComparedGroup { number, persons: persons.len(), pairs }
        };
        let groups: Vec<_> = (0..labelled.groups.len()).map(group).collect();
        let curve = FmrCurve::new(&pooled, MIN_PAIRS_AT_THRESHOLD);
        let large = groups.iter().filter(|group| is_large_enough(group.persons, &group.pairs));
        let pass_mark =
            pass_mark(&curve, large.filter_map(|group| group.pairs.cosine_at(WORST_GROUP_FMR))).cosine;
        Some(Self { genuine, groups, pass_mark })
    }

    fn fnmr(&self) -> f64 {
        let missed = self.genuine.iter().filter(|pair| pair.cosine < self.pass_mark).count();
        missed as f64 / self.genuine.len().max(1) as f64
    }
}

fn check(
    labelled: &Labelled,
    half: &HashSet<usize>,
    embeddings: &[Option<&Embedding>],
    before: &Compared,
    after: &Compared,
) -> TransformationCheck {
    let in_half = |at: usize| embeddings[at].is_some() && half.contains(&labelled.photos[at].identity);
    let marks = [before.pass_mark, after.pass_mark];
    let fnmr = Bootstrap::new(labelled, in_half).fnmr_change([&before.genuine, &after.genuine], marks);
    let group = |(before, after): (&ComparedGroup, &ComparedGroup)| {
        let belongs = |at: usize| in_half(at) && labelled.photos[at].group == Some(before.number);
        let fmr = Bootstrap::new(labelled, belongs).fmr_change([&before.pairs, &after.pairs], marks);
        GroupCheck {
            name: labelled.groups[before.number].clone(),
            persons: before.persons,
            fmr: rounded(fmr),
        }
    };
    let groups = before.groups.iter().zip(&after.groups);
    TransformationCheck {
        persons: half.len(),
        fnmr: rounded(fnmr),
        groups: groups.filter(|(group, _)| group.persons >= MIN_GROUP_PERSONS).map(group).collect(),
    }
}

/// Whether a false match rate rises beyond its interval.
fn rises(fmr: &BeforeAndAfter) -> bool {
    fmr.after.value > fmr.before.high || fmr.change[0] > 0.0
}

fn rounded(rates: BeforeAndAfter) -> BeforeAndAfter {
    let signed = |change: f64| round_rate(change.abs()).copysign(change);
    BeforeAndAfter {
        change: rates.change.map(signed),
        before: round_interval(rates.before),
        after: round_interval(rates.after),
    }
}
