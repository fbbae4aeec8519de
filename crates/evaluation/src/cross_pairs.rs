//! Compares every photo of one person with every photo of each other person.

mod rows;

use std::collections::HashSet;

use padan_domain::SimilarityBins;
use rayon::prelude::*;

pub(crate) use self::rows::{BlockPair, Rows};
use crate::{labelled::Labelled, scored_pair::Face};

/// The cosines of all impostor pairs among some photos. Pairs share photos, so they are correlated.
#[derive(Debug)]
pub struct CrossPairs {
    /// The number of pairs in each step of width [`STEP`], from -1 upwards.
    histogram: Vec<u64>,
    total: u64,
    sum: f64,
    /// The pairs with the highest cosines, highest first.
    tail: Vec<TailPair>,
}

/// An impostor pair with a high cosine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TailPair {
    /// One photo, as an index.
    pub a: u32,
    /// The other.
    pub b: u32,
    /// Their cosine.
    pub cosine: f32,
}

/// Width of a step of the histogram.
const STEP: f64 = 1e-4;
const STEPS: usize = 20_001;
/// The maximum number of pairs in the tail. They need 24 MB.
const MAX_TAIL: u64 = 2_000_000;
impl CrossPairs {
    /// Compares all photos of the same source that have an embedding and whose index satisfies `is_included`.
    pub fn compute(labelled: &Labelled, faces: &[Option<Face>], is_included: impl Fn(usize) -> bool) -> Self {
        let rows = Rows::new(labelled, faces, is_included);
        Self::of_rows(&rows, rows.excluded(labelled))
    }

    /// Compares all rows that are impostors of each other, except some pairs.
    pub(crate) fn of_rows(rows: &Rows, excluded: Vec<(usize, usize)>) -> Self {
        let blocks = rows.blocks();
        let mut counted = (blocks.par_iter())
            .map(|blocks| rows.count(*blocks))
            .reduce(CosineCounts::empty, CosineCounts::merge);
        for (a, b) in &excluded {
            counted.remove(rows.cosine(*a, *b));
        }
        let floor = counted.tail_floor();
        let excluded: HashSet<_> = excluded.into_iter().collect();
        let mut tail: Vec<_> =
            (blocks.par_iter()).flat_map_iter(|blocks| rows.tail(*blocks, floor, &excluded)).collect();
        tail.par_sort_unstable_by(|x, y| y.cosine.total_cmp(&x.cosine).then((x.a, x.b).cmp(&(y.a, y.b))));
        Self { histogram: counted.histogram, total: counted.total, sum: counted.sum, tail }
    }

    /// Pairs with these cosines and arbitrary photos.
    #[cfg(test)]
    pub(crate) fn of_cosines(cosines: impl Iterator<Item = f32>) -> Self {
        let mut counted = CosineCounts::empty();
        let mut tail: Vec<_> = (cosines.inspect(|cosine| counted.add(*cosine)))
            .map(|cosine| TailPair { a: 0, b: 0, cosine })
            .collect();
        tail.sort_by(|x, y| y.cosine.total_cmp(&x.cosine));
        Self { histogram: counted.histogram, total: counted.total, sum: counted.sum, tail }
    }

    /// Pairs that were counted in the intervals of [`SimilarityBins`]. Within an interval, the number that reaches a cosine
    /// is assumed to fall by the same factor in each step.
    pub(crate) fn of_bins(counts: &[u64]) -> Self {
        let mut counted = CosineCounts::empty();
        let mut above: u64 = counts.iter().sum();
        for (bin, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (from, to) = (SimilarityBins::start(bin), SimilarityBins::start(bin + 1));
            let steps = ((to - from) / STEP).round() as usize;
            let first = ((from + 1.0) / STEP).round() as usize;
            let next = above - count;
            let reaching = |step: usize| {
                let share = step as f64 / steps as f64;
                let (all, rest) = (above as f64, next as f64);
                let falls = if next == 0 { all * (1.0 - share) } else { all * (rest / all).powf(share) };
                falls.round() as u64
            };
            for step in 0..steps {
                let pairs = reaching(step) - reaching(step + 1);
                counted.histogram[first + step] += pairs;
                counted.sum += pairs as f64 * (from + (step as f64 + 0.5) * STEP);
            }
            counted.total += count;
            above = next;
        }
        Self { histogram: counted.histogram, total: counted.total, sum: counted.sum, tail: Vec::new() }
    }

    /// The number of pairs.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The mean cosine; 0 without pairs.
    pub fn mean(&self) -> f64 {
        if self.total == 0 { 0.0 } else { self.sum / self.total as f64 }
    }

    /// The pairs with the highest cosines, highest first.
    pub fn tail(&self) -> &[TailPair] {
        &self.tail
    }

    /// Whether the tail has every pair that reaches a cosine.
    pub(crate) fn tail_reaches(&self, cosine: f64) -> bool {
        self.tail.len() as u64 == self.total
            || self.tail.last().is_some_and(|last| f64::from(last.cosine) <= cosine)
    }

    /// The number of pairs that reach a cosine.
    pub fn reaching(&self, cosine: f64) -> u64 {
        if self.tail.last().is_some_and(|last| f64::from(last.cosine) <= cosine) {
            return self.tail.partition_point(|pair| f64::from(pair.cosine) >= cosine) as u64;
        }
        let next_step = step_of(cosine) + 1;
        let above: u64 = self.histogram.iter().skip(next_step).sum();
        // Within a step, pairs are assumed to be evenly distributed.
        let within = self.histogram.get(next_step - 1).map_or(0.0, |count| *count as f64);
        let share = (next_step as f64 * STEP - 1.0 - cosine) / STEP;
        above + (within * share.clamp(0.0, 1.0)).round() as u64
    }

    /// The false match rate at a threshold.
    pub fn fmr(&self, cosine: f64) -> f64 {
        if self.total == 0 { 0.0 } else { self.reaching(cosine) as f64 / self.total as f64 }
    }

    /// The lowest threshold that at most this share of the pairs reaches; `None` when the share is fewer than three
    /// pairs.
    pub fn cosine_at(&self, fmr: f64) -> Option<f64> {
        let allowed = fmr * self.total as f64;
        if allowed < 3.0 - 1e-9 {
            return None;
        }
        Some(self.cosine_of((allowed + 1e-9).floor() as usize))
    }

    /// The lowest threshold that at most this number of pairs reaches.
    pub(crate) fn cosine_of(&self, max_pairs: usize) -> f64 {
        if let Some(first_excess) = self.tail.get(max_pairs) {
            // Pairs with the same cosine stay on the same side, below the threshold.
            let above = self.tail.partition_point(|pair| pair.cosine > first_excess.cosine);
            let excluded = f64::from(first_excess.cosine);
            let last = above.checked_sub(1).map(|last| f64::from(self.tail[last].cosine));
            return last.map_or(excluded.next_up(), |last| f64::midpoint(last, excluded));
        }
        let mut above = 0;
        for (step, count) in self.histogram.iter().enumerate().rev() {
            if above + count > max_pairs as u64 {
                let share = (max_pairs as u64 - above) as f64 / *count as f64;
                return (step as f64 + 1.0 - share) * STEP - 1.0;
            }
            above += count;
        }
        -1.0
    }

    /// A histogram for a plot: the pairs in each of `bins` equal bins from `from` to `to`.
    pub fn binned(&self, from: f64, to: f64, bins: usize) -> Vec<f64> {
        let mut binned = vec![0.0; bins];
        for (step, count) in self.histogram.iter().enumerate().filter(|(_, count)| **count > 0) {
            let cosine = (step as f64 + 0.5) * STEP - 1.0;
            let bin = ((cosine - from) / (to - from) * bins as f64).floor();
            if bin >= 0.0 && (bin as usize) < bins {
                binned[bin as usize] += *count as f64;
            }
        }
        binned
    }
}

fn step_of(cosine: f64) -> usize {
    (((cosine + 1.0) / STEP).floor().max(0.0) as usize).min(STEPS - 1)
}

impl Rows {
    fn count(&self, blocks: BlockPair) -> CosineCounts {
        let mut counted = CosineCounts::empty();
        self.visit(blocks, |_, _, cosine| counted.add(cosine));
        counted
    }

    fn tail(&self, blocks: BlockPair, floor: f64, excluded: &HashSet<(usize, usize)>) -> Vec<TailPair> {
        let mut found = Vec::new();
        self.visit(blocks, |a, b, cosine| {
            if f64::from(cosine) >= floor && !excluded.contains(&(a, b)) {
                found.push(TailPair { a: self.photos[a], b: self.photos[b], cosine });
            }
        });
        found
    }
}

/// The histogram of some pairs, with their number and the sum of their cosines.
struct CosineCounts {
    histogram: Vec<u64>,
    total: u64,
    sum: f64,
}

impl CosineCounts {
    fn empty() -> Self {
        Self { histogram: vec![0; STEPS], total: 0, sum: 0.0 }
    }

    fn add(&mut self, cosine: f32) {
        self.histogram[step_of(cosine.into())] += 1;
        self.total += 1;
        self.sum += f64::from(cosine);
    }

    fn remove(&mut self, cosine: f32) {
        // The product over blocks may have rounded the cosine into a neighbouring step.
        let step = step_of(cosine.into());
        let near = [step, step + 1, step.saturating_sub(1)];
        if let Some(step) = near.into_iter().find(|step| self.histogram.get(*step).is_some_and(|n| *n > 0)) {
            self.histogram[step] -= 1;
            self.total -= 1;
            self.sum -= f64::from(cosine);
        }
    }

    fn merge(mut self, other: Self) -> Self {
        for (own, added) in self.histogram.iter_mut().zip(other.histogram) {
            *own += added;
        }
        Self { histogram: self.histogram, total: self.total + other.total, sum: self.sum + other.sum }
    }

    /// The lowest cosine of the tail.
    fn tail_floor(&self) -> f64 {
        let mut above = 0;
        for (step, count) in self.histogram.iter().enumerate().rev() {
            above += count;
            if above > MAX_TAIL {
                return (step as f64 + 1.0) * STEP - 1.0;
            }
        }
        // Below every cosine.
        -1.0 - STEP
    }
}

#[cfg(test)]
mod tests {
    use padan_domain::{Embedding, Side};

    use super::*;
    use crate::{
        exclusions::{Exclusion, Exclusions},
        labelled::LabelledPhoto,
    };

    /// Photos at these angles in degrees, each with its identity and source: cosines are those of the angles between
    /// them.
    fn photos(angles: &[(f64, usize, usize)]) -> (Labelled, Vec<Embedding>) {
        let photos = angles.iter().enumerate().map(|(at, (_, identity, source))| LabelledPhoto {
            file: "".into(),
            name: at.to_string().into(),
            source: *source,
            identity: *identity,
            group: None,
        });
        let labelled =
            Labelled { photos: photos.collect(), sources: vec!["s".into(); 2], ..Labelled::default() };
        let embedding = |degrees: f64| {
            let (sine, cosine) = degrees.to_radians().sin_cos();
            Embedding::from_output(&[cosine as f32, sine as f32]).unwrap()
        };
        (labelled, angles.iter().map(|(degrees, _, _)| embedding(*degrees)).collect())
    }

    fn compute(labelled: &Labelled, embeddings: &[Embedding]) -> CrossPairs {
        let faces: Vec<_> =
            embeddings.iter().map(|embedding| Some(Face { embedding, side: Side::PLAIN })).collect();
        CrossPairs::compute(labelled, &faces, |_| true)
    }

    #[test]
    fn only_photos_of_two_persons_of_one_source_are_a_pair() {
        let (labelled, embeddings) = photos(&[(0.0, 0, 0), (10.0, 0, 0), (60.0, 1, 0), (90.0, 2, 1)]);
        let cross = compute(&labelled, &embeddings);
        assert_eq!(cross.total(), 2);
        let found: Vec<_> = cross.tail().iter().map(|pair| (pair.a, pair.b)).collect();
        assert_eq!(found, [(1, 2), (0, 2)], "50 degrees before 60");
        assert!((cross.mean() - f64::midpoint(0.642_787_6, 0.5)).abs() < 1e-6);
        assert_eq!([cross.reaching(0.7), cross.reaching(0.6), cross.reaching(0.5 - 1e-6)], [0, 1, 2]);
        assert_eq!(cross.cosine_at(0.5), None, "one pair supports no rate");
    }

    #[test]
    fn an_excluded_pair_is_not_counted() {
        let (mut labelled, embeddings) = photos(&[(0.0, 0, 0), (30.0, 1, 0), (90.0, 2, 0)]);
        labelled.exclusions = Exclusions {
            entries: vec![Exclusion {
                path: "1".into(),
                with: Some("0".into()),
                reason: "one person".into(),
            }],
            ..Exclusions::default()
        };
        let cross = compute(&labelled, &embeddings);
        assert_eq!(cross.total(), 2);
        assert_eq!(cross.tail().iter().map(|pair| (pair.a, pair.b)).collect::<Vec<_>>(), [(1, 2), (0, 2)]);
        assert!((cross.fmr(0.4) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_histogram_and_the_tail_agree_over_many_blocks() {
        let angles: Vec<_> = (0..1300).map(|n| (f64::from(n * n) * 137.508 % 360.0, n as usize, 0)).collect();
        let (labelled, embeddings) = photos(&angles);
        let cross = compute(&labelled, &embeddings);
        assert_eq!(cross.total(), 1300 * 1299 / 2);
        assert_eq!(cross.tail().len() as u64, cross.total());
        let by_steps: u64 = cross.histogram.iter().skip(step_of(0.5)).sum();
        assert_eq!(by_steps, cross.reaching(0.5));
        // The angles are evenly distributed: a third of them is within 60 degrees of any angle.
        assert!((cross.fmr(0.5) - 1.0 / 3.0).abs() < 1e-2, "{}", cross.fmr(0.5));
        let cosine = cross.cosine_at(0.1).unwrap();
        let reaching = cross.reaching(cosine) as f64 / cross.total() as f64;
        assert!(reaching <= 0.1 && reaching > 0.099, "{reaching}");
    }
}
