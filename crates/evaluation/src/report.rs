//! The HTML report: one self-contained file.

mod people;
mod plots;
mod score;

use std::{collections::BTreeMap, fs};

use askama::Template;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use padan_domain::{Calibration, Percentage, Photo, Similarity};
use padan_inference::Pipeline;

use self::score::describe_score;
pub use self::{
    people::{PeopleScales, live_plot, people_report},
    plots::Plot,
};
use crate::{
    evaluation::{Evaluated, Evaluation, Figures, RejectedPhoto},
    exclusions::Exclusion,
    labelled::{CopiedPhoto, Labelled},
    scored_pair::ScoredPair,
    skipped::SkippedFile,
};

/// A report with its plots.
#[derive(Debug)]
pub struct Report {
    /// The HTML page.
    pub html: String,
    /// The plots in it.
    pub plots: Vec<Plot>,
}

/// Aligned crops by photo, as PNG.
pub type Crops = BTreeMap<usize, Vec<u8>>;

/// The report cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("the report cannot be made: {0}")]
pub struct ReportError(String);

impl ReportError {
    pub(crate) fn of(reason: String) -> Self {
        Self(reason)
    }
}

/// Number of pairs of each kind that are shown.
const WORST: usize = 20;
/// Limit for the listed rejected photos.
const MAX_LISTED: usize = 200;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    title: &'a str,
    /// How faces are compared, where it is not by the cosine alone.
    score: String,
    evaluation: &'a Evaluation,
    figures: Vec<(&'static str, &'a Figures)>,
    /// The name of each plot, its picture, and what the point on it is.
    plots: Vec<(&'static str, String, &'a str)>,
    missed: Vec<PairView>,
    matched: Vec<PairView>,
    pass_mark: String,
    reasons: BTreeMap<&'a str, usize>,
    turned_away: &'a [RejectedPhoto],
    skipped: &'a [SkippedFile],
    copies: &'a [CopiedPhoto],
    left_out: &'a [Exclusion],
    unmatched_exclusions: &'a [Exclusion],
}

/// A pair on the page.
struct PairView {
    names: [String; 2],
    pictures: [String; 2],
    cosine: String,
    percentage: String,
}

/// The worst pairs: the genuine ones with the lowest cosines, then the impostor ones with the highest. Pairs with a
/// failed photo have no cosine and are not included.
pub fn worst_pairs(labelled: &Labelled, evaluated: &Evaluated) -> [Vec<ScoredPair>; 2] {
    let mut genuine: Vec<_> =
        evaluated.genuine.iter().filter(|pair| pair.cosine > ScoredPair::FAILED).copied().collect();
    genuine.sort_by(|x, y| x.cosine.total_cmp(&y.cosine));
    genuine.truncate(WORST);
    let mut impostors: Vec<_> = if let Some(cross) = &evaluated.cross {
        let tail = cross.tail().iter().take(WORST);
        tail.map(|pair| ScoredPair { a: pair.a as usize, b: pair.b as usize, cosine: f64::from(pair.cosine) })
            .collect()
    } else {
        let scores = labelled.pairs.iter().zip(&evaluated.evaluation.scores).filter(|(pair, _)| !pair.same);
        scores.map(|(pair, score)| ScoredPair { a: pair.a, b: pair.b, cosine: score.cosine }).collect()
    };
    impostors.sort_by(|x, y| y.cosine.total_cmp(&x.cosine));
    impostors.truncate(WORST);
    [genuine, impostors]
}

/// Takes the aligned crops of the photos of these pairs. Photos that cannot be read or have no face are skipped.
///
/// # Errors
///
/// [`ReportError`] when a crop cannot be encoded.
pub fn crops(
    labelled: &Labelled,
    pairs: &[Vec<ScoredPair>],
    pipeline: &mut Pipeline,
) -> Result<Crops, ReportError> {
    let mut crops = Crops::new();
    for at in pairs.iter().flatten().flat_map(|pair| [pair.a, pair.b]) {
        if crops.contains_key(&at) {
            continue;
        }
        let Ok(bytes) = fs::read(&labelled.photos[at].file) else { continue };
        let Ok(photo) = Photo::try_from(Bytes::from(bytes)) else { continue };
        let Ok(crop) = pipeline.crop(&photo) else { continue };
        crops.insert(at, png(&crop)?);
    }
    Ok(crops)
}

/// Makes the HTML report.
///
/// # Errors
///
/// [`ReportError`] when a plot or the page cannot be made.
pub fn report(
    title: &str,
    labelled: &Labelled,
    evaluated: &Evaluated,
    calibration: &Calibration,
    crops: &Crops,
) -> Result<Report, ReportError> {
    let evaluation = &evaluated.evaluation;
    let scale: Vec<_> = (0..=1200)
        .map(|step| f64::from(step) / 1000.0 - 0.2)
        .map(|cosine| (cosine, calibration.percentage(Similarity::from_cosine(cosine)).value()))
        .collect();
    let plots = plots::all(evaluated, calibration.pass_cosine(), &scale);
    let plots = plots.map_err(|error| ReportError(error.to_string()))?;
    let [missed, matched] = worst_pairs(labelled, evaluated).map(|pairs| {
        let shown = pairs.into_iter().map(|ScoredPair { a, b, cosine }| PairView {
            names: [a, b].map(|at| short(&labelled.photos[at].name)),
            pictures: [a, b]
                .map(|at| crops.get(&at).map_or_else(String::new, |png| embedded("image/png", png))),
            cosine: format!("{cosine:.3}"),
            percentage: format!("{:.2}", calibration.percentage(Similarity::from_cosine(cosine)).shown()),
        });
        shown.collect::<Vec<_>>()
    });
    let mut reasons = BTreeMap::new();
    for reason in (evaluation.failures_to_acquire.iter().map(|failure| failure.reason.as_str()))
        .chain(evaluation.turned_away.iter().map(|rejected| rejected.reason))
    {
        *reasons.entry(reason).or_insert(0) += 1;
    }
    let gated = evaluation.with_gates.as_ref().map(|figures| ("with the service's rules", figures));
    let point = at_pass_mark(evaluation);
    let page = Page {
        title,
        score: describe_score(calibration.transformation()),
        evaluation,
        figures: [("all photos with a face", &evaluation.figures)].into_iter().chain(gated).collect(),
        plots: plots
            .iter()
            .map(|plot| {
                let note = if plot.svg.contains("<circle") { point.as_str() } else { "" };
                (plot.name, embedded("image/svg+xml", plot.svg.as_bytes()), note)
            })
            .collect(),
        missed,
        matched,
        pass_mark: format!("{:.4}", calibration.pass_cosine()),
        reasons,
        turned_away: &evaluation.turned_away[..evaluation.turned_away.len().min(MAX_LISTED)],
        skipped: &evaluation.skipped,
        copies: &evaluation.copies,
        left_out: &evaluation.left_out,
        unmatched_exclusions: &evaluation.unmatched_exclusions,
    };
    let html = page.render().map_err(|error| ReportError(error.to_string()))?;
    Ok(Report { html, plots })
}

/// Explains the point at the pass mark. An axis of powers of ten has no zero.
fn at_pass_mark(evaluation: &Evaluation) -> String {
    let mark = evaluation.marks.iter().find(|mark| Percentage::new(mark.percentage) == Percentage::PASS_MARK);
    let nobody_passes = mark.and_then(|mark| mark.fmr).is_some_and(|fmr| fmr.value == 0.0);
    let where_it_is = if nobody_passes { ", at the left edge because no impostor pair passes" } else { "" };
    format!("The point is the pass mark{where_it_is}.")
}

/// The last folder and the file's name, since a list's paths may be long.
fn short(name: &str) -> String {
    let parts: Vec<_> = name.rsplitn(3, '/').take(2).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}

/// A picture as a data URL.
fn embedded(media_type: &str, bytes: &[u8]) -> String {
    format!("data:{media_type};base64,{}", STANDARD.encode(bytes))
}

fn png(crop: &padan_inference::AlignedFace) -> Result<Vec<u8>, ReportError> {
    let mut png = Vec::new();
    let side = padan_inference::AlignedFace::SIDE as u32;
    let rgb: Vec<_> = crop.rgb().iter().map(|value| value.round().clamp(0.0, 255.0) as u8).collect();
    let mut encoder = png::Encoder::new(&mut png, side, side);
    encoder.set_color(png::ColorType::Rgb);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(&rgb));
    written.map_err(|error| ReportError(error.to_string()))?;
    Ok(png)
}

#[expect(
    unreachable_pub,
    clippy::inline_always,
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "the macro requires filters of this signature"
)]
mod filters {
    /// A share in per cent with three decimals.
    #[askama::filter_fn]
    pub(super) fn percent(value: &f64, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(format!("{:.3}", value * 100.0))
    }

    /// Four decimals.
    #[askama::filter_fn]
    pub(super) fn four(value: &f64, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(format!("{value:.4}"))
    }

    /// One decimal.
    #[askama::filter_fn]
    pub(super) fn one(value: &f64, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(format!("{value:.1}"))
    }

    /// A rate such as 1e-4.
    #[askama::filter_fn]
    pub(super) fn rate(value: &f64, _: &dyn askama::Values) -> askama::Result<String> {
        Ok(if *value == 0.0 { "0".to_owned() } else { format!("{value:.2e}") })
    }
}
