//! Finds out whether comparing faces otherwise than by their cosine pays: without the centre of their population, or beside
//! the cosines with a cohort.
//!
//! Persons are divided into halves. The centre is the mean of the one half, the cohort has one photo of each of its persons or
//! is of other people, and the transformation with the fewest missed genuine pairs of that half is chosen. The other half
//! tells what it changes. It is taken if
//!
//! 1. fewer genuine pairs are missed in both halves, at the pass mark that the rules of the scale give with and without it,
//! 2. and in the other half no group's false match rate at that pass mark rises: not above the interval of the rate without
//!    it, and not so that the interval of the difference is above zero.

mod candidate;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};

use padan_domain::{Embedding, ScoreTransformation};
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
    scored_pair::{Face, ScoredPair, score_pairs},
    transformation::candidate::{Candidate, candidates},
};

pub use self::candidate::CohortSource;

/// What was found out.
#[derive(Debug, Clone, PartialEq)]
pub struct TransformationSearch {
    /// The transformations that were tried, with the share of genuine pairs that each misses in the half that chooses.
    pub tried: Vec<(String, f64)>,
    /// What the best of them changes among the persons of the other half; `None` if there are too few of them to tell.
    pub check: Option<TransformationCheck>,
    /// Why there is no transformation; `None` if it is taken.
    pub refused: Option<NoTransformation>,
    /// The transformation, if it is taken. A cohort has no id until it is sealed.
    pub taken: Option<CalibrationTransformation>,
    /// What `taken` does.
    pub transformation: ScoreTransformation,
    /// The people of the cohort of `taken`.
    pub cohort: Vec<Embedding>,
}

/// Why faces are compared as they are.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NoTransformation {
    /// A centre would tell too much about one person, and fewer people are no cohort.
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
    #[error("half of the persons have too few pairs to tell what a transformation changes")]
    TooFewPairs,
    /// It does not lower the misses.
    #[error("no transformation was taken: the best one does not lower the share of missed genuine pairs")]
    MissesDoNotFall,
    /// A group has more false matches.
    #[error("no transformation was taken: the best one raises the false match rate of {0}")]
    RaisesGroup(String),
    /// The mean is that of equal faces, and there is no cohort.
    #[error("there is no centre: {0}")]
    NoCentre(String),
}

/// The false match rate from which on a person of the cohort counts as the compared one.
const SAME_PERSON_FMR: f64 = 1e-6;
/// The seed of the halves.
const SEED: u64 = 1;

/// Looks for a transformation among labelled photos: for a centre, and, with a cohort, for a score that uses it.
pub fn find_transformation(
    labelled: &Labelled,
    measured: &Measured,
    cohort: Option<&CohortSource>,
) -> TransformationSearch {
    let embeddings: Vec<_> = measured.outcomes.iter().map(Outcome::embedding).collect();
    let halves = Halves::of(labelled, &embeddings);
    let needed = 2 * CalibrationCentre::MIN_PERSONS as usize;
    if halves.persons() < needed {
        return refused(NoTransformation::TooFewPersons { found: halves.persons(), needed });
    }
    let compared = |transformation: &ScoreTransformation, half: &HashSet<usize>| {
        let measured = measured.under(transformation);
        Compared::of(labelled, &measured.outcomes.iter().map(Outcome::face).collect::<Vec<_>>(), half)
    };
    let plain = ScoreTransformation::None;
    let (Some(made_before), Some(before)) =
        (compared(&plain, &halves.first), compared(&plain, &halves.second))
    else {
        return refused(NoTransformation::TooFewPairs);
    };
    let (candidates, no_centre) =
        candidates(labelled, &embeddings, &halves.first, made_before.same_person, cohort);
    let misses = |candidate: &Candidate| {
        compared(&candidate.transformation(), &halves.first).map_or(1.0, |compared| compared.fnmr())
    };
    let tried: Vec<_> =
        candidates.iter().map(|candidate| (candidate.name.clone(), misses(candidate))).collect();
    let best = candidates.into_iter().zip(&tried).min_by(|(_, (_, a)), (_, (_, b))| a.total_cmp(b));
    let Some((best, (_, made_after))) = best else {
        return refused(NoTransformation::NoCentre(no_centre.unwrap_or_default()));
    };
    let Some(after) = compared(&best.transformation(), &halves.second) else {
        return refused(NoTransformation::TooFewPairs);
    };
    let check = check(labelled, &halves.second, &embeddings, &before, &after);
    let falls = check.fnmr.after.value < check.fnmr.before.value && *made_after < made_before.fnmr();
    let raised = check.groups.iter().find(|group| rises(&group.fmr)).map(|group| group.name.clone());
    let why = match raised {
        Some(name) => Some(NoTransformation::RaisesGroup(name)),
        None if !falls => Some(NoTransformation::MissesDoNotFall),
        None => None,
    };
    let search =
        TransformationSearch { tried, check: Some(check.clone()), ..refused(NoTransformation::TooFewPairs) };
    if why.is_some() {
        return TransformationSearch { refused: why, ..search };
    }
    let taken = Some(best.table(halves.first.len() as u64, check));
    let transformation = best.transformation();
    TransformationSearch { refused: None, taken, transformation, cohort: best.people, ..search }
}

fn refused(why: NoTransformation) -> TransformationSearch {
    let (transformation, cohort) = (ScoreTransformation::None, Vec::new());
    TransformationSearch {
        tried: Vec::new(),
        check: None,
        refused: Some(why),
        taken: None,
        transformation,
        cohort,
    }
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

/// The pairs of some persons, and the pass mark that the rules of the scale give for them.
struct Compared {
    genuine: Vec<ScoredPair>,
    groups: Vec<ComparedGroup>,
    pass_mark: f64,
    /// The cosine that 1 in 1,000,000 impostor pairs reach.
    same_person: f64,
}

struct ComparedGroup {
    number: usize,
    persons: usize,
    pairs: CrossPairs,
}

impl Compared {
    fn of(labelled: &Labelled, faces: &[Option<Face>], half: &HashSet<usize>) -> Option<Self> {
        let in_half = |at: usize| half.contains(&labelled.photos[at].identity);
        let pooled = CrossPairs::compute(labelled, faces, in_half);
        let genuine: Vec<_> = labelled.all_genuine_pairs().into_iter().filter(|(a, _)| in_half(*a)).collect();
        if genuine.is_empty() || (pooled.total() as f64) < MIN_PAIRS_AT_THRESHOLD / POOLED_FMR {
            return None;
        }
        let genuine = score_pairs(faces, genuine);
        let group = |number: usize| {
            let belongs = |at: usize| in_half(at) && labelled.photos[at].group == Some(number);
            let persons: HashSet<_> = (0..labelled.photos.len())
                .filter(|at| belongs(*at) && faces[*at].is_some())
                .map(|at| labelled.photos[at].identity)
                .collect();
            let pairs = CrossPairs::compute(labelled, faces, belongs);
            ComparedGroup { number, persons: persons.len(), pairs }
        };
        let groups: Vec<_> = (0..labelled.groups.len()).map(group).collect();
        let curve = FmrCurve::new(&pooled, MIN_PAIRS_AT_THRESHOLD);
        let large = groups.iter().filter(|group| is_large_enough(group.persons, &group.pairs));
        let pass_mark =
            pass_mark(&curve, large.filter_map(|group| group.pairs.cosine_at(WORST_GROUP_FMR))).cosine;
        let same_person = curve.cosine(SAME_PERSON_FMR).clamp(0.0, 1.0);
        Some(Self { genuine, groups, pass_mark, same_person })
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
