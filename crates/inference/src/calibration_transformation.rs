use std::sync::Arc;

use padan_domain::{
    Centre, Cohort, CohortNumbers, CohortScore, CohortScoreKind, InvalidCentre, ScoreTransformation,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::calibration_rate::Rate;

/// What is done to two embeddings before their cosine is taken, as a table of a calibration. A scale without this table
/// takes the cosine as it is.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum CalibrationTransformation {
    /// The centre of a population is taken from both.
    Centre(CalibrationCentre),
    /// The mean of each face's highest cosines with a cohort is taken from the cosine.
    TopMean(CalibrationCohort),
    /// The cosine is measured in deviations of each face's highest cosines with a cohort.
    Symmetric(CalibrationCohort),
}

/// The mean of the embeddings of many persons, with what it was found to change.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationCentre {
    /// How many persons it is the mean of, one photo each.
    pub persons: u64,
    /// The components.
    pub components: Vec<f64>,
    /// What it changes among other persons than those whose mean it is.
    pub check: TransformationCheck,
}

/// A cohort of other people, which is sealed in the store, and how it is used.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationCohort {
    /// The cohort's id: a digest of its people's embeddings.
    pub cohort: String,
    /// How many people it has, one photo each.
    pub persons: u64,
    /// How many of a face's highest cosines with the cohort are used.
    pub top: usize,
    /// The cosine from which on one of the cohort is the compared person and does not count.
    pub same_person: f64,
    /// The mean of the highest cosines of the cohort's own people.
    pub level: f64,
    /// Their deviation.
    pub spread: f64,
    /// What it changes among other persons than those of the cohort.
    pub check: TransformationCheck,
}

/// What a transformation changes, at the pass marks that the rules of the scale give with it and without it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TransformationCheck {
    /// Persons, none of whom is among those that the transformation was chosen on.
    pub persons: usize,
    /// The share of genuine pairs that are missed.
    pub fnmr: BeforeAndAfter,
    /// The share of impostor pairs that match, in each group of persons.
    #[serde(default, rename = "group", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupCheck>,
}

/// What a transformation changes in a group.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupCheck {
    /// The group's name.
    pub name: String,
    /// The persons of the group.
    pub persons: usize,
    /// The share of its impostor pairs that match.
    pub fmr: BeforeAndAfter,
}

/// A rate without and with a transformation.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BeforeAndAfter {
    /// The 95 % confidence interval of the difference, from a bootstrap over persons; positive where the rate rises.
    pub change: [f64; 2],
    /// Without it.
    pub before: Rate,
    /// With it.
    pub after: Rate,
}

/// Why a table is no transformation of a model set's embeddings.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidTransformation {
    /// A mean of few faces tells something about one of them.
    #[error(
        "the centre is the mean of {found} persons; expected at least {} for it to tell nobody's face",
        CalibrationCentre::MIN_PERSONS
    )]
    TooFewPersons {
        /// The number of persons.
        found: u64,
    },
    /// The model's embeddings have another length.
    #[error("the centre has {found} components, and an embedding of this model has {expected}")]
    WrongLength {
        /// The components of the centre.
        found: usize,
        /// The components of an embedding.
        expected: usize,
    },
    /// A rate is no share.
    #[error("expected every rate of the transformation's check in 0 to 1, found {0}")]
    Rate(f64),
    /// The components are no mean of faces.
    #[error(transparent)]
    Centre(#[from] InvalidCentre),
    /// Too few or too many people.
    #[error(
        "the cohort has {found} persons; expected {} to {}",
        CalibrationCohort::MIN_PERSONS,
        Cohort::MAX_PEOPLE
    )]
    CohortPersons {
        /// The number of persons.
        found: u64,
    },
    /// A number of a cohort's score is out of range.
    #[error("the number {0} of the cohort is out of range")]
    CohortNumber(&'static str),
    /// The scale can only be used by a program that reads the store.
    #[error(
        "this scale needs the cohort {0}, which is in the store: `padan calibration activate` makes services use it, and it \
         cannot be installed beside the program"
    )]
    NeedsCohort(String),
}

impl CalibrationCentre {
    /// The least number of persons: the mean of fewer could tell something about one of them.
    pub const MIN_PERSONS: u64 = 1000;
}

impl CalibrationCohort {
    /// The least number of persons: fewer are no sample of a population.
    pub const MIN_PERSONS: u64 = 1000;
    /// The most that the highest cosines may be.
    const MAX_TOP: usize = 500;

    fn check(&self) -> Result<(), InvalidTransformation> {
        if !(Self::MIN_PERSONS..=Cohort::MAX_PEOPLE as u64).contains(&self.persons) {
            return Err(InvalidTransformation::CohortPersons { found: self.persons });
        }
        let is_id = self.cohort.len() == 32
            && self.cohort.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        // NaN is in no range.
        let wrong = [
            ("cohort", is_id),
            ("top", (2..=Self::MAX_TOP).contains(&self.top)),
            ("same_person", (0.0..=1.0).contains(&self.same_person)),
            ("level", (-1.0..=1.0).contains(&self.level)),
            ("spread", (0.001..=1.0).contains(&self.spread)),
        ];
        match wrong.into_iter().find(|(_, fits)| !fits) {
            Some((name, _)) => Err(InvalidTransformation::CohortNumber(name)),
            None => Ok(()),
        }
    }

    fn score(
        &self,
        kind: CohortScoreKind,
        cohort: Option<Arc<Cohort>>,
    ) -> Result<ScoreTransformation, InvalidTransformation> {
        let cohort = cohort.ok_or_else(|| InvalidTransformation::NeedsCohort(self.cohort.clone()))?;
        let Self { top, same_person, level, spread, .. } = *self;
        let numbers = CohortNumbers { top, same_person, level, spread };
        Ok(ScoreTransformation::Cohort(CohortScore::new(cohort, kind, numbers)))
    }
}

impl TransformationCheck {
    /// Every rate in it.
    fn rates(&self) -> impl Iterator<Item = f64> {
        let all = std::iter::once(&self.fnmr).chain(self.groups.iter().map(|group| &group.fmr));
        all.flat_map(|rates| [rates.before, rates.after]).flat_map(|rate| [rate.value, rate.low, rate.high])
    }
}

impl CalibrationTransformation {
    /// Checks that the table fits embeddings of this length.
    pub(crate) fn check(&self, embedding_length: usize) -> Result<(), InvalidTransformation> {
        match self {
            Self::Centre(centre) => {
                if centre.persons < CalibrationCentre::MIN_PERSONS {
                    return Err(InvalidTransformation::TooFewPersons { found: centre.persons });
                }
                let found = centre.components.len();
                if found != embedding_length {
                    return Err(InvalidTransformation::WrongLength { found, expected: embedding_length });
                }
                self.transformation(None)?;
            }
            Self::TopMean(cohort) | Self::Symmetric(cohort) => cohort.check()?,
        }
        match self.what_changes().rates().find(|rate| !(0.0..=1.0).contains(rate)) {
            Some(rate) => Err(InvalidTransformation::Rate(rate)),
            None => Ok(()),
        }
    }

    /// What the table says.
    ///
    /// # Errors
    ///
    /// [`InvalidTransformation`] when the components are no mean of different faces, or the cohort is not given.
    pub fn transformation(
        &self,
        cohort: Option<Arc<Cohort>>,
    ) -> Result<ScoreTransformation, InvalidTransformation> {
        match self {
            Self::Centre(centre) => {
                Ok(Centre::new(centre.components.clone()).map(ScoreTransformation::Centre)?)
            }
            Self::TopMean(table) => table.score(CohortScoreKind::TopMean, cohort),
            Self::Symmetric(table) => table.score(CohortScoreKind::Symmetric, cohort),
        }
    }

    /// The cohort that it needs.
    pub fn cohort(&self) -> Option<&CalibrationCohort> {
        match self {
            Self::Centre(_) => None,
            Self::TopMean(cohort) | Self::Symmetric(cohort) => Some(cohort),
        }
    }

    /// What it changes among other persons than those that it was made of.
    pub fn what_changes(&self) -> &TransformationCheck {
        match self {
            Self::Centre(centre) => &centre.check,
            Self::TopMean(cohort) | Self::Symmetric(cohort) => &cohort.check,
        }
    }

    /// How many persons it was made of.
    pub fn persons(&self) -> u64 {
        match self {
            Self::Centre(centre) => centre.persons,
            Self::TopMean(cohort) | Self::Symmetric(cohort) => cohort.persons,
        }
    }

    /// Its kind, as the file names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Centre(_) => "centre",
            Self::TopMean(_) => "top-mean",
            Self::Symmetric(_) => "symmetric",
        }
    }

    /// Its kind, and 16 hexadecimal digits of a hash of what decides a comparison.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.kind(), hex::encode(&self.add_to(Sha256::new()).finalize()[..8]))
    }

    /// Adds what decides a comparison to the hash of a calibration.
    pub(crate) fn add_to(&self, hash: Sha256) -> Sha256 {
        let hash = hash.chain_update(b"\0").chain_update(self.kind()).chain_update(b"\0");
        match self {
            Self::Centre(centre) => centre
                .components
                .iter()
                .fold(hash, |hash, value| hash.chain_update(value.to_bits().to_be_bytes())),
            Self::TopMean(table) | Self::Symmetric(table) => {
                let hash = hash.chain_update(&table.cohort).chain_update((table.top as u64).to_be_bytes());
                let numbers = [table.same_person, table.level, table.spread];
                numbers.iter().fold(hash, |hash, value| hash.chain_update(value.to_bits().to_be_bytes()))
            }
        }
    }
}
