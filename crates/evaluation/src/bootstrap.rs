//! Confidence intervals from a bootstrap over persons.
//!
//! Pairs that share a person are not independent. Therefore persons are resampled with replacement, and not pairs. The
//! weight of a person is how often it was drawn; the weight of a pair is the product of the weights of its two persons.
//!
//! If all resamples have the same rate, as without any error, the interval is the exact one of so many persons, or of so
//! many pairs of persons of which no two share one.

use std::collections::HashMap;

use padan_inference::{BeforeAndAfter, Rate};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use rayon::prelude::*;

use crate::{
    cross_pairs::CrossPairs, exact_interval, labelled::Labelled, metrics::quantile, scored_pair::ScoredPair,
};

/// Number of resamples for an interval.
pub(crate) const REPLICATES: u64 = 1000;

/// The persons to resample, with their photos.
pub(crate) struct Bootstrap<'a> {
    labelled: &'a Labelled,
    /// The included photos of each identity.
    photos: HashMap<usize, PersonPhotos>,
    persons: usize,
}

/// The included photos of one person.
struct PersonPhotos {
    count: f64,
    source: usize,
}

/// How often each person was drawn.
type Weights = Vec<f64>;

/// The cosines of one person's genuine pairs, in increasing order. The time of a resample then depends on the number of
/// persons and not of pairs.
struct PersonCosines {
    identity: usize,
    cosines: Vec<f64>,
}

impl<'a> Bootstrap<'a> {
    /// Includes the photos whose index satisfies `is_included`.
    pub(crate) fn new(labelled: &'a Labelled, is_included: impl Fn(usize) -> bool) -> Self {
        let mut photos: HashMap<usize, PersonPhotos> = HashMap::new();
        for (_, photo) in labelled.photos.iter().enumerate().filter(|(at, _)| is_included(*at)) {
            let first = PersonPhotos { count: 0.0, source: photo.source };
            photos.entry(photo.identity).or_insert(first).count += 1.0;
        }
        let persons = labelled.photos.iter().map(|photo| photo.identity + 1).max().unwrap_or(0);
        Self { labelled, photos, persons }
    }

    /// The share of genuine pairs whose cosine is below a threshold.
    pub(crate) fn fnmr(&self, genuine: &[ScoredPair], threshold: f64) -> Rate {
        let genuine = self.by_person(genuine);
        self.rate(genuine.len() as u64, |weights| share_below(&genuine, threshold, weights))
    }

    /// The share of impostor pairs whose cosine reaches a threshold.
    pub(crate) fn fmr(&self, cross: &CrossPairs, threshold: f64) -> Rate {
        let reaching = cross.tail().partition_point(|pair| f64::from(pair.cosine) >= threshold);
        if cross.tail().len() as u64 != cross.total() && reaching == cross.tail().len() {
            // The tail does not contain all pairs that reach the threshold, so that none can be resampled.
            return exact(cross.fmr(threshold), self.disjoint_pairs());
        }
        self.rate(self.disjoint_pairs(), |weights| {
            let matched = cross.tail()[..reaching].iter();
            let matched = matched.fold(0.0, |sum, pair| sum + self.weight(weights, pair.a, pair.b));
            share(matched, self.impostor_weight(weights))
        })
    }

    /// The false non-match rate at the threshold of a false match rate. Each resample determines its own
    /// threshold; `cosine` is the threshold of all pairs.
    pub(crate) fn fnmr_at_fmr(
        &self,
        genuine: &[ScoredPair],
        cross: &CrossPairs,
        fmr: f64,
        cosine: f64,
    ) -> Rate {
        let genuine = self.by_person(genuine);
        let tail = cross.tail();
        let fnmr = |weights: &Weights| {
            let max_weight = fmr * self.impostor_weight(weights);
            let mut reached = 0.0;
            let first_below = tail.iter().find(|pair| {
                reached += self.weight(weights, pair.a, pair.b);
                reached > max_weight
            });
            share_below(&genuine, first_below.map_or(cosine, |pair| f64::from(pair.cosine)), weights)
        };
        let value = share_below(&genuine, cosine, &vec![1.0; self.persons]);
        self.interval(value, genuine.len() as u64, fnmr)
    }

    /// How the share of genuine pairs below a threshold changes from one scale to another, each with its own cosines of the
    /// same pairs and its own threshold.
    pub(crate) fn fnmr_change(&self, genuine: [&[ScoredPair]; 2], thresholds: [f64; 2]) -> BeforeAndAfter {
        let genuine = genuine.map(|pairs| self.by_person(pairs));
        let units = genuine[0].len() as u64;
        self.change(units, |scale, weights| share_below(&genuine[scale], thresholds[scale], weights))
    }

    /// How the share of impostor pairs that reach a threshold changes from one scale to another.
    pub(crate) fn fmr_change(&self, pairs: [&CrossPairs; 2], thresholds: [f64; 2]) -> BeforeAndAfter {
        let reaching = [0, 1].map(|scale| {
            pairs[scale].tail().partition_point(|pair| f64::from(pair.cosine) >= thresholds[scale])
        });
        self.change(self.disjoint_pairs(), |scale, weights| {
            let matched = pairs[scale].tail()[..reaching[scale]].iter();
            let matched = matched.fold(0.0, |sum, pair| sum + self.weight(weights, pair.a, pair.b));
            share(matched, self.impostor_weight(weights))
        })
    }

    /// A rate of two scales, which `rate_of` numbers 0 and 1, and the interval of its change.
    fn change(&self, units: u64, rate_of: impl Fn(usize, &Weights) -> f64 + Sync) -> BeforeAndAfter {
        let [before, after] = [0, 1].map(|scale| self.rate(units, |weights| rate_of(scale, weights)));
        let difference = |seed| {
            let weights = self.draw(seed);
            rate_of(1, &weights) - rate_of(0, &weights)
        };
        let mut differences: Vec<f64> = (0..REPLICATES).into_par_iter().map(difference).collect();
        differences.sort_by(f64::total_cmp);
        let at = |share| quantile(&differences, share).unwrap_or(0.0);
        BeforeAndAfter { change: [at(0.025), at(0.975)], before, after }
    }

    fn rate(&self, units: u64, rate_of: impl Fn(&Weights) -> f64 + Sync) -> Rate {
        let value = rate_of(&vec![1.0; self.persons]);
        self.interval(value, units, rate_of)
    }

    /// A rate with its interval. `units` is the number of independent trials for an exact one.
    fn interval(&self, value: f64, units: u64, rate_of: impl Fn(&Weights) -> f64 + Sync) -> Rate {
        let mut rates: Vec<_> =
            (0..REPLICATES).into_par_iter().map(|seed| rate_of(&self.draw(seed))).collect();
        rates.sort_by(f64::total_cmp);
        let at = |share| quantile(&rates, share).unwrap_or(value);
        let (low, high) = (at(0.025), at(0.975));
        if low < high { Rate { value, low, high } } else { exact(value, units) }
    }

    /// The largest number of impostor pairs of which no two share a person.
    fn disjoint_pairs(&self) -> u64 {
        let mut persons = vec![0; self.labelled.sources.len()];
        for photos in self.photos.values() {
            persons[photos.source] += 1;
        }
        persons.into_iter().map(|persons: u64| persons / 2).sum()
    }

    fn draw(&self, seed: u64) -> Weights {
        let mut random = StdRng::seed_from_u64(seed);
        let mut identities: Vec<_> = self.photos.keys().copied().collect();
        identities.sort_unstable();
        let mut weights = vec![0.0; self.persons];
        for _ in 0..identities.len() {
            weights[identities[random.random_range(0..identities.len())]] += 1.0;
        }
        weights
    }

    fn weight(&self, weights: &Weights, a: u32, b: u32) -> f64 {
        let identity = |at: u32| self.labelled.photos[at as usize].identity;
        weights[identity(a)] * weights[identity(b)]
    }

    fn by_person(&self, genuine: &[ScoredPair]) -> Vec<PersonCosines> {
        let mut persons: HashMap<usize, Vec<f64>> = HashMap::new();
        for pair in genuine {
            persons.entry(self.labelled.photos[pair.a].identity).or_default().push(pair.cosine);
        }
        let mut persons: Vec<_> = persons
            .into_iter()
            .map(|(identity, mut cosines)| {
                cosines.sort_by(f64::total_cmp);
                PersonCosines { identity, cosines }
            })
            .collect();
        persons.sort_unstable_by_key(|person| person.identity);
        persons
    }

    /// The weight of all impostor pairs of a resample: within each source, all pairs except those of one person.
    fn impostor_weight(&self, weights: &Weights) -> f64 {
        let mut sums = vec![(0.0, 0.0); self.labelled.sources.len()];
        for (identity, photos) in &self.photos {
            let count = photos.count * weights[*identity];
            let (all, own) = &mut sums[photos.source];
            *all += count;
            *own += count * count;
        }
        sums.into_iter().map(|(all, own): (f64, f64)| (all * all - own) / 2.0).sum()
    }
}

/// A rate with the exact interval of so many independent trials.
pub(crate) fn exact(value: f64, units: u64) -> Rate {
    let (low, high) = exact_interval::interval(value, units);
    Rate { value, low, high }
}

/// The weighted share of genuine pairs below a threshold.
fn share_below(genuine: &[PersonCosines], threshold: f64, weights: &Weights) -> f64 {
    let (below, all) = genuine.iter().fold((0.0, 0.0), |(below, all), person| {
        let weight = weights[person.identity];
        let count = person.cosines.partition_point(|cosine| *cosine < threshold);
        (below + weight * count as f64, all + weight * person.cosines.len() as f64)
    });
    share(below, all)
}

fn share(part: f64, total: f64) -> f64 {
    if total > 0.0 { part / total } else { 0.0 }
}
