use std::time::Duration;

use padan_domain::Embedding;
use serde::Serialize;

use crate::{
    geometry::{Point, Rectangle},
    quality::Quality,
};

/// The result of analysing a photo.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// The embedding of the subject's face.
    pub embedding: Embedding,
    /// The length of the embedder's output, before it was scaled to 1. Its scale depends on the model.
    pub embedding_length: f64,
    /// The subject's face.
    pub face: Face,
    /// Its quality.
    pub quality: Quality,
    /// Whether the face is covered or cut off, by the rules for selfies. False when it breaks an earlier rule.
    pub covered: bool,
    /// How likely the face is a presentation attack, by the liveness set: 0 to 1. `None` when it was not judged.
    pub spoof: Option<f64>,
    /// How long each step took.
    pub timings: Timings,
}

/// The subject's face. Coordinates are pixels of the photo held upright.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Face {
    /// Its bounding box.
    #[serde(rename = "box")]
    pub rectangle: Rectangle,
    /// Left eye, right eye, nose, left and right corner of the mouth; left and right as in the photo.
    pub landmarks: [Point; 5],
    /// The detector's score, 0 to 1.
    pub score: f32,
    /// Degrees that the photo was turned clockwise in addition to its EXIF orientation: 0, 90, 180 or 270.
    pub turned_degrees: u16,
    /// The area of the largest other face, as a share of this one's; 0 without another face.
    pub second_share: f64,
    /// How many times the detector's network ran: twice for a close face, once more for a smaller one and once more when the
    /// two detections placed its landmarks differently, more times when the first runs found no face or the face lay on its
    /// side.
    #[serde(rename = "looks")]
    pub detector_runs: u32,
}

/// How long each step of one photo took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Waiting for a worker.
    pub queued: Duration,
    /// Decoding the photo.
    pub decode: Duration,
    /// Detecting faces, with all retries.
    pub detect: Duration,
    /// Taking the aligned crop.
    pub align: Duration,
    /// Measuring the quality of the crop.
    pub quality: Duration,
    /// Judging the face for liveness; `None` when it was not judged.
    pub liveness: Option<Duration>,
    /// Computing the embedding.
    pub embed: Duration,
}

impl Timings {
    /// The sum of all steps without `queued`.
    pub fn work(&self) -> Duration {
        self.decode + self.detect + self.align + self.quality + self.liveness.unwrap_or_default() + self.embed
    }
}
