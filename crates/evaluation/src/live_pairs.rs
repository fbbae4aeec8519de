//! Comparisons that a service counted while it served: their rates with intervals.
//!
//! Comparisons share selfies and templates, so they are correlated. People fall into parts, by the selfie and by the
//! template, and figures of different parts are independent. Leaving out one part after the other (the jackknife) gives the
//! variance that comes from selfies, and the one that comes from templates; their sum counts the chance of single
//! comparisons twice (A. C. Cameron, J. B. Gelbach, D. L. Miller: Robust inference with multiway clustering, Journal of
//! Business & Economic Statistics 29, 2011). The interval is the exact one of as many independent comparisons as have this
//! variance.

#[cfg(test)]
mod tests;

use padan_domain::{Similarity, SimilarityBins};
use padan_inference::Rate;

use crate::{bootstrap::exact, cross_pairs::CrossPairs};

/// Numbers of comparisons by similarity, in the intervals of [`SimilarityBins`].
pub type Counted = Vec<u64>;

/// Comparisons of selfies with templates of other people.
#[derive(Debug)]
pub struct LivePairs {
    cross: CrossPairs,
    counted: Counted,
    by_probe: Vec<Counted>,
    by_reference: Vec<Counted>,
}

/// Comparisons of selfies with the portrait of the person whose name and date of birth the request has.
#[derive(Debug)]
pub struct GenuinePairs {
    counted: Counted,
    by_person: Vec<Counted>,
}

/// Below so many matches, the variance of a lower similarity is used as well, since so few do not show theirs.
const ENOUGH_MATCHES: u64 = 100;
/// The square of the 97.5th percentile of Student's t with 31 degrees of freedom over that of the normal distribution: the
/// variance is an estimate from 32 parts.
const FEW_PARTS: f64 = 1.082;
/// From so many matches on, Wilson's interval stands for the exact one, which takes long and is the same to two digits.
const MANY_MATCHES: f64 = 2000.0;

impl LivePairs {
    /// The same comparisons, counted by parts of the selfies' people and by parts of the templates' people.
    pub fn new(by_probe: Vec<Counted>, by_reference: Vec<Counted>) -> Self {
        let counted = sum(&by_probe);
        Self { cross: CrossPairs::of_bins(&counted), counted, by_probe, by_reference }
    }

    /// The number of comparisons.
    pub fn comparisons(&self) -> u64 {
        self.cross.total()
    }

    /// The share of comparisons that reach a cosine, with its 95 % interval.
    pub fn fmr(&self, cosine: f64) -> Rate {
        let value = self.cross.fmr(cosine);
        let enough = ENOUGH_MATCHES as f64 / self.comparisons().max(1) as f64;
        let lower = if value < enough { self.cross.cosine_at(enough.min(1.0)) } else { None };
        let effect = [Some(cosine), lower].into_iter().flatten().map(|at| self.design_effect(at));
        interval(value, self.comparisons() as f64 / effect.fold(1.0, f64::max))
    }

    /// The cosine that this share of comparisons reaches; `None` when fewer than 10 comparisons would reach it.
    pub fn cosine_at(&self, fmr: f64) -> Option<f64> {
        (fmr * self.comparisons() as f64 >= 10.0).then(|| self.cross.cosine_at(fmr))?
    }

    /// All comparisons, as if each were of two people of its own.
    pub(crate) fn cross(&self) -> &CrossPairs {
        &self.cross
    }

    /// How many times as large the variance is as that of independent comparisons.
    fn design_effect(&self, cosine: f64) -> f64 {
        let share = share_of_bin(&self.counted, &self.cross, cosine);
        let value = self.cross.fmr(cosine);
        let independent = value * (1.0 - value) / self.comparisons() as f64;
        if independent <= 0.0 {
            return 1.0;
        }
        let variance = |parts: &[Counted]| jackknife(parts, |part| reaching(part, cosine, share));
        let variance = variance(&self.by_probe) + variance(&self.by_reference) - independent;
        (FEW_PARTS * variance / independent).max(1.0)
    }
}

impl GenuinePairs {
    /// Comparisons, counted by parts of the people.
    pub fn new(by_person: Vec<Counted>) -> Self {
        Self { counted: sum(&by_person), by_person }
    }

    /// The number of comparisons.
    pub fn comparisons(&self) -> u64 {
        self.counted.iter().sum()
    }

    /// The cosine that one comparison in a hundred reaches; `None` when there are too few.
    pub(crate) fn quantile_99(&self) -> Option<f64> {
        CrossPairs::of_bins(&self.counted).cosine_at(0.01)
    }

    /// The share of comparisons below a cosine, with its 95 % interval.
    pub fn below(&self, cosine: f64) -> Rate {
        let cross = CrossPairs::of_bins(&self.counted);
        let (share, total) = (share_of_bin(&self.counted, &cross, cosine), self.comparisons());
        let value = if total == 0 { 0.0 } else { 1.0 - cross.fmr(cosine) };
        let independent = value * (1.0 - value) / total.max(1) as f64;
        let variance = jackknife(&self.by_person, |part| reaching(part, cosine, share));
        let effect = if independent > 0.0 { (FEW_PARTS * variance / independent).max(1.0) } else { 1.0 };
        interval(value, total as f64 / effect)
    }
}

/// The number of comparisons of a part that reach a cosine, if this share of the interval around it does.
fn reaching(counted: &[u64], cosine: f64, share: f64) -> f64 {
    let at = SimilarityBins::index(Similarity::from_cosine(cosine));
    counted[at + 1..].iter().sum::<u64>() as f64 + counted[at] as f64 * share
}

/// The share of the interval around a cosine that reaches it, of all comparisons.
fn share_of_bin(counted: &[u64], cross: &CrossPairs, cosine: f64) -> f64 {
    let at = SimilarityBins::index(Similarity::from_cosine(cosine));
    let above = counted[at + 1..].iter().sum::<u64>();
    let within = cross.reaching(cosine).saturating_sub(above);
    if counted[at] == 0 { 0.0 } else { (within as f64 / counted[at] as f64).min(1.0) }
}

/// The variance of the share that reaches, by leaving out one part after the other.
fn jackknife(parts: &[Counted], reaching: impl Fn(&[u64]) -> f64) -> f64 {
    let figures = parts.iter().map(|part| (reaching(part), part.iter().sum::<u64>() as f64));
    let figures: Vec<_> = figures.filter(|(_, total)| *total > 0.0).collect();
    let (matches, total) = figures.iter().fold((0.0, 0.0), |(a, b), (c, d)| (a + c, b + d));
    if figures.len() < 2 {
        return 0.0;
    }
    let without: Vec<_> = figures.iter().map(|(part, of)| (matches - part) / (total - of)).collect();
    let count = figures.len() as f64;
    let mean = without.iter().sum::<f64>() / count;
    (count - 1.0) / count * without.iter().map(|share| (share - mean).powi(2)).sum::<f64>()
}

/// The interval of a share of so many independent comparisons.
fn interval(value: f64, comparisons: f64) -> Rate {
    let matches = value * comparisons;
    if comparisons < 1.0 {
        return Rate { value, low: 0.0, high: 1.0 };
    }
    if matches.min(comparisons - matches) < MANY_MATCHES {
        return exact(value, comparisons.floor() as u64);
    }
    let z = 1.96_f64;
    let middle = (value + z * z / (2.0 * comparisons)) / (1.0 + z * z / comparisons);
    let half = z / (1.0 + z * z / comparisons)
        * (value * (1.0 - value) / comparisons + z * z / (4.0 * comparisons * comparisons)).sqrt();
    Rate { value, low: middle - half, high: middle + half }
}

fn sum(parts: &[Counted]) -> Counted {
    let mut all = vec![0; SimilarityBins::COUNT];
    for part in parts {
        for (all, count) in all.iter_mut().zip(part) {
            *all += count;
        }
    }
    all
}
