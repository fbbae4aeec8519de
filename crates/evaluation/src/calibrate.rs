//! Makes the calibration, the scale of percentages, from labelled photos.
//!
//! The scale is linear in L = -log10(false match rate) between five anchors: 0 % at the mean of impostor pairs, 50 % at
//! a rate of 1 in 100, 75 % at the pass mark, 90 % at 1 in a million, 100 % at the 99th percentile of genuine pairs.

#[cfg(test)]
mod tests;

use chrono::NaiveDate;
use padan_domain::{Embedding, Percentage};
use padan_inference::{
    CalibrationFile, CalibrationGroup, CalibrationMark, CalibrationPoint, CalibrationSource, GroupRate,
    ModelSet, PassMark, Rate,
};

use crate::{
    bootstrap::Bootstrap,
    cross_pairs::CrossPairs,
    fmr_curve::FmrCurve,
    labelled::Labelled,
    measured::{Measured, Outcome},
    metrics::{quantile, share_reaching},
    scored_pair::{ScoredPair, score_pairs},
};

/// Why no calibration can be made from these photos.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    /// There are too few pairs.
    #[error("too little data: {claim} requires {needed} {kind}, found {found}")]
    TooLittle {
        /// The figure that requires the pairs.
        claim: &'static str,
        /// How many are needed.
        needed: u64,
        /// The kind of pairs.
        kind: &'static str,
        /// How many were found.
        found: u64,
    },
    /// The anchors do not increase: the photos do not separate people as the scale requires.
    #[error("the anchors do not increase: {0}")]
    NotIncreasing(String),
    /// Identities are unknown, so it is unknown which pairs are impostor pairs.
    #[error(
        "identities are unknown: provide a folder for each person, or a list with the columns path,identity"
    )]
    NoIdentities,
}

/// The false match rate of the pass mark over all people.
const POOLED_FMR: f64 = 1e-4;
/// The false match rate of the pass mark in the demographic group in which it is highest.
const WORST_GROUP_FMR: f64 = 1e-3;
/// The false match rate at 50 %.
const FMR_AT_50: f64 = 1e-2;
/// The false match rate at 90 %.
const FMR_AT_90: f64 = 1e-6;
/// The share of genuine pairs below 100 %.
const GENUINE_BELOW_100: f64 = 0.99;
/// The minimum number of pairs that must reach a threshold for it to be measured.
const MIN_PAIRS_AT_THRESHOLD: f64 = 10.0;
/// The minimum size of a group that influences the pass mark. Smaller groups are only reported.
const MIN_GROUP_PERSONS: usize = 50;
const MIN_GROUP_PAIRS: u64 = 10_000;
/// The distance between points of the scale, in per cent.
const POINT_DISTANCE: f64 = 2.5;
/// The percentages whose error rates are reported.
const MARKS: [f64; 3] = [60.0, 75.0, 90.0];

/// Makes the calibration, with the measurements behind it.
///
/// # Errors
///
/// [`CalibrationError`] when identities are unknown, there are too few pairs or the anchors do not increase.
pub fn calibrate(
    labelled: &Labelled,
    measured: &Measured,
    set: &ModelSet,
    made_on: NaiveDate,
) -> Result<CalibrationFile, CalibrationError> {
    if labelled.identities_from.is_none() {
        return Err(CalibrationError::NoIdentities);
    }
    let embeddings: Vec<_> = measured.outcomes.iter().map(Outcome::embedding).collect();
    let pooled = CrossPairs::compute(labelled, &embeddings, |_| true);
    let genuine = score_pairs(&embeddings, labelled.all_genuine_pairs());
    check_pair_counts(&pooled, genuine.len())?;
    let curve = FmrCurve::new(&pooled, MIN_PAIRS_AT_THRESHOLD);
    let groups: Vec<_> =
        (0..labelled.groups.len()).map(|group| Group::of(labelled, &embeddings, group)).collect();
    let pass_mark = pass_mark(&curve, &groups);
    let anchors = anchors(&pooled, &curve, &pass_mark, &genuine)?;
    let mut cosines: Vec<_> = genuine.iter().map(|pair| pair.cosine).collect();
    cosines.sort_by(f64::total_cmp);
    let points = points(&curve, &anchors, &cosines)?;
    let bootstrap = Bootstrap::new(labelled, |at| embeddings[at].is_some());
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
            fnmr: round_interval(bootstrap.fnmr(&genuine, cosine)),
        }
    };
    let marks: Vec<_> = MARKS.into_iter().map(mark).collect();
    Ok(CalibrationFile {
        version: CalibrationFile::VERSION,
        set: set.name().to_owned(),
        embedder_sha256: set.embedder.canonical().sha256,
        made_on: made_on.to_string(),
        impostor_pairs: pooled.total(),
        groups: groups.iter().map(|group| group.describe(labelled, pass_mark.cosine)).collect(),
        sources: sources(labelled, &embeddings, &genuine),
        pass_mark,
        marks,
        points,
    })
}

fn check_pair_counts(pooled: &CrossPairs, genuine: usize) -> Result<(), CalibrationError> {
    let needed = (MIN_PAIRS_AT_THRESHOLD / POOLED_FMR).round() as u64;
    if pooled.total() < needed {
        let (claim, kind) = ("a pass mark at a false match rate of 1 in 10,000", "pairs of two persons");
        return Err(CalibrationError::TooLittle { claim, needed, kind, found: pooled.total() });
    }
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
    fn of(labelled: &Labelled, embeddings: &[Option<&Embedding>], number: usize) -> Self {
        let belongs = |at: usize| labelled.photos[at].group == Some(number) && embeddings[at].is_some();
        let persons: std::collections::HashSet<_> = (0..labelled.photos.len())
            .filter(|at| belongs(*at))
            .map(|at| labelled.photos[at].identity)
            .collect();
        Self { number, cross: CrossPairs::compute(labelled, embeddings, belongs), persons: persons.len() }
    }

    /// Whether it is large enough to influence the pass mark.
    fn is_large_enough(&self) -> bool {
        self.persons >= MIN_GROUP_PERSONS && self.cross.total() >= MIN_GROUP_PAIRS
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

/// The larger cosine of two rules: a false match rate of 1 in 10,000 over all, of 1 in 1,000 in the worst group.
fn pass_mark(curve: &FmrCurve, groups: &[Group]) -> PassMark {
    let pooled = curve.cosine(POOLED_FMR);
    let worst_group = (groups.iter().filter(|group| group.is_large_enough()))
        .filter_map(|group| group.cross.cosine_at(WORST_GROUP_FMR))
        .max_by(f64::total_cmp);
    PassMark {
        cosine: round_cosine(pooled.max(worst_group.unwrap_or(pooled))),
        pooled_at_1_in_10000: round_cosine(pooled),
        worst_group_at_1_in_1000: worst_group.map(round_cosine),
    }
}

/// An anchor of the scale.
struct AnchorPoint {
    percentage: f64,
    cosine: f64,
    /// Its definition in words.
    definition: String,
}

fn anchors(
    pooled: &CrossPairs,
    curve: &FmrCurve,
    pass_mark: &PassMark,
    genuine: &[ScoredPair],
) -> Result<Vec<AnchorPoint>, CalibrationError> {
    let mut cosines: Vec<_> = genuine.iter().map(|pair| pair.cosine).collect();
    cosines.sort_by(f64::total_cmp);
    let highest = quantile(&cosines, GENUINE_BELOW_100).unwrap_or(1.0).min(1.0);
    let rule = match pass_mark.worst_group_at_1_in_1000 {
        Some(worst) if worst > pass_mark.pooled_at_1_in_10000 => {
            "a false match rate of 1 in 1,000 in the worst group"
        }
        _ => "a false match rate of 1 in 10,000 over all",
    };
    let anchor = |percentage: f64, cosine: f64, definition: &str| AnchorPoint {
        percentage,
        cosine,
        definition: definition.to_owned(),
    };
    let anchors = vec![
        anchor(0.0, round_cosine(pooled.mean()), "the mean of impostor pairs"),
        anchor(50.0, round_cosine(curve.cosine(FMR_AT_50)), "a false match rate of 1 in 100"),
        anchor(Percentage::PASS_MARK.value(), pass_mark.cosine, &format!("the pass mark: {rule}")),
        anchor(90.0, round_cosine(curve.cosine(FMR_AT_90)), "a false match rate of 1 in 1,000,000"),
        anchor(100.0, round_cosine(highest), "the 99th percentile of genuine pairs"),
    ];
    match anchors.windows(2).find(|pair| pair[0].cosine >= pair[1].cosine) {
        None => Ok(anchors),
        Some(pair) => Err(CalibrationError::NotIncreasing(format!(
            "{} % ({}) is at cosine {:.4}, and {} % ({}) at {:.4}",
            pair[0].percentage,
            pair[0].definition,
            pair[0].cosine,
            pair[1].percentage,
            pair[1].definition,
            pair[1].cosine,
        ))),
    }
}

/// The anchors and points between them, dense enough that linear interpolation between points is nearly linear in L.
fn points(
    curve: &FmrCurve,
    anchors: &[AnchorPoint],
    genuine: &[f64],
) -> Result<Vec<CalibrationPoint>, CalibrationError> {
    let point = |percentage: f64, cosine: f64, anchor: Option<String>| CalibrationPoint {
        percentage,
        cosine,
        fmr: round_rate(curve.fmr(cosine)),
        fnmr: round_rate(1.0 - share_reaching(genuine, cosine)),
        extrapolated: curve.is_extrapolated(cosine),
        anchor,
    };
    let mut points: Vec<CalibrationPoint> = Vec::new();
    for pair in anchors.windows(2) {
        let (low, high) = (&pair[0], &pair[1]);
        points.push(point(low.percentage, low.cosine, Some(low.definition.clone())));
        let (from, to) = (-curve.fmr(low.cosine).log10(), -curve.fmr(high.cosine).log10());
        let between = ((high.percentage - low.percentage) / POINT_DISTANCE).round() as u32;
        for step in 1..between {
            let share = f64::from(step) / f64::from(between);
            let cosine = round_cosine(curve.cosine(10_f64.powf(-(from + share * (to - from)))));
            let highest = points.last().map_or(-1.0, |last| last.cosine);
            // Where the rate changes in steps, two points could have the same cosine.
            if cosine > highest && cosine < high.cosine {
                points.push(point(low.percentage + f64::from(step) * POINT_DISTANCE, cosine, None));
            }
        }
    }
    if let Some(last) = anchors.last() {
        points.push(point(last.percentage, last.cosine, Some(last.definition.clone())));
    }
    match points.windows(2).find(|pair| pair[0].cosine >= pair[1].cosine) {
        None => Ok(points),
        Some(pair) => Err(CalibrationError::NotIncreasing(format!("at cosine {:.4}", pair[0].cosine))),
    }
}

/// A cosine to six decimals; further decimals differ from run to run.
fn round_cosine(cosine: f64) -> f64 {
    (cosine * 1e6).round() / 1e6
}

/// A rate to four significant digits.
fn round_rate(rate: f64) -> f64 {
    if rate <= 0.0 {
        return 0.0;
    }
    let unit = 10_f64.powf(rate.log10().floor() - 3.0);
    // Parsed from the decimal text, because the product may have more digits.
    format!("{:.3e}", (rate / unit).round() * unit).parse().unwrap_or(rate)
}

/// A rate and its interval to four significant digits.
fn round_interval(Rate { value, low, high }: Rate) -> Rate {
    Rate { value: round_rate(value), low: round_rate(low), high: round_rate(high) }
}

fn worst_group_at(groups: &[Group], labelled: &Labelled, cosine: f64) -> Option<GroupRate> {
    let large = groups.iter().filter(|group| group.is_large_enough());
    let worst = large.max_by(|a, b| a.cross.fmr(cosine).total_cmp(&b.cross.fmr(cosine)))?;
    Some(GroupRate { name: labelled.groups[worst.number].clone(), fmr: worst.fmr(labelled, cosine) })
}

fn sources(
    labelled: &Labelled,
    embeddings: &[Option<&Embedding>],
    genuine: &[ScoredPair],
) -> Vec<CalibrationSource> {
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
            failures_to_acquire: photos.iter().filter(|at| embeddings[**at].is_none()).count(),
            genuine_pairs: genuine.iter().filter(|pair| of_source(pair.a)).count(),
            impostor_pairs: CrossPairs::compute(labelled, embeddings, of_source).total(),
            left_out: exclusions
                .iter()
                .filter(|exclusion| exclusion.source == number)
                .map(|exclusion| exclusion.text.clone())
                .collect(),
        }
    };
    labelled.sources.iter().enumerate().map(describe).collect()
}
