//! The figures of an evaluation, as they are written for programs.

use std::{sync::Arc, time::Duration};

use padan_inference::{Rate, Timings};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::{cross_pairs::CrossPairs, left_out::LeftOutEntry, metrics::Accuracy};

/// The outcome of an evaluation, as it is written for programs.
#[derive(Debug, Serialize)]
pub struct Evaluation {
    /// The model set.
    pub model: String,
    /// What it computed with.
    pub engine: EvaluatedModel,
    /// How many pairs were listed, or drawn.
    pub pairs: usize,
    /// What there was to compare.
    pub counts: Counts,
    /// With no rule but that a face is found.
    #[serde(flatten)]
    pub figures: Figures,
    /// With the service's rules for selfies on every photo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_gates: Option<Figures>,
    /// At 60, 75 and 90 per cent.
    pub marks: Vec<Mark>,
    /// By group of people.
    pub groups: Vec<GroupFigures>,
    /// The photos that gave no embedding.
    pub failures_to_acquire: Vec<Failure>,
    /// The photos that the service would turn away as selfies, with the reasons.
    pub turned_away: Vec<TurnedAway>,
    /// Labels that are known to be wrong.
    pub left_out: Vec<LeftOutEntry>,
    /// All cores at work, reading files included.
    pub images_per_second: f64,
    /// The mean time of each step on one core.
    pub milliseconds: Milliseconds,
    /// Every pair that was listed, or drawn.
    pub scores: Vec<Score>,
}

/// The model set and the scale of its percentages.
#[derive(Debug, Clone, Serialize)]
pub struct EvaluatedModel {
    /// The set's name.
    pub set: String,
    /// The contract of its embeddings.
    pub contract: String,
    /// The embedder's file.
    pub embedder_sha256: String,
    /// The calibration in use.
    pub calibration: String,
    /// Where it ran.
    pub device: String,
    /// The numbers that the embedder computes with there.
    pub precision: String,
}

/// What there was to compare.
#[derive(Debug, Clone, Serialize)]
pub struct Counts {
    /// Photos.
    pub photos: usize,
    /// Persons, where they are known.
    pub identities: Option<usize>,
    /// Where the identities come from.
    pub identities_from: Option<&'static str>,
    /// Listed or drawn pairs of one person.
    pub genuine: usize,
    /// Listed or drawn pairs of two persons.
    pub impostor: usize,
    /// Pairs of one person among all photos.
    pub all_genuine: usize,
    /// Pairs of two persons among all photos with an embedding; they share photos, so they are correlated.
    pub all_impostor: Option<u64>,
}

/// The figures of one way to treat photos.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Of the listed pairs.
    pub accuracy: Accuracy,
    /// Of the listed pairs.
    pub auc: f64,
    /// Of the listed pairs.
    pub eer: f64,
    /// By false match rate.
    #[serde(serialize_with = "by_rate")]
    pub fnmr_at_fmr: Vec<OperatingPoint>,
    /// From what the thresholds were taken.
    pub thresholds_from: &'static str,
    /// Photos without an embedding, or turned away.
    pub photos_failed: usize,
}

/// How many genuine pairs are missed at the threshold of a false match rate.
#[derive(Debug, Clone, Serialize)]
pub struct OperatingPoint {
    /// The false match rate.
    pub fmr: f64,
    /// The threshold.
    pub cosine: f64,
    /// The share of the listed genuine pairs that is missed.
    #[serde(flatten)]
    pub fnmr: NamedRate,
    /// The same over all genuine pairs among the photos.
    pub all_genuine: Rate,
}

/// A rate whose value is called `fnmr`.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct NamedRate {
    /// As measured.
    pub fnmr: f64,
    /// The interval of 95 %.
    pub low: f64,
    /// The interval of 95 %.
    pub high: f64,
}

/// What a percentage stands for on these photos.
#[derive(Debug, Clone, Serialize)]
pub struct Mark {
    /// The percentage.
    pub percentage: f64,
    /// The cosine there.
    pub cosine: f64,
    /// The share of impostor pairs that reach it; `None` when identities are not known.
    pub fmr: Option<Rate>,
    /// The share of all genuine pairs that do not.
    pub fnmr: Rate,
}

/// The figures of a group of people.
#[derive(Debug, Clone, Serialize)]
pub struct GroupFigures {
    /// Its name.
    pub name: String,
    /// Photos with an embedding.
    pub photos: usize,
    /// Persons on them.
    pub persons: usize,
    /// Pairs of two persons of the group, from one source.
    pub impostor_pairs: u64,
    /// The share of those that reach the pass mark.
    pub fmr_at_pass_mark: Rate,
    /// The threshold at which one of a thousand of those matches.
    pub cosine_at_1e_3: Option<f64>,
    /// Pairs of one person of the group.
    pub genuine_pairs: usize,
    /// The share of those that does not reach the pass mark; `None` without any.
    pub fnmr_at_pass_mark: Option<Rate>,
}

/// A photo without an embedding.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The photo.
    pub path: Arc<str>,
    /// Why.
    pub reason: String,
}

/// A photo that the service would turn away.
#[derive(Debug, Clone, Serialize)]
pub struct TurnedAway {
    /// The photo.
    pub path: Arc<str>,
    /// The reason code.
    pub reason: &'static str,
    /// What was judged; `None` where no face was found.
    pub quality: padan_inference::Quality,
}

/// Mean milliseconds a photo.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Milliseconds {
    /// Bytes to pixels.
    pub decode: f64,
    /// Finding the face and its landmarks.
    pub detect: f64,
    /// Taking the crop.
    pub align: f64,
    /// Judging it.
    pub quality: f64,
    /// The embedding.
    pub embed: f64,
}

/// A pair.
#[derive(Debug, Clone, Serialize)]
pub struct Score {
    /// One photo.
    pub path_a: Arc<str>,
    /// The other.
    pub path_b: Arc<str>,
    /// Whether they show one person.
    pub same: bool,
    /// The part of a cross-validation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
    /// -1 when a photo failed: the pair matches at no threshold.
    pub cosine: f64,
    /// 0 when a photo failed.
    pub percentage: f64,
    /// Whether a photo failed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

/// An evaluation with what its pictures are drawn from.
pub struct Evaluated {
    /// What is written for programs.
    pub evaluation: Evaluation,
    /// All pairs of two persons, where persons are known.
    pub cross: Option<CrossPairs>,
    /// All genuine pairs with their cosines, -1 where a photo failed.
    pub genuine: Vec<(usize, usize, f64)>,
}

/// A table by false match rate, written as `1e-3`.
fn by_rate<S: Serializer>(points: &[OperatingPoint], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(points.len()))?;
    for point in points {
        map.serialize_entry(&format!("{:e}", point.fmr), point)?;
    }
    map.end()
}

impl From<Timings> for Milliseconds {
    fn from(timings: Timings) -> Self {
        let milliseconds = |step: Duration| step.as_secs_f64() * 1e3;
        Self {
            decode: milliseconds(timings.decode),
            detect: milliseconds(timings.detect),
            align: milliseconds(timings.align),
            quality: milliseconds(timings.quality),
            embed: milliseconds(timings.embed),
        }
    }
}
