//! Makes the calibration, the scale of percentages, from labelled photos.

#[cfg(test)]
mod tests;

use chrono::NaiveDate;
use padan_domain::ScoreTransformation;
use padan_inference::{
    CalibrationFile, CalibrationGroup, CalibrationMark, CalibrationSource, CalibrationTransformation,
    GroupRate, ModelSet, Rate,
};

use crate::{
    bootstrap::Bootstrap,
    cross_pairs::CrossPairs,
    fmr_curve::FmrCurve,
    labelled::Labelled,
    measured::{Measured, Outcome},
    metrics::{quantile, share_reaching},
    scale::{
        CalibrationError, HighestAnchor, MARKS, MIN_PAIRS_AT_THRESHOLD, WORST_GROUP_FMR, anchors,
        check_impostor_pairs, is_large_enough, pass_mark, points, round_cosine, round_interval,
    },
    scored_pair::{Face, ScoredPair, score_pairs},
};

/// The share of genuine pairs below 100 %.
const GENUINE_BELOW_100: f64 = 0.99;

/// Makes the calibration, with the measurements behind it. Faces are compared under the transformation, which the table
/// describes.
///
/// # Errors
///
/// [`CalibrationError`] when identities are unknown, there are too few pairs or the anchors do not increase.
pub fn calibrate(
    labelled: &Labelled,
    measured: &Measured,
    (transformation, table): (&ScoreTransformation, Option<&CalibrationTransformation>),
    set: &ModelSet,
    made_on: NaiveDate,
) -> Result<CalibrationFile, CalibrationError> {
    if labelled.identities_from.is_none() {
        return Err(CalibrationError::NoIdentities);
    }
    let measured = &*measured.under(transformation);
    let faces: Vec<_> = measured.outcomes.iter().map(Outcome::face).collect();
    let pooled = CrossPairs::compute(labelled, &faces, |_| true);
    let genuine = score_pairs(&faces, labelled.all_genuine_pairs());
    check_pair_counts(&pooled, genuine.len())?;
    let curve = FmrCurve::new(&pooled, MIN_PAIRS_AT_THRESHOLD);
    let groups: Vec<_> = (0..labelled.groups.len()).map(|group| Group::of(labelled, &faces, group)).collect();
    let large = groups.iter().filter(|group| group.is_large_enough());
    let pass_mark = pass_mark(&curve, large.filter_map(|group| group.cross.cosine_at(WORST_GROUP_FMR)));
    let mut cosines: Vec<_> = genuine.iter().map(|pair| pair.cosine).collect();
    cosines.sort_by(f64::total_cmp);
    let highest = HighestAnchor {
        cosine: quantile(&cosines, GENUINE_BELOW_100).unwrap_or(1.0).min(1.0),
        definition: "the 99th percentile of genuine pairs".to_owned(),
    };
    let anchors = anchors(&pooled, &curve, &pass_mark, &highest)?;
    let points = points(&curve, &anchors, |cosine| Some(1.0 - share_reaching(&cosines, cosine)))?;
    let bootstrap = Bootstrap::new(labelled, |at| faces[at].is_some());
    let cosine_at =
        |percentage: f64| points.iter().find(|p| p.percentage >= percentage).map_or(1.0, |p| p.cosine);
    let mark = |percentage: f64| {
        let cosine = cosine_at(percentage);
        CalibrationMark {
            percentage,
            cosine,
            extrapolated: curve.is_extrapolated(cosine),
            fmr: round_interval(bootstrap.fmr(&pooled, cosine)),
            worst_group: worst_group_at(&groups, labelled, cosine),
            fnmr: Some(round_interval(bootstrap.fnmr(&genuine, cosine))),
        }
    };
    let marks: Vec<_> = MARKS.into_iter().map(mark).collect();
    Ok(CalibrationFile {
        version: CalibrationFile::version_of(table),
        set: set.name().to_owned(),
        embedder_sha256: set.embedder.canonical().sha256,
        made_on: made_on.to_string(),
        impostor_pairs: pooled.total(),
        groups: groups.iter().map(|group| group.describe(labelled, pass_mark.cosine)).collect(),
        sources: sources(labelled, &faces, &genuine),
        pass_mark,
        people: None,
        transformation: table.cloned(),
        marks,
        points,
    })
}

fn check_pair_counts(pooled: &CrossPairs, genuine: usize) -> Result<(), CalibrationError> {
    check_impostor_pairs(pooled.total())?;
    let needed = (1.0 / (1.0 - GENUINE_BELOW_100)).round() as u64;
    if (genuine as u64) < needed {
        let (claim, kind) = ("100 % at the 99th percentile of genuine pairs", "pairs of one person");
        return Err(CalibrationError::TooLittle { claim, needed, kind, found: genuine as u64 });
    }
    Ok(())
}

/// A demographic group with its impostor pairs.
struct Group {
    number: usize,
    cross: CrossPairs,
    persons: usize,
}

impl Group {
    fn of(labelled: &Labelled, faces: &[Option<Face>], number: usize) -> Self {
        let belongs = |at: usize| labelled.photos[at].group == Some(number) && faces[at].is_some();
        let persons: std::collections::HashSet<_> = (0..labelled.photos.len())
            .filter(|at| belongs(*at))
            .map(|at| labelled.photos[at].identity)
            .collect();
        Self { number, cross: CrossPairs::compute(labelled, faces, belongs), persons: persons.len() }
    }

    /// Whether it is large enough to influence the pass mark.
    fn is_large_enough(&self) -> bool {
        is_large_enough(self.persons, &self.cross)
    }

    fn fmr(&self, labelled: &Labelled, cosine: f64) -> Rate {
        let belongs = |at: usize| labelled.photos[at].group == Some(self.number);
        round_interval(Bootstrap::new(labelled, belongs).fmr(&self.cross, cosine))
    }

    fn describe(&self, labelled: &Labelled, pass_mark: f64) -> CalibrationGroup {
        CalibrationGroup {
            name: labelled.groups[self.number].clone(),
            persons: self.persons,
            impostor_pairs: self.cross.total(),
            decides: self.is_large_enough(),
            cosine_at_1_in_1000: self.cross.cosine_at(WORST_GROUP_FMR).map(round_cosine),
            fmr_at_pass_mark: self.fmr(labelled, pass_mark),
        }
    }
}

fn worst_group_at(groups: &[Group], labelled: &Labelled, cosine: f64) -> Option<GroupRate> {
    let large = groups.iter().filter(|group| group.is_large_enough());
    let worst = large.max_by(|a, b| a.cross.fmr(cosine).total_cmp(&b.cross.fmr(cosine)))?;
    Some(GroupRate { name: labelled.groups[worst.number].clone(), fmr: worst.fmr(labelled, cosine) })
}

fn sources(labelled: &Labelled, faces: &[Option<Face>], genuine: &[ScoredPair]) -> Vec<CalibrationSource> {
    let exclusions = labelled.described_exclusions();
    let describe = |(number, name): (usize, &String)| {
        let of_source = |at: usize| labelled.photos[at].source == number;
        let photos: Vec<_> = (0..labelled.photos.len()).filter(|at| of_source(*at)).collect();
        let persons: std::collections::HashSet<_> =
            photos.iter().map(|at| labelled.photos[*at].identity).collect();
        CalibrationSource {
            name: name.clone(),
            photos: photos.len(),
            persons: persons.len(),
            failures_to_acquire: photos.iter().filter(|at| faces[**at].is_none()).count(),
            genuine_pairs: genuine.iter().filter(|pair| of_source(pair.a)).count(),
            impostor_pairs: CrossPairs::compute(labelled, faces, of_source).total(),
            left_out: exclusions
                .iter()
                .filter(|exclusion| exclusion.source == number)
                .map(|exclusion| exclusion.text.clone())
                .collect(),
        }
    };
    labelled.sources.iter().enumerate().map(describe).collect()
}
