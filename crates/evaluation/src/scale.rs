//! The scale of percentages: its anchors, and the points between them.
//!
//! It is linear in L = -log10(false match rate) between five anchors: 0 % at the mean of impostor pairs, 50 % at a rate
//! of 1 in 100, 75 % at the pass mark, 90 % at 1 in a million, 100 % at the 99th percentile of genuine pairs.

use padan_domain::Percentage;
use padan_inference::{CalibrationPoint, PassMark, Rate};

use crate::{cross_pairs::CrossPairs, fmr_curve::FmrCurve};

/// Why no calibration can be made from these photos or templates.
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
    /// So many pairs look like one person that this is no registry of different people.
    #[error(
        "{surplus} of {people} people have the face of another one: list them with --duplicates, and look for a photo \
         that stands for many people"
    )]
    SamePeople {
        /// How many people would have to be left out.
        surplus: usize,
        /// Out of how many.
        people: usize,
    },
}

/// The false match rate of the pass mark over all people.
pub(crate) const POOLED_FMR: f64 = 1e-4;
/// The false match rate of the pass mark in the demographic group in which it is highest.
pub(crate) const WORST_GROUP_FMR: f64 = 1e-3;
/// The false match rate at 50 %.
const FMR_AT_50: f64 = 1e-2;
/// The false match rate at 90 %.
const FMR_AT_90: f64 = 1e-6;
/// The minimum number of pairs that must reach a threshold for it to be measured.
pub(crate) const MIN_PAIRS_AT_THRESHOLD: f64 = 10.0;
/// The minimum size of a group that influences the pass mark. Smaller groups are only reported.
pub(crate) const MIN_GROUP_PERSONS: usize = 50;
pub(crate) const MIN_GROUP_PAIRS: u64 = 10_000;
/// The distance between points of the scale, in per cent.
const POINT_DISTANCE: f64 = 2.5;
/// The percentages whose error rates are reported.
pub(crate) const MARKS: [f64; 3] = [60.0, 75.0, 90.0];

/// The larger cosine of two rules: a false match rate of 1 in 10,000 over all, of 1 in 1,000 in the worst group.
///
/// `groups` has the cosine at that rate of each group that is large enough.
pub(crate) fn pass_mark(curve: &FmrCurve<'_>, groups: impl Iterator<Item = f64>) -> PassMark {
    let pooled = curve.cosine(POOLED_FMR);
    let worst_group = groups.max_by(f64::total_cmp);
    PassMark {
        cosine: round_cosine(pooled.max(worst_group.unwrap_or(pooled))),
        pooled_at_1_in_10000: round_cosine(pooled),
        worst_group_at_1_in_1000: worst_group.map(round_cosine),
    }
}

/// Whether a group is large enough to influence the pass mark.
pub(crate) fn is_large_enough(persons: usize, pairs: &CrossPairs) -> bool {
    persons >= MIN_GROUP_PERSONS && pairs.total() >= MIN_GROUP_PAIRS
}

/// Checks that there are enough impostor pairs for the pass mark.
pub(crate) fn check_impostor_pairs(found: u64) -> Result<(), CalibrationError> {
    let needed = (MIN_PAIRS_AT_THRESHOLD / POOLED_FMR).round() as u64;
    if found >= needed {
        return Ok(());
    }
    let (claim, kind) = ("a pass mark at a false match rate of 1 in 10,000", "pairs of two persons");
    Err(CalibrationError::TooLittle { claim, needed, kind, found })
}

/// An anchor of the scale.
pub(crate) struct AnchorPoint {
    pub(crate) percentage: f64,
    pub(crate) cosine: f64,
    /// Its definition in words.
    pub(crate) definition: String,
}

/// The anchor of 100 %.
pub(crate) struct HighestAnchor {
    pub(crate) cosine: f64,
    /// Its definition in words.
    pub(crate) definition: String,
}

pub(crate) fn anchors(
    pooled: &CrossPairs,
    curve: &FmrCurve<'_>,
    pass_mark: &PassMark,
    highest: &HighestAnchor,
) -> Result<Vec<AnchorPoint>, CalibrationError> {
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
        anchor(100.0, round_cosine(highest.cosine), &highest.definition),
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
/// `fnmr` gives the false non-match rate at a cosine if it is known.
pub(crate) fn points(
    curve: &FmrCurve<'_>,
    anchors: &[AnchorPoint],
    fnmr: impl Fn(f64) -> Option<f64>,
) -> Result<Vec<CalibrationPoint>, CalibrationError> {
    let point = |percentage: f64, cosine: f64, anchor: Option<String>| CalibrationPoint {
        percentage,
        cosine,
        fmr: round_rate(curve.fmr(cosine)),
        fmr_interval: None,
        fnmr: fnmr(cosine).map(round_rate),
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
pub(crate) fn round_cosine(cosine: f64) -> f64 {
    (cosine * 1e6).round() / 1e6
}

/// A rate to four significant digits.
pub(crate) fn round_rate(rate: f64) -> f64 {
    if rate <= 0.0 {
        return 0.0;
    }
    let unit = 10_f64.powf(rate.log10().floor() - 3.0);
    // Parsed from the decimal text, because the product may have more digits.
    format!("{:.3e}", (rate / unit).round() * unit).parse().unwrap_or(rate)
}

/// A rate and its interval to four significant digits.
pub(crate) fn round_interval(Rate { value, low, high }: Rate) -> Rate {
    Rate { value: round_rate(value), low: round_rate(low), high: round_rate(high) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_four_significant_digits() {
        assert_eq!([round_rate(0.000_123_456), round_rate(0.5), round_rate(0.0)], [0.000_123_5, 0.5, 0.0]);
    }
}
