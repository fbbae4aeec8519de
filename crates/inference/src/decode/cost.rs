//! What a photo takes to be decoded, computed from its headers before anything is allocated.

use std::time::{Duration, Instant};

use super::{jpeg, jpeg_file::JpegFile, png::PngHeader};
use crate::{
    config::{Config, Limits},
    error::{FaceError, PhotoFault},
    memory_limit::memory_limit,
};

/// What the settings allow a photo to take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) limits: Limits,
    /// The longest side to which the detector scales a photo, in pixels.
    pub(crate) scaled_side: u32,
}

impl Bounds {
    pub(crate) fn of(config: &Config) -> Self {
        let detection = &config.detection;
        let sides = [detection.quick_side, detection.side, detection.close_up_side, detection.fine_side];
        Self {
            limits: config.limits.in_force(memory_limit()),
            scaled_side: sides.into_iter().max().unwrap_or_default(),
        }
    }

    /// The rows that are scaled in one direction and not yet in the other.
    fn scaling_bytes(&self, (width, height): (u32, u32), reduction: u32) -> u64 {
        u64::from(self.scaled_side) * u64::from(width.min(height).div_ceil(reduction)) * 3
    }
}

/// Memory and work of a photo that the limits allow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cost {
    /// The memory that the photo takes at most, in bytes.
    pub(crate) bytes: u64,
    /// Samples that are decoded, in millions, each counted in every scan that codes it.
    pub(crate) megasamples: f64,
    /// The least reduction whose pixels fit into memory.
    pub(crate) finest_reduction: u32,
}

impl Cost {
    /// # Errors
    ///
    /// [`PhotoFault::TooLarge`] when the photo takes too much memory or work at each reduction.
    pub(super) fn of_jpeg(
        file: &JpegFile<'_>,
        file_bytes: usize,
        first_reduction: u32,
        bounds: &Bounds,
    ) -> Result<Self, PhotoFault> {
        let limits = &bounds.limits;
        let megasamples = file.coded_samples() as f64 / 1e6;
        let fixed = file.coefficient_bytes() + file_bytes as u64;
        let reductions: &[u32] = if jpeg::CAN_REDUCE && file.can_be_reduced() { &[1, 2, 4, 8] } else { &[1] };
        let fitting = reductions.iter().find_map(|reduction| {
            let first = first_reduction.max(*reduction);
            let earlier = if first > *reduction { file.pixel_bytes(first) } else { 0 };
            let scaling = bounds.scaling_bytes(file.size(), *reduction);
            let bytes = fixed + file.pixel_bytes(*reduction) + earlier + scaling;
            (bytes <= limits.max_bytes()).then_some((*reduction, bytes))
        });
        let (finest_reduction, bytes) = fitting.ok_or(PhotoFault::TooLarge)?;
        Self { bytes, megasamples, finest_reduction }.within(limits)
    }

    /// # Errors
    ///
    /// [`PhotoFault::TooLarge`] when the photo takes too much memory or work.
    pub(super) fn of_png(header: &PngHeader, bounds: &Bounds) -> Result<Self, PhotoFault> {
        let cost = Self {
            bytes: header.memory() + bounds.scaling_bytes(header.size, 1),
            megasamples: header.raw_bytes() as f64 / 1e6,
            finest_reduction: 1,
        };
        cost.within(&bounds.limits)
    }

    fn within(self, limits: &Limits) -> Result<Self, PhotoFault> {
        let fits = self.bytes <= limits.max_bytes() && self.megasamples <= limits.max_coded_megasamples;
        fits.then_some(self).ok_or(PhotoFault::TooLarge)
    }

    /// How long a decoder takes at most.
    pub(crate) fn longest(self) -> Duration {
        /// Twice what the scans of a progressive JPEG take: 2.9 s for 100 of 40 megapixels.
        const NANOSECONDS_PER_SAMPLE: f64 = 1.5;
        Duration::from_nanos((self.megasamples * 1e6 * NANOSECONDS_PER_SAMPLE) as u64)
    }
}

/// The time that is left for decoding a photo.
pub(super) struct TimeLeft {
    pub(super) deadline: Option<Instant>,
    /// How long a decoder takes at most.
    pub(super) longest: Duration,
}

impl TimeLeft {
    /// Refuses to begin a decoder that may not end before the deadline, since it cannot be stopped.
    pub(super) fn check(&self) -> Result<(), FaceError> {
        match self.deadline {
            Some(deadline) if Instant::now() + self.longest >= deadline => Err(FaceError::Expired),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the deadline has passed.
    pub(super) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Why data could not be walked through: its fault, or the deadline.
    pub(super) fn fault(&self) -> FaceError {
        if self.is_over() { FaceError::Expired } else { PhotoFault::Unreadable.into() }
    }
}
