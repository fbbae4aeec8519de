use padan_domain::{Centre, InvalidCentre, ScoreTransformation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::calibration_rate::Rate;

/// What is done to two embeddings before their cosine is taken, as a table of a calibration. A scale without this table
/// takes the cosine as it is.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum CalibrationTransformation {
    /// The centre of a population is taken from both.
    Centre(CalibrationCentre),
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
pub(crate) enum InvalidTransformation {
    #[error(
        "the centre is the mean of {found} persons; expected at least {} for it to tell nobody's face",
        CalibrationCentre::MIN_PERSONS
    )]
    TooFewPersons { found: u64 },
    #[error("the centre has {found} components, and an embedding of this model has {expected}")]
    WrongLength { found: usize, expected: usize },
    #[error("expected every rate of the transformation's check in 0 to 1, found {0}")]
    Rate(f64),
    #[error(transparent)]
    Centre(#[from] InvalidCentre),
}

impl CalibrationCentre {
    /// The least number of persons: the mean of fewer could tell something about one of them.
    pub const MIN_PERSONS: u64 = 1000;
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
        let Self::Centre(centre) = self;
        if centre.persons < CalibrationCentre::MIN_PERSONS {
            return Err(InvalidTransformation::TooFewPersons { found: centre.persons });
        }
        let found = centre.components.len();
        if found != embedding_length {
            return Err(InvalidTransformation::WrongLength { found, expected: embedding_length });
        }
        if let Some(rate) = centre.check.rates().find(|rate| !(0.0..=1.0).contains(rate)) {
            return Err(InvalidTransformation::Rate(rate));
        }
        self.transformation()?;
        Ok(())
    }

    /// What the table says.
    ///
    /// # Errors
    ///
    /// [`InvalidCentre`] when the components are no mean of different faces.
    pub fn transformation(&self) -> Result<ScoreTransformation, InvalidCentre> {
        let Self::Centre(centre) = self;
        Centre::new(centre.components.clone()).map(ScoreTransformation::Centre)
    }

    /// Its kind, and 16 hexadecimal digits of a hash of what decides a comparison.
    pub(crate) fn name(&self) -> String {
        let Self::Centre(_) = self;
        format!("centre {}", hex::encode(&self.add_to(Sha256::new()).finalize()[..8]))
    }

    /// Adds what decides a comparison to the hash of a calibration.
    pub(crate) fn add_to(&self, hash: Sha256) -> Sha256 {
        let Self::Centre(centre) = self;
        let hash = hash.chain_update(b"\0centre\0");
        centre.components.iter().fold(hash, |hash, value| hash.chain_update(value.to_bits().to_be_bytes()))
    }
}
