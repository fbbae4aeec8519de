//! The transformations that are tried.

use std::{collections::HashSet, sync::Arc};

use padan_domain::{Centre, Cohort, CohortScore, CohortScoreKind, Embedding, ScoreTransformation};
use padan_inference::{CalibrationCentre, CalibrationCohort, CalibrationTransformation, TransformationCheck};

use crate::labelled::Labelled;

/// Whose faces are the cohort.
#[derive(Debug, Clone, PartialEq)]
pub enum CohortSource {
    /// The persons of the half that the transformation is chosen on, with one photo each.
    Photos,
    /// Other people, such as those of a store, with one template each.
    People(Vec<Embedding>),
}

/// A transformation that is tried.
pub(super) struct Candidate {
    pub(super) name: String,
    made: Made,
    /// The people of its cohort.
    pub(super) people: Vec<Embedding>,
}

enum Made {
    Centre(Centre),
    Score(CohortScore),
}

/// The scores with a cohort that are tried, with how many of the highest cosines each uses.
const COHORT_SCORES: [(CohortScoreKind, usize); 3] =
    [(CohortScoreKind::TopMean, 50), (CohortScoreKind::Symmetric, 100), (CohortScoreKind::Symmetric, 200)];

/// The transformations that these persons can make, and why there is no centre among them.
pub(super) fn candidates(
    labelled: &Labelled,
    embeddings: &[Option<&Embedding>],
    persons: &HashSet<usize>,
    same_person: f64,
    cohort: Option<&CohortSource>,
) -> (Vec<Candidate>, Option<String>) {
    let people = one_of_each(labelled, embeddings, persons);
    let centre = Centre::new(mean(&people));
    let no_centre = centre.as_ref().err().map(ToString::to_string);
    let centre = centre.ok().map(|centre| Candidate {
        name: "centre".to_owned(),
        made: Made::Centre(centre),
        people: Vec::new(),
    });
    let cohort: Vec<Embedding> = match cohort {
        None => Vec::new(),
        Some(CohortSource::Photos) => people.into_iter().take(Cohort::MAX_PEOPLE).cloned().collect(),
        Some(CohortSource::People(people)) => people.clone(),
    };
    let sealed = Cohort::new(&cohort).ok().map(Arc::new);
    let with_cohort = |(kind, top): (CohortScoreKind, usize)| {
        let score = CohortScore::fitted(Arc::clone(sealed.as_ref()?), kind, top, same_person);
        let name = match kind {
            CohortScoreKind::TopMean => format!("mean of the top {top} of a cohort"),
            CohortScoreKind::Symmetric => format!("symmetric by the top {top} of a cohort"),
        };
        Some(Candidate { name, made: Made::Score(score), people: cohort.clone() })
    };
    (centre.into_iter().chain(COHORT_SCORES.into_iter().filter_map(with_cohort)).collect(), no_centre)
}

impl Candidate {
    /// What is done to two faces.
    pub(super) fn transformation(&self) -> ScoreTransformation {
        match &self.made {
            Made::Centre(centre) => ScoreTransformation::Centre(centre.clone()),
            Made::Score(score) => ScoreTransformation::Cohort(score.clone()),
        }
    }

    /// Its table in the calibration file. A cohort has no id yet.
    pub(super) fn table(&self, persons: u64, check: TransformationCheck) -> CalibrationTransformation {
        let score = match &self.made {
            Made::Score(score) => score,
            Made::Centre(centre) => {
                let components = centre.as_slice().to_vec();
                return CalibrationTransformation::Centre(CalibrationCentre { persons, components, check });
            }
        };
        let numbers = score.numbers();
        let table = CalibrationCohort {
            cohort: String::new(),
            persons: score.cohort().people() as u64,
            top: numbers.top,
            same_person: numbers.same_person,
            level: numbers.level,
            spread: numbers.spread,
            check,
        };
        match score.kind() {
            CohortScoreKind::TopMean => CalibrationTransformation::TopMean(table),
            CohortScoreKind::Symmetric => CalibrationTransformation::Symmetric(table),
        }
    }
}

/// One embedding of each person.
fn one_of_each<'a>(
    labelled: &Labelled,
    embeddings: &[Option<&'a Embedding>],
    persons: &HashSet<usize>,
) -> Vec<&'a Embedding> {
    let mut seen = HashSet::new();
    let photos = labelled.photos.iter().zip(embeddings);
    let of_persons = photos.filter_map(|(photo, embedding)| {
        embedding.filter(|_| persons.contains(&photo.identity) && seen.insert(photo.identity))
    });
    of_persons.collect()
}

/// The mean of embeddings, to seven decimals: as exact as an embedding.
fn mean(people: &[&Embedding]) -> Vec<f64> {
    let mut sum: Vec<f64> = Vec::new();
    for embedding in people {
        sum.resize(embedding.as_slice().len(), 0.0);
        for (sum, value) in sum.iter_mut().zip(embedding.as_slice()) {
            *sum += f64::from(*value);
        }
    }
    let count = people.len().max(1) as f64;
    sum.into_iter().map(|sum| (sum / count * 1e7).round() / 1e7).collect()
}
