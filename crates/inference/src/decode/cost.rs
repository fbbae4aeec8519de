//! What a photo takes to be decoded, computed from its headers before anything is allocated.

use std::time::{Duration, Instant};

use super::{jpeg, jpeg_file::JpegFile, png::PngHeader};
use crate::{
    config::Limits,
    error::{FaceError, PhotoFault},
};

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
        limits: &Limits,
    ) -> Result<Self, PhotoFault> {
        let megasamples = file.coded_samples() as f64 / 1e6;
        let fixed = file.coefficient_bytes() + file_bytes as u64;
        let reductions: &[u32] = if jpeg::CAN_REDUCE && file.can_be_reduced() { &[1, 2, 4, 8] } else { &[1] };
        let fitting = reductions.iter().find_map(|reduction| {
            let first = first_reduction.max(*reduction);
            let earlier = if first > *reduction { file.pixel_bytes(first) } else { 0 };
            let bytes = fixed + file.pixel_bytes(*reduction) + earlier;
            (bytes <= limits.max_bytes()).then_some((*reduction, bytes))
        });
        let (finest_reduction, bytes) = fitting.ok_or(PhotoFault::TooLarge)?;
        Self { bytes, megasamples, finest_reduction }.within(limits)
    }

    /// # Errors
    ///
    /// [`PhotoFault::TooLarge`] when the photo takes too much memory or work.
    pub(super) fn of_png(header: &PngHeader, limits: &Limits) -> Result<Self, PhotoFault> {
        let cost = Self {
            bytes: header.memory(),
            megasamples: header.raw_bytes() as f64 / 1e6,
            finest_reduction: 1,
        };
        cost.within(limits)
    }

    fn within(self, limits: &Limits) -> Result<Self, PhotoFault> {
        let fits = self.bytes <= limits.max_bytes() && self.megasamples <= limits.max_coded_megasamples;
        fits.then_some(self).ok_or(PhotoFault::TooLarge)
    }

    /// Refuses a photo that cannot be decoded before the deadline. A decoder that has begun cannot be stopped.
    pub(super) fn check_deadline(self, deadline: Option<Instant>) -> Result<(), FaceError> {
        /// Twice what the scans of a progressive JPEG take: 2.9 s for 100 of 40 megapixels.
        const NANOSECONDS_PER_SAMPLE: f64 = 1.5;
        let longest = Duration::from_nanos((self.megasamples * 1e6 * NANOSECONDS_PER_SAMPLE) as u64);
        match deadline {
            Some(deadline) if Instant::now() + longest >= deadline => Err(FaceError::Expired),
            Some(_) | None => Ok(()),
        }
    }
}
