//! All pairs among people with one template each, and their false match rates with intervals.
//!
//! An interval comes from a bootstrap over persons, as for labelled photos. Where too many pairs match to resample each of
//! them, a resample sums the shares of the others whom each person matches. This leaves out the part of the variance that
//! does not come from persons, which is small where many pairs match.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use rayon::prelude::*;

use padan_inference::Rate;

use crate::{
    bootstrap::{REPLICATES, exact},
    cross_pairs::{CrossPairs, Rows},
    metrics::quantile,
    population::Population,
};

/// All pairs among some people.
pub(crate) struct PeoplePairs {
    rows: Rows,
    /// In increasing order.
    members: Vec<u32>,
    cross: CrossPairs,
}

/// Up to so many matching pairs, a resample weights each pair.
const MAX_RESAMPLED: u64 = 300_000;

/// A threshold, and what a resample needs to compute the rate there.
struct Threshold {
    rate: f64,
    matches: Matches,
}

enum Matches {
    /// The matching pairs are so many first ones of the tail.
    Pairs(usize),
    /// For each person, the share of the others whom the person matches.
    Shares(Vec<f64>),
}

impl PeoplePairs {
    /// Compares each two of these people, who are given in increasing order.
    pub(crate) fn compare(population: &Population, members: Vec<u32>) -> Self {
        let rows = Rows::of_people(population, &members);
        let cross = CrossPairs::of_rows(&rows, Vec::new());
        Self { rows, members, cross }
    }

    /// The pairs.
    pub(crate) fn cross(&self) -> &CrossPairs {
        &self.cross
    }

    /// The number of people.
    pub(crate) fn persons(&self) -> usize {
        self.members.len()
    }

    /// The false match rates at these thresholds, with their 95 % confidence intervals.
    pub(crate) fn rates(&self, cosines: &[f64]) -> Vec<Rate> {
        self.intervals(&self.thresholds(cosines, MAX_RESAMPLED))
    }

    /// The rate at a threshold by the shares of the others whom each person matches.
    #[cfg(test)]
    pub(crate) fn rates_by_shares(&self, cosine: f64) -> Rate {
        self.intervals(&self.thresholds(&[cosine], 0)).remove(0)
    }

    fn intervals(&self, thresholds: &[Threshold]) -> Vec<Rate> {
        let most = thresholds.iter().map(|threshold| threshold.matches.pairs()).max().unwrap_or(0);
        let pairs: Vec<_> = (self.cross.tail()[..most].iter())
            .map(|pair| [pair.a, pair.b].map(|person| self.position(person)))
            .collect();
        let replicates: Vec<Vec<f64>> =
            (0..REPLICATES).into_par_iter().map(|seed| self.resample(seed, thresholds, &pairs)).collect();
        let interval = |(at, threshold): (usize, &Threshold)| {
            let mut rates: Vec<_> = replicates.iter().map(|rates| rates[at]).collect();
            rates.sort_by(f64::total_cmp);
            let bound = |share| quantile(&rates, share).unwrap_or(threshold.rate);
            let (value, low, high) = (threshold.rate, bound(0.025), bound(0.975));
            if low < high { Rate { value, low, high } } else { exact(value, self.persons() as u64 / 2) }
        };
        thresholds.iter().enumerate().map(interval).collect()
    }

    fn thresholds(&self, cosines: &[f64], max_resampled: u64) -> Vec<Threshold> {
        let is_resampled =
            |cosine: f64| self.cross.tail_reaches(cosine) && self.cross.reaching(cosine) <= max_resampled;
        let counted: Vec<_> = cosines.iter().copied().filter(|cosine| !is_resampled(*cosine)).collect();
        let mut shares = self.shares(&counted).into_iter();
        let threshold = |cosine: &f64| {
            let matches = if is_resampled(*cosine) {
                Matches::Pairs(self.cross.reaching(*cosine) as usize)
            } else {
                Matches::Shares(shares.next().unwrap_or_default())
            };
            Threshold { rate: self.cross.fmr(*cosine), matches }
        };
        cosines.iter().map(threshold).collect()
    }

    /// For each threshold and each person, the share of the others whom the person matches.
    fn shares(&self, cosines: &[f64]) -> Vec<Vec<f64>> {
        if cosines.is_empty() {
            return Vec::new();
        }
        let nobody = || vec![vec![0_u32; self.persons()]; cosines.len()];
        let lowest = cosines.iter().copied().fold(f64::INFINITY, f64::min);
        let count = |mut counts: Vec<Vec<u32>>, blocks| {
            self.rows.visit(blocks, |a, b, cosine| {
                let cosine = f64::from(cosine);
                if cosine >= lowest {
                    for (threshold, counts) in cosines.iter().zip(&mut counts) {
                        let matches = u32::from(cosine >= *threshold);
                        counts[a] += matches;
                        counts[b] += matches;
                    }
                }
            });
            counts
        };
        let add = |mut sums: Vec<Vec<u32>>, counts: Vec<Vec<u32>>| {
            for (sum, count) in sums.iter_mut().flatten().zip(counts.iter().flatten()) {
                *sum += count;
            }
            sums
        };
        let counts = self.rows.blocks().into_par_iter().fold(nobody, count).reduce(nobody, add);
        let others = self.persons().saturating_sub(1).max(1) as f64;
        counts.into_iter().map(|counts| counts.iter().map(|n| f64::from(*n) / others).collect()).collect()
    }

    /// The rate at each threshold in a resample.
    fn resample(&self, seed: u64, thresholds: &[Threshold], pairs: &[[usize; 2]]) -> Vec<f64> {
        let persons = self.persons();
        let mut random = StdRng::seed_from_u64(seed);
        let mut weights = vec![0.0; persons];
        for _ in 0..persons {
            weights[random.random_range(0..persons)] += 1.0;
        }
        let squares: f64 = weights.iter().map(|weight: &f64| weight * weight).sum();
        let all = ((persons as f64).powi(2) - squares) / 2.0;
        // The matching pairs of a threshold are also those of each lower one.
        let mut order: Vec<usize> = (0..thresholds.len()).collect();
        order.sort_by_key(|at| thresholds[*at].matches.pairs());
        let (mut done, mut matched) = (0, 0.0);
        let mut rates = vec![0.0; thresholds.len()];
        for at in order {
            let Threshold { rate, matches } = &thresholds[at];
            rates[at] = match matches {
                Matches::Pairs(count) => {
                    matched +=
                        pairs[done..*count].iter().map(|[a, b]| weights[*a] * weights[*b]).sum::<f64>();
                    done = *count;
                    if all > 0.0 { matched / all } else { 0.0 }
                }
                Matches::Shares(shares) => {
                    let sum: f64 = shares.iter().zip(&weights).map(|(share, weight)| share * weight).sum();
                    let mean = shares.iter().sum::<f64>() / persons as f64;
                    (rate + 2.0 * (sum / persons as f64 - mean)).max(0.0)
                }
            };
        }
        rates
    }

    fn position(&self, person: u32) -> usize {
        self.members.binary_search(&person).unwrap_or_default()
    }
}

impl Matches {
    fn pairs(&self) -> usize {
        match self {
            Self::Pairs(count) => *count,
            Self::Shares(_) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    const PEOPLE: usize = 900;
    const LENGTH: usize = 32;

    /// The numbers of a linear congruential generator, from -0.5 to 0.5.
    fn numbers() -> impl FnMut() -> f64 {
        let mut state = 7_u32;
        move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1 << 24) - 0.5
        }
    }

    /// The same templates as in `tools/oracle/people_curve.py`.
    fn population() -> Population {
        let mut random = numbers();
        let mut vector = || (0..LENGTH).map(|_| random() + random() + random()).collect::<Vec<f64>>();
        let common = vector();
        let mut components = Zeroizing::new(Vec::new());
        for person in 0..PEOPLE {
            let share = if person.is_multiple_of(3) { 0.5 } else { 0.0 };
            let values: Vec<_> =
                vector().iter().zip(&common).map(|(own, common)| own + share * common).collect();
            let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
            components.extend(values.iter().map(|value| (value / length) as f32));
        }
        Population::new(components, LENGTH, Vec::new()).unwrap()
    }

    #[test]
    fn the_curve_is_that_of_numpy() {
        let pairs = PeoplePairs::compare(&population(), (0..PEOPLE as u32).collect());
        let cross = pairs.cross();
        assert_eq!(cross.total(), 404_550);
        assert!((cross.mean() - 0.017_784_141).abs() < 1e-6, "{}", cross.mean());
        for (threshold, count) in [(0.0, 217_174), (0.2, 66_135), (0.4, 6780), (0.5, 1201), (0.6, 113)] {
            // A cosine in single precision may lie on the other side of the threshold.
            assert!(
                cross.reaching(threshold).abs_diff(count) <= 1,
                "{threshold}: {}",
                cross.reaching(threshold)
            );
        }
        assert!((cross.cosine_at(1e-3).unwrap() - 0.549_285).abs() < 1e-4);
    }
}
