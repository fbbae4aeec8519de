use std::time::Duration;

use padan_domain::Embedding;
use serde::Serialize;

use crate::{
    geometry::{Point, Rectangle},
    quality::Quality,
};

/// What was found in a photo.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// The subject's face as a vector.
    pub embedding: Embedding,
    /// Where the face is.
    pub face: Face,
    /// How good it is.
    pub quality: Quality,
    /// How long each step took.
    pub timings: Timings,
}

/// The subject's face. Coordinates are pixels of the photo held upright.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Face {
    /// The box around it.
    #[serde(rename = "box")]
    pub rectangle: Rectangle,
    /// The eye at the photo's left, the other, nose, mouth corner at the photo's left, the other.
    pub landmarks: [Point; 5],
    /// How sure the detector is, 0 to 1.
    pub score: f32,
    /// By how much the photo had to be turned clockwise beyond its EXIF orientation: 0, 90, 180 or 270.
    pub turned_degrees: u16,
    /// The area of the largest other face, as a share of this one's; 0 when alone.
    pub second_share: f64,
    /// How often the detector's network ran: 3 for a close face, 4 for a smaller one, more where the first looks found nobody
    /// or the face lay on its side.
    pub looks: u32,
}

/// How long each step of one photo took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timings {
    /// Waiting for a worker.
    pub queued: Duration,
    /// Bytes to pixels.
    pub decode: Duration,
    /// Finding faces, with all retries.
    pub detect: Duration,
    /// Taking the aligned crop.
    pub align: Duration,
    /// Judging the crop.
    pub quality: Duration,
    /// The embedder.
    pub embed: Duration,
}

impl Timings {
    /// All steps together, without waiting.
    pub fn work(&self) -> Duration {
        self.decode + self.detect + self.align + self.quality + self.embed
    }
}
