//! Computes the error rates of a model set on labelled photos.

use std::sync::Arc;

use padan_domain::{Calibration, Percentage, Similarity};
use padan_inference::Rate;

use crate::{
    bootstrap::Bootstrap,
    cross_pairs::CrossPairs,
    evaluation::{
        Counts, Evaluated, EvaluatedModel, Evaluation, Failure, Figures, GroupFigures, Made, Mark, NamedRate,
        OperatingPoint, RejectedPhoto, Score,
    },
    labelled::{Labelled, LabelledPair},
    measured::{Measured, Outcome},
    metrics::{self, LabelledScore},
    scored_pair::{Face, ScoredPair, cosine, score_pairs},
    verdict::verdict,
};

/// The false match rates that are reported if there are enough pairs.
const RATES: [f64; 5] = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6];
/// The percentages whose error rates are reported.
const MARKS: [f64; 3] = [60.0, 75.0, 90.0];

/// Computes all error rates. `with_gates` adds those under the service's rules for selfies.
pub fn evaluate(
    labelled: &Labelled,
    measured: &Measured,
    model: EvaluatedModel,
    made: Made,
    calibration: &Calibration,
    with_gates: bool,
) -> Evaluated {
    let measured = &*measured.under(calibration.transformation());
    let plain: Vec<_> = measured.outcomes.iter().map(Outcome::face).collect();
    let identities_known = labelled.identities_from.is_some();
    let cross = identities_known.then(|| CrossPairs::compute(labelled, &plain, |_| true));
    let genuine = score_pairs(&plain, labelled.all_genuine_pairs());
    let figures = Figures::of(labelled, &plain, cross.as_ref());
    let gated = with_gates.then(|| {
        let gated: Vec<_> = measured.outcomes.iter().map(Outcome::gated_face).collect();
        let cross = identities_known.then(|| CrossPairs::compute(labelled, &gated, |_| true));
        Figures::of(labelled, &gated, cross.as_ref())
    });
    let bootstrap = Bootstrap::new(labelled, |at| plain[at].is_some());
    let marks = MARKS.map(|percentage| {
        let cosine = calibration.cosine(Percentage::new(percentage));
        let fmr = cross.as_ref().map(|cross| bootstrap.fmr(cross, cosine));
        Mark { percentage, cosine, fmr, fnmr: bootstrap.fnmr(&genuine, cosine) }
    });
    let score = |pair: &LabelledPair| {
        let cosine = cosine(&plain, pair.a, pair.b);
        let percentage =
            cosine.map_or(0.0, |cosine| calibration.percentage(Similarity::from_cosine(cosine)).value());
        let [a, b] = [pair.a, pair.b].map(|at| Arc::clone(&labelled.photos[at].name));
        let (cosine, failed) = (cosine.unwrap_or(ScoredPair::FAILED), cosine.is_none());
        Score { path_a: a, path_b: b, same: pair.same, fold: pair.fold, cosine, percentage, failed }
    };
    let genuine_listed = labelled.pairs.iter().filter(|pair| pair.same).count();
    let counts = Counts {
        photos: labelled.photos.len(),
        identities: identities_known.then(|| labelled.persons()),
        identities_from: labelled.identities_from,
        genuine: genuine_listed,
        impostor: labelled.pairs.len() - genuine_listed,
        all_genuine: genuine.len(),
        all_impostor: cross.as_ref().map(CrossPairs::total),
    };
    let evaluation = Evaluation {
        model: model.set.clone(),
        made,
        verdict: verdict(&marks, &counts),
        sources: labelled.sources.clone(),
        engine: model,
        pairs: labelled.pairs.len(),
        counts,
        figures,
        with_gates: gated,
        marks: marks.into(),
        groups: if identities_known {
            groups(labelled, &plain, &genuine, calibration.pass_cosine())
        } else {
            Vec::new()
        },
        skipped: labelled.skipped.clone(),
        copies: labelled.copies.clone(),
        failures_to_acquire: failures(labelled, measured),
        turned_away: rejected_photos(labelled, measured),
        left_out: labelled.matched_exclusions(),
        unmatched_exclusions: labelled.unmatched_exclusions().into_iter().cloned().collect(),
        images_per_second: labelled.photos.len() as f64 / measured.wall.as_secs_f64().max(1e-9),
        milliseconds: measured.mean.into(),
        scores: labelled.pairs.iter().map(score).collect(),
    };
    Evaluated { evaluation, cross, genuine }
}

impl Figures {
    /// `cross` has the impostor pairs of the same faces if identities are known.
    fn of(labelled: &Labelled, faces: &[Option<Face>], cross: Option<&CrossPairs>) -> Self {
        let pairs: Vec<_> = (labelled.pairs.iter())
            .map(|pair| LabelledScore {
                cosine: cosine(faces, pair.a, pair.b).unwrap_or(ScoredPair::FAILED),
                same: pair.same,
                fold: pair.fold,
            })
            .collect();
        let listed: Vec<_> =
            labelled.pairs.iter().filter(|pair| pair.same).map(|pair| (pair.a, pair.b)).collect();
        let listed = score_pairs(faces, listed);
        let all = score_pairs(faces, labelled.all_genuine_pairs());
        let bootstrap = Bootstrap::new(labelled, |at| faces[at].is_some());
        let (_, impostors) = metrics::split(&pairs);
        let point = |fmr: f64| {
            let cosine = match cross {
                Some(cross) => cross.cosine_at(fmr)?,
                None => metrics::cosine_at_fmr(&impostors, fmr)?,
            };
            let fnmr_of = |genuine: &[ScoredPair]| match cross {
                Some(cross) => bootstrap.fnmr_at_fmr(genuine, cross, fmr, cosine),
                None => bootstrap.fnmr(genuine, cosine),
            };
            let Rate { value, low, high } = fnmr_of(&listed);
            let all_genuine = fnmr_of(&all);
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
            photos_failed: faces.iter().filter(|face| face.is_none()).count(),
        }
    }
}

fn groups(
    labelled: &Labelled,
    faces: &[Option<Face>],
    genuine: &[ScoredPair],
    pass_mark: f64,
) -> Vec<GroupFigures> {
    let figures = |(number, name): (usize, &String)| {
        let belongs = |at: usize| labelled.photos[at].group == Some(number) && faces[at].is_some();
        let photos: Vec<_> = (0..labelled.photos.len()).filter(|at| belongs(*at)).collect();
        let cross = CrossPairs::compute(labelled, faces, belongs);
        let bootstrap = Bootstrap::new(labelled, belongs);
        let of_group = |at: usize| labelled.photos[at].group == Some(number);
        let genuine: Vec<_> =
            genuine.iter().filter(|pair| of_group(pair.a) && of_group(pair.b)).copied().collect();
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
            Outcome::Failed { reason } => {
                Some(Failure { path: Arc::clone(&photo.name), reason: reason.clone() })
            }
            Outcome::Face(_) => None,
        });
    failed.collect()
}

fn rejected_photos(labelled: &Labelled, measured: &Measured) -> Vec<RejectedPhoto> {
    let rejected =
        labelled.photos.iter().zip(&measured.outcomes).filter_map(|(photo, outcome)| match outcome {
            Outcome::Face(face) => {
                let reason = face.broken_rule?.reason().as_str();
                Some(RejectedPhoto { path: Arc::clone(&photo.name), reason, quality: face.quality })
            }
            Outcome::Failed { .. } => None,
        });
    rejected.collect()
}
