//! The results of an evaluation, which are written as JSON.

use std::{sync::Arc, time::Duration};

use chrono::NaiveDate;
use padan_inference::{Rate, Timings};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::{
    cross_pairs::CrossPairs, exclusions::Exclusion, labelled::CopiedPhoto, metrics::Accuracy,
    scored_pair::ScoredPair, skipped::SkippedFile,
};

/// The results of an evaluation, which are written as JSON.
#[derive(Debug, Serialize)]
pub struct Evaluation {
    /// The model set's name.
    pub model: String,
    /// When and by what the evaluation was made.
    #[serde(flatten)]
    pub made: Made,
    /// The result at the pass mark in one sentence.
    pub verdict: String,
    /// The names of the sources of the photos.
    pub sources: Vec<String>,
    /// The engine.
    pub engine: EvaluatedModel,
    /// The number of listed or sampled pairs.
    pub pairs: usize,
    /// The numbers of photos, persons and pairs.
    pub counts: Counts,
    /// The error rates of all photos with a face.
    #[serde(flatten)]
    pub figures: Figures,
    /// The error rates when every photo must satisfy the service's rules for selfies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_gates: Option<Figures>,
    /// The error rates at 60, 75 and 90 per cent.
    pub marks: Vec<Mark>,
    /// The error rates of each demographic group.
    pub groups: Vec<GroupFigures>,
    /// The files in folders of photos that were not read, and copies of photos.
    pub skipped: Vec<SkippedFile>,
    /// The photos with the same bytes as a photo with another label.
    pub copies: Vec<CopiedPhoto>,
    /// The photos without an embedding.
    pub failures_to_acquire: Vec<Failure>,
    /// The photos that the service would reject as selfies, with the reasons.
    pub turned_away: Vec<RejectedPhoto>,
    /// The excluded labels, which are known to be wrong.
    pub left_out: Vec<Exclusion>,
    /// The exclusions that nothing was left out for, because no photo has their paths.
    pub unmatched_exclusions: Vec<Exclusion>,
    /// Throughput on all cores, including the time to read files.
    pub images_per_second: f64,
    /// The mean time of each step on one core.
    pub milliseconds: Milliseconds,
    /// All listed or sampled pairs.
    pub scores: Vec<Score>,
}

/// When and by what an evaluation was made.
#[derive(Debug, Clone, Serialize)]
pub struct Made {
    /// The day.
    #[serde(rename = "made_on")]
    pub on: NaiveDate,
    /// The program and its version.
    #[serde(rename = "made_by")]
    pub by: String,
}

/// The evaluated model set, its calibration and placement.
#[derive(Debug, Clone, Serialize)]
pub struct EvaluatedModel {
    /// The set's name.
    pub set: String,
    /// The id of its model contract.
    pub contract: String,
    /// Digest of the embedder's file.
    pub embedder_sha256: String,
    /// The id of the calibration.
    pub calibration: String,
    /// The embedder's device.
    pub device: String,
    /// The embedder's precision.
    pub precision: String,
}

/// The numbers of photos, persons and pairs.
#[derive(Debug, Clone, Serialize)]
pub struct Counts {
    /// Photos.
    pub photos: usize,
    /// Persons, where identities are known.
    pub identities: Option<usize>,
    /// Where the identities come from.
    pub identities_from: Option<&'static str>,
    /// Listed or sampled genuine pairs.
    pub genuine: usize,
    /// Listed or sampled impostor pairs.
    pub impostor: usize,
    /// All genuine pairs of the photos.
    pub all_genuine: usize,
    /// All impostor pairs of the photos with an embedding. They share photos, so they are correlated.
    pub all_impostor: Option<u64>,
}

/// Error rates with or without the service's rules.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// The accuracy on the listed pairs.
    pub accuracy: Accuracy,
    /// The area under the ROC curve of the listed pairs.
    pub auc: f64,
    /// The equal error rate of the listed pairs.
    pub eer: f64,
    /// The false non-match rates, by false match rate.
    #[serde(serialize_with = "by_rate")]
    pub fnmr_at_fmr: Vec<OperatingPoint>,
    /// The pairs from which the thresholds are computed.
    pub thresholds_from: &'static str,
    /// Photos without an embedding, and rejected ones.
    pub photos_failed: usize,
}

/// The false non-match rates at the threshold of a false match rate.
#[derive(Debug, Clone, Serialize)]
pub struct OperatingPoint {
    /// The false match rate.
    pub fmr: f64,
    /// The threshold.
    pub cosine: f64,
    /// The false non-match rate of the listed genuine pairs.
    #[serde(flatten)]
    pub fnmr: NamedRate,
    /// The false non-match rate of all genuine pairs of the photos.
    pub all_genuine: Rate,
}

/// A rate whose value is written as `fnmr`.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct NamedRate {
    /// The measured value.
    pub fnmr: f64,
    /// Lower end of the 95 % confidence interval.
    pub low: f64,
    /// Upper end of the 95 % confidence interval.
    pub high: f64,
}

/// The error rates at a percentage.
#[derive(Debug, Clone, Serialize)]
pub struct Mark {
    /// The percentage.
    pub percentage: f64,
    /// Its cosine.
    pub cosine: f64,
    /// The false match rate; `None` when identities are unknown.
    pub fmr: Option<Rate>,
    /// The false non-match rate of all genuine pairs.
    pub fnmr: Rate,
}

/// The error rates of a demographic group.
#[derive(Debug, Clone, Serialize)]
pub struct GroupFigures {
    /// Its name.
    pub name: String,
    /// Photos with an embedding.
    pub photos: usize,
    /// Persons on these photos.
    pub persons: usize,
    /// Impostor pairs within the group. Both photos of a pair have the same source.
    pub impostor_pairs: u64,
    /// The false match rate at the pass mark.
    pub fmr_at_pass_mark: Rate,
    /// The threshold at which the false match rate is 1 in 1,000.
    pub cosine_at_1e_3: Option<f64>,
    /// Genuine pairs of the group.
    pub genuine_pairs: usize,
    /// The false non-match rate at the pass mark; `None` without genuine pairs.
    pub fnmr_at_pass_mark: Option<Rate>,
}

/// A photo without an embedding.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The photo.
    pub path: Arc<str>,
    /// The reason code or file error.
    pub reason: String,
}

/// A photo that the service would reject as a selfie.
#[derive(Debug, Clone, Serialize)]
pub struct RejectedPhoto {
    /// The photo.
    pub path: Arc<str>,
    /// The reason code.
    pub reason: &'static str,
    /// The quality of its face.
    pub quality: padan_inference::Quality,
}

/// Mean milliseconds for a photo, by step.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Milliseconds {
    /// Decoding.
    pub decode: f64,
    /// Detecting the face and its landmarks.
    pub detect: f64,
    /// Taking the aligned crop.
    pub align: f64,
    /// Measuring its quality.
    pub quality: f64,
    /// Computing the embedding.
    pub embed: f64,
}

/// The score of a pair.
#[derive(Debug, Clone, Serialize)]
pub struct Score {
    /// One photo.
    pub path_a: Arc<str>,
    /// The other.
    pub path_b: Arc<str>,
    /// Whether it is a genuine pair.
    pub same: bool,
    /// The fold of a cross-validation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
    /// The cosine; -1 when a photo failed, so that the pair matches at no threshold.
    pub cosine: f64,
    /// The percentage; 0 when a photo failed.
    pub percentage: f64,
    /// Whether a photo failed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

/// An evaluation with the data for its plots.
pub struct Evaluated {
    /// The results that are written as JSON.
    pub evaluation: Evaluation,
    /// All impostor pairs, where identities are known.
    pub cross: Option<CrossPairs>,
    /// All genuine pairs.
    pub genuine: Vec<ScoredPair>,
}

/// Serializes a map whose keys are false match rates such as `1e-3`.
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
