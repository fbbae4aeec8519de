//! What labelled photos say about a model set: how often it is wrong, at which threshold.

use std::time::Duration;

use padan_domain::{Calibration, Embedding, Percentage, Similarity};
use padan_inference::{Rate, Timings};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::{
    bootstrap::Bootstrap,
    cross_pairs::CrossPairs,
    labelled::Labelled,
    left_out::LeftOutEntry,
    measured::{Measured, Outcome},
    metrics::{self, Accuracy, Scored},
};

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
    pub path: String,
    /// Why.
    pub reason: String,
}

/// A photo that the service would turn away.
#[derive(Debug, Clone, Serialize)]
pub struct TurnedAway {
    /// The photo.
    pub path: String,
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
    pub path_a: String,
    /// The other.
    pub path_b: String,
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

/// The false match rates that are reported as far as the data reaches.
const RATES: [f64; 5] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];
/// The percentages that are reported.
const MARKS: [f64; 3] = [60.0, 75.0, 90.0];
const FAILED: f64 = -1.0;

/// Computes every figure. `with_gates` adds those under the service's rules.
pub fn evaluate(
    labelled: &Labelled,
    measured: &Measured,
    (model, calibration): (EvaluatedModel, &Calibration),
    with_gates: bool,
) -> Evaluated {
    let plain: Vec<_> = measured.outcomes.iter().map(Outcome::embedding).collect();
    let known = labelled.identities_from.is_some();
    let cross = known.then(|| CrossPairs::compute(labelled, &plain, |_| true));
    let genuine = scored(&plain, labelled.all_genuine_pairs());
    let figures = Figures::of(labelled, &plain, cross.as_ref());
    let gated = with_gates.then(|| {
        let gated: Vec<_> = measured.outcomes.iter().map(Outcome::gated_embedding).collect();
        let cross = known.then(|| CrossPairs::compute(labelled, &gated, |_| true));
        Figures::of(labelled, &gated, cross.as_ref())
    });
    let bootstrap = Bootstrap::new(labelled, |at| plain[at].is_some());
    let marks = MARKS.map(|percentage| {
        let cosine = calibration.cosine(Percentage::new(percentage));
        let fmr = cross.as_ref().map(|cross| bootstrap.fmr(cross, cosine));
        Mark { percentage, cosine, fmr, fnmr: bootstrap.fnmr(&genuine, cosine) }
    });
    let score = |pair: &crate::LabelledPair| {
        let cosine = cosine(&plain, pair.a, pair.b);
        let percentage =
            cosine.map_or(0.0, |cosine| calibration.percentage(Similarity::from_cosine(cosine)).value());
        let [a, b] = [pair.a, pair.b].map(|at| labelled.photos[at].name.clone());
        let (cosine, failed) = (cosine.unwrap_or(FAILED), cosine.is_none());
        Score { path_a: a, path_b: b, same: pair.same, fold: pair.fold, cosine, percentage, failed }
    };
    let genuine_listed = labelled.pairs.iter().filter(|pair| pair.same).count();
    let evaluation = Evaluation {
        model: model.set.clone(),
        engine: model,
        pairs: labelled.pairs.len(),
        counts: Counts {
            photos: labelled.photos.len(),
            identities: known.then(|| labelled.persons()),
            identities_from: labelled.identities_from,
            genuine: genuine_listed,
            impostor: labelled.pairs.len() - genuine_listed,
            all_genuine: genuine.len(),
            all_impostor: cross.as_ref().map(CrossPairs::total),
        },
        figures,
        with_gates: gated,
        marks: marks.into(),
        groups: if known {
            groups(labelled, &plain, &genuine, calibration.pass_cosine())
        } else {
            Vec::new()
        },
        failures_to_acquire: failures(labelled, measured),
        turned_away: turned_away(labelled, measured),
        left_out: labelled.left_out.entries.clone(),
        images_per_second: labelled.photos.len() as f64 / measured.wall.as_secs_f64().max(1e-9),
        milliseconds: measured.mean.into(),
        scores: labelled.pairs.iter().map(score).collect(),
    };
    Evaluated { evaluation, cross, genuine }
}

impl Figures {
    /// `cross` holds the cross-identity pairs of the same embeddings, where identities are known.
    fn of(labelled: &Labelled, embeddings: &[Option<&Embedding>], cross: Option<&CrossPairs>) -> Self {
        let pairs: Vec<_> = (labelled.pairs.iter())
            .map(|pair| Scored {
                cosine: cosine(embeddings, pair.a, pair.b).unwrap_or(FAILED),
                same: pair.same,
                fold: pair.fold,
            })
            .collect();
        let listed: Vec<_> =
            labelled.pairs.iter().filter(|pair| pair.same).map(|pair| (pair.a, pair.b)).collect();
        let (listed, all) = (scored(embeddings, listed), scored(embeddings, labelled.all_genuine_pairs()));
        let bootstrap = Bootstrap::new(labelled, |at| embeddings[at].is_some());
        let (_, impostors) = metrics::split(&pairs);
        let point = |fmr: f64| {
            let cosine = match cross {
                Some(cross) => cross.cosine_at(fmr)?,
                None => metrics::cosine_at_fmr(&impostors, fmr)?,
            };
            let missed = |genuine: &[(usize, usize, f64)]| match cross {
                Some(cross) => bootstrap.fnmr_at_fmr(genuine, cross, (fmr, cosine)),
                None => bootstrap.fnmr(genuine, cosine),
            };
            let (of_listed, all_genuine) = (missed(&listed), missed(&all));
            let Rate { value, low, high } = of_listed;
            Some(OperatingPoint { fmr, cosine, fnmr: NamedRate { fnmr: value, low, high }, all_genuine })
        };
        Self {
            accuracy: metrics::accuracy(&pairs),
            auc: metrics::auc(&pairs),
            eer: metrics::equal_error_rate(&pairs),
            fnmr_at_fmr: RATES.into_iter().filter_map(point).collect(),
            thresholds_from: match cross {
                Some(_) => "all cross-identity pairs of the photos",
                None => "the listed impostor pairs",
            },
            photos_failed: embeddings.iter().filter(|embedding| embedding.is_none()).count(),
        }
    }
}

/// The cosine of two photos; `None` when one failed.
pub(crate) fn cosine(embeddings: &[Option<&Embedding>], a: usize, b: usize) -> Option<f64> {
    let similarity = embeddings[a]?.similarity(embeddings[b]?)?;
    Some(similarity.cosine())
}

/// Pairs with their cosines, -1 where a photo failed.
pub(crate) fn scored(
    embeddings: &[Option<&Embedding>],
    pairs: Vec<(usize, usize)>,
) -> Vec<(usize, usize, f64)> {
    pairs.into_iter().map(|(a, b)| (a, b, cosine(embeddings, a, b).unwrap_or(FAILED))).collect()
}

fn groups(
    labelled: &Labelled,
    embeddings: &[Option<&Embedding>],
    genuine: &[(usize, usize, f64)],
    pass_mark: f64,
) -> Vec<GroupFigures> {
    let figures = |(number, name): (usize, &String)| {
        let belongs = |at: usize| labelled.photos[at].group == Some(number) && embeddings[at].is_some();
        let photos: Vec<_> = (0..labelled.photos.len()).filter(|at| belongs(*at)).collect();
        let cross = CrossPairs::compute(labelled, embeddings, belongs);
        let bootstrap = Bootstrap::new(labelled, belongs);
        let of_group = |at: usize| labelled.photos[at].group == Some(number);
        let genuine: Vec<_> =
            genuine.iter().filter(|(a, b, _)| of_group(*a) && of_group(*b)).copied().collect();
        let persons: std::collections::HashSet<_> =
            photos.iter().map(|at| labelled.photos[*at].identity).collect();
        GroupFigures {
            name: name.clone(),
            photos: photos.len(),
            persons: persons.len(),
            impostor_pairs: cross.total(),
            fmr_at_pass_mark: bootstrap.fmr(&cross, pass_mark),
            cosine_at_1e_3: cross.cosine_at(1e-3),
            genuine_pairs: genuine.len(),
            fnmr_at_pass_mark: (!genuine.is_empty()).then(|| bootstrap.fnmr(&genuine, pass_mark)),
        }
    };
    labelled.groups.iter().enumerate().map(figures).collect()
}

fn failures(labelled: &Labelled, measured: &Measured) -> Vec<Failure> {
    let failed =
        labelled.photos.iter().zip(&measured.outcomes).filter_map(|(photo, outcome)| match outcome {
            Outcome::Failed { reason } => Some(Failure { path: photo.name.clone(), reason: reason.clone() }),
            Outcome::Face(_) => None,
        });
    failed.collect()
}

fn turned_away(labelled: &Labelled, measured: &Measured) -> Vec<TurnedAway> {
    let turned =
        labelled.photos.iter().zip(&measured.outcomes).filter_map(|(photo, outcome)| match outcome {
            Outcome::Face(face) => {
                let reason = face.broken_rule?.reason().as_str();
                Some(TurnedAway { path: photo.name.clone(), reason, quality: face.quality })
            }
            Outcome::Failed { .. } => None,
        });
    turned.collect()
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
