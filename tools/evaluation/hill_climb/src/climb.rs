//! A climb: changes that raise the percentage in the answer are kept.

use anyhow::{Result, bail};
use bytes::Bytes;
use image::{
    DynamicImage, ImageEncoder as _, Rgb32FImage, RgbImage,
    codecs::png::{CompressionType, FilterType, PngEncoder},
    imageops::{self, FilterType as Resampling},
};
use padan_domain::{Calibration, Embedding, Percentage, PercentageStep, Photo};
use padan_inference::{FaceError, Pipeline};
use rand::{RngExt as _, rngs::StdRng};

/// A service that compares photos with one portrait.
pub(crate) struct Oracle<'a> {
    pub(crate) pipeline: &'a mut Pipeline,
    pub(crate) calibration: &'a Calibration,
    pub(crate) portrait: &'a Embedding,
    pub(crate) step: PercentageStep,
}

/// An answer of the service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Score {
    /// The percentage that is shown.
    pub(crate) shown: f64,
    pub(crate) passes: bool,
}

/// How a climb went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// The percentage of the first photo; 0 if it was refused.
    pub(crate) first: f64,
    /// The highest percentage that was shown.
    pub(crate) best: f64,
    /// Queries that were answered with a percentage.
    pub(crate) compared: u32,
    /// Photos that were refused for their quality.
    pub(crate) refused: u32,
    /// Whether a photo passed at last.
    pub(crate) passed: bool,
}

impl Oracle<'_> {
    /// The answer to a photo; `None` if it is refused.
    pub(crate) fn ask(&mut self, photo: &RgbImage) -> Result<Option<Score>> {
        match self.pipeline.examine(&encoded(photo)?) {
            Ok((analysis, None)) => {
                let Some(similarity) = self.calibration.similarity(self.portrait, &analysis.embedding) else {
                    bail!("embeddings of one model differ in length");
                };
                let percentage: Percentage = self.calibration.percentage(similarity);
                let shown = self.step.round_down(percentage.shown());
                Ok(Some(Score { shown, passes: percentage.passes() }))
            }
            Ok((_, Some(_))) | Err(FaceError::Rejected(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Climbs from a photo until one passes or as many queries were answered. A change that raised the percentage is tried
/// again; a change that keeps it is kept as well, since a coarse percentage hides small improvements.
pub(crate) fn climb(
    oracle: &mut Oracle<'_>,
    start: &RgbImage,
    queries: u32,
    random: &mut StdRng,
) -> Result<Outcome> {
    let mut photo = DynamicImage::from(start.clone()).into_rgb32f();
    let first = oracle.ask(start)?;
    let mut best = first.map_or(0.0, |score| score.shown);
    let mut outcome = Outcome {
        first: best,
        best,
        compared: 1,
        refused: 0,
        passed: first.is_some_and(|score| score.passes),
    };
    let mut last_gain: Option<Rgb32FImage> = None;
    while outcome.compared + outcome.refused < queries && !outcome.passed {
        let change = last_gain.take().unwrap_or_else(|| pattern(start.dimensions(), random));
        let changed = sum(&photo, &change);
        let Some(score) = oracle.ask(&DynamicImage::from(changed.clone()).into_rgb8())? else {
            outcome.refused += 1;
            continue;
        };
        outcome.compared += 1;
        outcome.passed = score.passes;
        if score.shown >= best {
            if score.shown > best {
                last_gain = Some(change);
            }
            best = score.shown;
            photo = changed;
        }
    }
    outcome.best = best;
    Ok(outcome)
}

/// A smooth random change of a part of the photo: coarse patterns change the shape of a face, fine ones its details.
fn pattern((width, height): (u32, u32), random: &mut StdRng) -> Rgb32FImage {
    let cells = [4, 8, 16][random.random_range(0..3)];
    let strength = [0.02_f32, 0.05, 0.1][random.random_range(0..3)];
    let coarse = Rgb32FImage::from_fn(cells, cells * 4 / 3, |_, _| {
        image::Rgb([0; 3].map(|_| random.random_range(-strength..=strength)))
    });
    imageops::resize(&coarse, width, height, Resampling::CatmullRom)
}

fn sum(photo: &Rgb32FImage, change: &Rgb32FImage) -> Rgb32FImage {
    let mut changed = photo.clone();
    for (pixel, change) in changed.pixels_mut().zip(change.pixels()) {
        for (value, change) in pixel.0.iter_mut().zip(change.0) {
            *value = (*value + change).clamp(0.0, 1.0);
        }
    }
    changed
}

fn encoded(photo: &RgbImage) -> Result<Photo> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::NoFilter);
    encoder.write_image(photo.as_raw(), photo.width(), photo.height(), image::ExtendedColorType::Rgb8)?;
    Ok(Photo::try_from(Bytes::from(bytes))?)
}
