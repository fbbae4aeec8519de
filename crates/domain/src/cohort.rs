use std::{hint::black_box, sync::Arc};

use crate::{
    embedding::{Embedding, Similarity},
    redacted::debug_as_name,
};

/// The embeddings of many people, one of each, with which both faces of a comparison are compared too. They are overwritten
/// when it is dropped.
#[derive(PartialEq)]
pub struct Cohort {
    components: Box<[f32]>,
    length: usize,
}

debug_as_name!(Cohort);

/// The embeddings are too few, too many or of different lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cohort has 2 to {} embeddings of one length", Cohort::MAX_PEOPLE)]
pub struct InvalidCohort;

/// What a score is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CohortScoreKind {
    /// The mean of the highest cosines with the cohort is taken from the cosine, half for each face.
    TopMean,
    /// The cosine is measured in deviations from that mean, and both faces' results are averaged: symmetric normalisation.
    Symmetric,
}

/// The numbers of a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CohortNumbers {
    /// How many of the highest cosines with the cohort are used.
    pub top: usize,
    /// From this cosine on, a face and one of the cohort are of one person, which does not count.
    pub same_person: f64,
    /// The mean of the highest cosines of people of the cohort, so that a score is near the cosine.
    pub level: f64,
    /// Their deviation.
    pub spread: f64,
}

/// A score of two faces that takes into account how similar each is to other people: the faces of some people resemble many.
#[derive(Debug, Clone, PartialEq)]
pub struct CohortScore {
    cohort: Arc<Cohort>,
    kind: CohortScoreKind,
    numbers: CohortNumbers,
}

/// What one face contributes to the score of a comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Side {
    factor: f64,
    offset: f64,
}

/// The mean and the deviation of a face's highest cosines with a cohort.
#[derive(Debug, Clone, Copy)]
struct Neighbours {
    mean: f64,
    deviation: f64,
}

/// The least deviation, so that no face has an unlimited factor.
const MIN_DEVIATION: f64 = 0.01;
const LANES: usize = 16;

impl Side {
    /// The side of every face where a score is the cosine.
    pub const PLAIN: Self = Self { factor: 0.5, offset: 0.0 };

    /// The score of two faces with this cosine.
    pub fn score(self, other: Self, cosine: f64) -> f64 {
        cosine * (self.factor + other.factor) + (self.offset + other.offset)
    }
}

impl Cohort {
    /// The most people: a comparison takes time for each.
    pub const MAX_PEOPLE: usize = 2000;

    /// Takes one embedding of each person.
    ///
    /// # Errors
    ///
    /// [`InvalidCohort`] when they are too few, too many or of different lengths.
    pub fn new(embeddings: &[Embedding]) -> Result<Self, InvalidCohort> {
        let length = embeddings.first().map_or(0, |embedding| embedding.as_slice().len());
        let fits = embeddings.iter().all(|embedding| embedding.as_slice().len() == length);
        if !fits || !(2..=Self::MAX_PEOPLE).contains(&embeddings.len()) {
            return Err(InvalidCohort);
        }
        // A vector that grows would leave copies behind.
        let mut components = Vec::with_capacity(length * embeddings.len());
        for embedding in embeddings {
            components.extend_from_slice(embedding.as_slice());
        }
        Ok(Self { components: components.into(), length })
    }

    /// The number of people.
    pub fn people(&self) -> usize {
        self.components.len() / self.length
    }

    /// The highest cosines of a face, without those of the same person; `None` when there are not two.
    fn neighbours(&self, face: &[f32], top: usize, same_person: f64) -> Option<Neighbours> {
        let mut cosines: Vec<f32> = (self.components.chunks_exact(self.length))
            .map(|other| dot(face, other))
            .filter(|cosine| f64::from(*cosine) < same_person)
            .collect();
        let top = top.min(cosines.len());
        if top < 2 {
            return None;
        }
        cosines.select_nth_unstable_by(top - 1, |a, b| b.total_cmp(a));
        let highest = || cosines[..top].iter().map(|cosine| f64::from(*cosine));
        let mean = highest().sum::<f64>() / top as f64;
        let variance = highest().map(|cosine| (cosine - mean).powi(2)).sum::<f64>() / top as f64;
        Some(Neighbours { mean, deviation: variance.sqrt().max(MIN_DEVIATION) })
    }
}

impl Drop for Cohort {
    fn drop(&mut self) {
        self.components.fill(0.0);
        // Otherwise the compiler may leave out a write that nobody reads.
        black_box(&self.components);
    }
}

impl CohortScore {
    /// A score with these numbers.
    pub fn new(cohort: Arc<Cohort>, kind: CohortScoreKind, numbers: CohortNumbers) -> Self {
        Self { cohort, kind, numbers }
    }

    /// A score whose level and spread are those of the people of the cohort, each compared with the others.
    pub fn fitted(cohort: Arc<Cohort>, kind: CohortScoreKind, top: usize, same_person: f64) -> Self {
        let of_people: Vec<_> = (cohort.components.chunks_exact(cohort.length))
            .filter_map(|face| cohort.neighbours(face, top, same_person))
            .collect();
        let mean = |value: fn(&Neighbours) -> f64| {
            let mean = of_people.iter().map(value).sum::<f64>() / of_people.len().max(1) as f64;
            (mean * 1e7).round() / 1e7
        };
        let level = mean(|neighbours| neighbours.mean);
        let spread = mean(|neighbours| neighbours.deviation).max(MIN_DEVIATION);
        Self { cohort, kind, numbers: CohortNumbers { top, same_person, level, spread } }
    }

    /// The cohort.
    pub fn cohort(&self) -> &Arc<Cohort> {
        &self.cohort
    }

    /// What the score is made of.
    pub fn kind(&self) -> CohortScoreKind {
        self.kind
    }

    /// Its numbers.
    pub fn numbers(&self) -> CohortNumbers {
        self.numbers
    }

    /// The side of a face of unit length; `None` when its length is another one, or nobody else is left to compare it with.
    pub fn side(&self, face: &[f32]) -> Option<Side> {
        let CohortNumbers { top, same_person, level, spread } = self.numbers;
        if face.len() != self.cohort.length {
            return None;
        }
        let Neighbours { mean, deviation } = self.cohort.neighbours(face, top, same_person)?;
        let factor = match self.kind {
            CohortScoreKind::TopMean => 0.5,
            CohortScoreKind::Symmetric => spread / (2.0 * deviation),
        };
        Some(Side { factor, offset: level / 2.0 - mean * factor })
    }

    /// The score of two faces; `None` when there is none.
    pub fn similarity(&self, a: &Embedding, b: &Embedding) -> Option<Similarity> {
        let (one, other) = (self.side(a.as_slice())?, self.side(b.as_slice())?);
        Some(Similarity::from_cosine(one.score(other, a.similarity(b)?.cosine())))
    }
}

/// The product of two vectors of one length, in lanes that a processor computes at once.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The embedding at this angle in degrees.
    fn at(degrees: f64) -> Embedding {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        Embedding::from_output(&[cosine as f32, sine as f32]).unwrap()
    }

    fn cohort(degrees: &[f64]) -> Arc<Cohort> {
        Arc::new(Cohort::new(&degrees.iter().map(|angle| at(*angle)).collect::<Vec<_>>()).unwrap())
    }

    fn score(kind: CohortScoreKind, same_person: f64) -> CohortScore {
        let numbers = CohortNumbers { top: 2, same_person, level: 0.3, spread: 0.1 };
        // The face at 0 degrees has the cosines 0.5, 0.2588 and 0; that at 90 has 1, 0.9659 and 0.8660.
        CohortScore::new(cohort(&[60.0, 75.0, 90.0]), kind, numbers)
    }

    #[test]
    fn the_mean_of_the_highest_cosines_is_taken_from_both_faces() {
        let found = score(CohortScoreKind::TopMean, 1.1).similarity(&at(0.0), &at(90.0)).unwrap();
        // 0 - ((0.5 + 0.25882) / 2 + (1 + 0.96593) / 2) / 2 + 0.3
        assert!((found.cosine() + 0.381_187).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn one_person_of_the_cohort_does_not_count_for_itself() {
        let found = score(CohortScoreKind::TopMean, 0.99).similarity(&at(0.0), &at(90.0)).unwrap();
        // The face at 90 degrees is of the cohort: (0.96593 + 0.86603) / 2 remains.
        assert!((found.cosine() + 0.347_693).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn symmetric_normalisation_counts_in_deviations_of_each_face() {
        let found = score(CohortScoreKind::Symmetric, 1.1).similarity(&at(0.0), &at(30.0)).unwrap();
        // Means 0.37941 and 0.78657, deviations 0.12059 and 0.07946, cosine 0.86603:
        // 0.3 + 0.1 / 2 * (0.48662 / 0.12059 + 0.07946 / 0.07946)
        assert!((found.cosine() - 0.551_766).abs() < 1e-4, "{found:?}");
    }

    #[test]
    fn the_sides_of_both_faces_give_the_same_score() {
        let score = score(CohortScoreKind::Symmetric, 0.99);
        let (a, b) = (at(10.0), at(50.0));
        let sides = [&a, &b].map(|face| score.side(face.as_slice()).unwrap());
        let by_sides = sides[0].score(sides[1], a.similarity(&b).unwrap().cosine());
        assert!((score.similarity(&a, &b).unwrap().cosine() - by_sides.clamp(-1.0, 1.0)).abs() < 1e-12);
        assert_eq!(score.similarity(&a, &b), score.similarity(&b, &a));
        assert!((Side::PLAIN.score(Side::PLAIN, 0.25) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn level_and_spread_are_those_of_the_people_of_the_cohort() {
        let fitted = CohortScore::fitted(cohort(&[60.0, 75.0, 90.0]), CohortScoreKind::TopMean, 2, 0.999);
        let (near, far): (f64, f64) = (15.0_f64.to_radians().cos(), 30.0_f64.to_radians().cos());
        let level = f64::midpoint(near, far) * 2.0 / 3.0 + near / 3.0;
        assert!((fitted.numbers().level - level).abs() < 1e-6, "{:?}", fitted.numbers());
        let spread = ((near - far) + MIN_DEVIATION) / 3.0;
        assert!((fitted.numbers().spread - spread).abs() < 1e-6, "{:?}", fitted.numbers());
    }

    #[test]
    fn what_cannot_be_compared_has_no_score() {
        let score = score(CohortScoreKind::Symmetric, 1.1);
        let short = Embedding::from_output(&[1.0]).unwrap();
        assert!(score.similarity(&short, &at(0.0)).is_none());
        assert_eq!(Cohort::new(&[at(0.0)]), Err(InvalidCohort));
        assert_eq!(Cohort::new(&[at(0.0), short]), Err(InvalidCohort));
        let nobody_else = CohortNumbers { top: 2, same_person: -0.9, level: 0.0, spread: 0.1 };
        let alone = CohortScore::new(cohort(&[0.0, 10.0]), CohortScoreKind::TopMean, nobody_else);
        assert!(alone.similarity(&at(0.0), &at(10.0)).is_none());
        assert_eq!(format!("{:?}", alone.cohort()), "Cohort");
    }
}
