//! From labelled photos to the scale of percentages.
//!
//! The scale is linear in L = -log10(false match rate) between five anchors: 0 % at the mean of impostor pairs, 50 % at a
//! rate of 1 in 100, 75 % at the pass mark, 90 % at 1 in a million, 100 % at the 99th percentile of genuine pairs.

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
    evaluate::scored,
    fmr_curve::FmrCurve,
    labelled::Labelled,
    measured::{Measured, Outcome},
    metrics::{quantile, share_reaching},
};

/// Why no scale can be made from these photos.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    /// There are too few pairs for a claim.
    #[error("too little data: {claim} takes {needed} {of}, and there are {found}")]
    TooLittle {
        /// What could not be said.
        claim: &'static str,
        /// How many are needed.
        needed: u64,
        /// Of what.
        of: &'static str,
        /// How many there are.
        found: u64,
    },
    /// The anchors do not increase, so that the photos do not tell people apart as the scale supposes.
    #[error("the anchors do not increase: {0}")]
    NotIncreasing(String),
    /// Identities are not known, so that nobody is surely an impostor.
    #[error("who is on which photo is not known: give folders of persons or a list path,identity")]
    NoIdentities,
}

/// The false match rate of the pass mark over all people.
const POOLED: f64 = 1e-4;
/// That in the group of people in which it is highest.
const WORST_GROUP: f64 = 1e-3;
/// That of 50 % and that of 90 %.
const FIFTY: f64 = 1e-2;
const NINETY: f64 = 1e-6;
/// The share of genuine pairs below 100 %.
const HUNDRED: f64 = 0.99;
/// A threshold is told by the pairs that reach it: ten at least.
const PAIRS_FOR_A_THRESHOLD: f64 = 10.0;
/// Below, a group is reported and decides nothing.
const LEAST_PERSONS: usize = 50;
const LEAST_PAIRS: u64 = 10_000;
/// Percent from one point to the next.
const APART: f64 = 2.5;
const MARKS: [f64; 3] = [60.0, 75.0, 90.0];

/// Makes the scale, with what it was made from.
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
    let genuine = scored(&embeddings, labelled.all_genuine_pairs());
    refuse_too_little(&pooled, genuine.len())?;
    let curve = FmrCurve::new(&pooled, PAIRS_FOR_A_THRESHOLD);
    let groups: Vec<_> =
        (0..labelled.groups.len()).map(|group| Group::of(labelled, &embeddings, group)).collect();
    let pass_mark = pass_mark(&curve, &groups);
    let anchors = anchors(&pooled, &curve, &pass_mark, &genuine)?;
    let mut cosines: Vec<_> = genuine.iter().map(|(_, _, cosine)| *cosine).collect();
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
            fmr: short(bootstrap.fmr(&pooled, cosine)),
            worst_group: worst_at(&groups, labelled, cosine),
            fnmr: short(bootstrap.fnmr(&genuine, cosine)),
        }
    };
    let marks: Vec<_> = MARKS.into_iter().map(mark).collect();
    Ok(CalibrationFile {
        version: CalibrationFile::VERSION,
        set: set.name().to_owned(),
        embedder_sha256: set.embedder.canonical().sha256,
        made_on: made_on.to_string(),
        impostor_pairs: pooled.total(),
        groups: groups.iter().map(|group| group.described(labelled, pass_mark.cosine)).collect(),
        sources: sources(labelled, &embeddings, &genuine),
        pass_mark,
        marks,
        points,
    })
}

fn refuse_too_little(pooled: &CrossPairs, genuine: usize) -> Result<(), CalibrationError> {
    let needed = (PAIRS_FOR_A_THRESHOLD / POOLED).round() as u64;
    if pooled.total() < needed {
        let (claim, of) = ("a pass mark at a false match rate of 1 in 10,000", "pairs of two persons");
        return Err(CalibrationError::TooLittle { claim, needed, of, found: pooled.total() });
    }
    let needed = (1.0 / (1.0 - HUNDRED)).round() as u64;
    if (genuine as u64) < needed {
        let (claim, of) = ("100 % at the 99th percentile of genuine pairs", "pairs of one person");
        return Err(CalibrationError::TooLittle { claim, needed, of, found: genuine as u64 });
    }
    Ok(())
}

/// A group of people with its own impostor pairs.
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

    /// Whether it is large enough to decide.
    fn counts(&self) -> bool {
        self.persons >= LEAST_PERSONS && self.cross.total() >= LEAST_PAIRS
    }

    fn fmr(&self, labelled: &Labelled, cosine: f64) -> Rate {
        let belongs = |at: usize| labelled.photos[at].group == Some(self.number);
        short(Bootstrap::new(labelled, belongs).fmr(&self.cross, cosine))
    }

    fn described(&self, labelled: &Labelled, pass_mark: f64) -> CalibrationGroup {
        CalibrationGroup {
            name: labelled.groups[self.number].clone(),
            persons: self.persons,
            impostor_pairs: self.cross.total(),
            decides: self.counts(),
            cosine_at_1_in_1000: self.cross.cosine_at(WORST_GROUP).map(rounded),
            fmr_at_pass_mark: self.fmr(labelled, pass_mark),
        }
    }
}

/// The larger of the two rules: 1 in 10,000 over all, 1 in 1,000 in the worst group.
fn pass_mark(curve: &FmrCurve, groups: &[Group]) -> PassMark {
    let pooled = curve.cosine(POOLED);
    let worst = (groups.iter().filter(|group| group.counts()))
        .filter_map(|group| Some((group.number, group.cross.cosine_at(WORST_GROUP)?)))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let worst_group = worst.map(|(_, cosine)| cosine);
    PassMark {
        cosine: rounded(pooled.max(worst_group.unwrap_or(pooled))),
        pooled_at_1_in_10000: rounded(pooled),
        worst_group_at_1_in_1000: worst_group.map(rounded),
    }
}

/// A percentage, the cosine there, and where it comes from.
type AnchorPoint = (f64, f64, String);

fn anchors(
    pooled: &CrossPairs,
    curve: &FmrCurve,
    pass_mark: &PassMark,
    genuine: &[(usize, usize, f64)],
) -> Result<Vec<AnchorPoint>, CalibrationError> {
    let mut cosines: Vec<_> = genuine.iter().map(|(_, _, cosine)| *cosine).collect();
    cosines.sort_by(f64::total_cmp);
    let highest = quantile(&cosines, HUNDRED).unwrap_or(1.0).min(1.0);
    let decided = match pass_mark.worst_group_at_1_in_1000 {
        Some(worst) if worst > pass_mark.pooled_at_1_in_10000 => {
            "a false match rate of 1 in 1,000 in the worst group"
        }
        _ => "a false match rate of 1 in 10,000 over all",
    };
    let anchors = vec![
        (0.0, rounded(pooled.mean()), "the mean of impostor pairs".to_owned()),
        (50.0, rounded(curve.cosine(FIFTY)), "a false match rate of 1 in 100".to_owned()),
        (Percentage::PASS_MARK.value(), pass_mark.cosine, format!("the pass mark: {decided}")),
        (90.0, rounded(curve.cosine(NINETY)), "a false match rate of 1 in 1,000,000".to_owned()),
        (100.0, rounded(highest), "the 99th percentile of genuine pairs".to_owned()),
    ];
    match anchors.windows(2).find(|pair| pair[0].1 >= pair[1].1) {
        None => Ok(anchors),
        Some(pair) => Err(CalibrationError::NotIncreasing(format!(
            "{} % ({}) stands at cosine {:.4}, and {} % ({}) at {:.4}",
            pair[0].0, pair[0].2, pair[0].1, pair[1].0, pair[1].2, pair[1].1
        ))),
    }
}

/// The anchors, and points between them that make straight lines between points straight in L.
fn points(
    curve: &FmrCurve,
    anchors: &[AnchorPoint],
    genuine: &[f64],
) -> Result<Vec<CalibrationPoint>, CalibrationError> {
    let point = |percentage: f64, cosine: f64, anchor: Option<String>| CalibrationPoint {
        percentage,
        cosine,
        fmr: significant(curve.fmr(cosine)),
        fnmr: significant(1.0 - share_reaching(genuine, cosine)),
        extrapolated: curve.is_extrapolated(cosine),
        anchor,
    };
    let mut points: Vec<CalibrationPoint> = Vec::new();
    for pair in anchors.windows(2) {
        let (low, high) = (&pair[0], &pair[1]);
        points.push(point(low.0, low.1, Some(low.2.clone())));
        let (from, to) = (-curve.fmr(low.1).log10(), -curve.fmr(high.1).log10());
        let between = ((high.0 - low.0) / APART).round() as u32;
        for step in 1..between {
            let share = f64::from(step) / f64::from(between);
            let cosine = rounded(curve.cosine(10_f64.powf(-(from + share * (to - from)))));
            let highest = points.last().map_or(-1.0, |last| last.cosine);
            // Where the rate changes in leaps, two points would stand at one cosine.
            if cosine > highest && cosine < high.1 {
                points.push(point(low.0 + f64::from(step) * APART, cosine, None));
            }
        }
    }
    if let Some((percentage, cosine, what)) = anchors.last() {
        points.push(point(*percentage, *cosine, Some(what.clone())));
    }
    match points.windows(2).find(|pair| pair[0].cosine >= pair[1].cosine) {
        None => Ok(points),
        Some(pair) => Err(CalibrationError::NotIncreasing(format!("at cosine {:.4}", pair[0].cosine))),
    }
}

/// A cosine to six decimals: further ones are of the run, not of the photos.
fn rounded(cosine: f64) -> f64 {
    (cosine * 1e6).round() / 1e6
}

/// A rate to four digits.
fn significant(rate: f64) -> f64 {
    if rate <= 0.0 {
        return 0.0;
    }
    let unit = 10_f64.powf(rate.log10().floor() - 3.0);
    // Read back from its decimals, so that the file shows no more of them.
    format!("{:.3e}", (rate / unit).round() * unit).parse().unwrap_or(rate)
}

fn short(Rate { value, low, high }: Rate) -> Rate {
    Rate { value: significant(value), low: significant(low), high: significant(high) }
}

fn worst_at(groups: &[Group], labelled: &Labelled, cosine: f64) -> Option<GroupRate> {
    let counting = groups.iter().filter(|group| group.counts());
    let worst = counting.max_by(|a, b| a.cross.fmr(cosine).total_cmp(&b.cross.fmr(cosine)))?;
    Some(GroupRate { name: labelled.groups[worst.number].clone(), fmr: worst.fmr(labelled, cosine) })
}

fn sources(
    labelled: &Labelled,
    embeddings: &[Option<&Embedding>],
    genuine: &[(usize, usize, f64)],
) -> Vec<CalibrationSource> {
    let left_out = labelled.left_out_by_source();
    let described = |(number, name): (usize, &String)| {
        let of_source = |at: usize| labelled.photos[at].source == number;
        let photos: Vec<_> = (0..labelled.photos.len()).filter(|at| of_source(*at)).collect();
        let persons: std::collections::HashSet<_> =
            photos.iter().map(|at| labelled.photos[*at].identity).collect();
        CalibrationSource {
            name: name.clone(),
            photos: photos.len(),
            persons: persons.len(),
            failures_to_acquire: photos.iter().filter(|at| embeddings[**at].is_none()).count(),
            genuine_pairs: genuine.iter().filter(|(a, _, _)| of_source(*a)).count(),
            impostor_pairs: CrossPairs::compute(labelled, embeddings, of_source).total(),
            left_out: left_out
                .iter()
                .filter(|(source, _)| *source == number)
                .map(|(_, text)| text.clone())
                .collect(),
        }
    };
    labelled.sources.iter().enumerate().map(described).collect()
}
