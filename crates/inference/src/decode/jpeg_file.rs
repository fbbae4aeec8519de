//! Finds the segments of a JPEG that its pixels depend on, and writes them as a clean file.
//!
//! Cameras and programs write files whose pixels are complete and whose other bytes are not as the standard says:
//! padding between segments, markers without their first byte, broken profiles and EXIF blocks. Decoders warn of these
//! with the same means as of missing pixels. A clean file has no such byte, so that every warning is about pixels.

mod completeness;
mod parser;
mod segment;

use crate::orientation::Orientation;

pub(crate) use self::segment::{Component, Frame, HUFFMAN_TABLES, RESTART_INTERVAL, Scan, huffman_tables};
use self::{
    parser::{Collected, Parser},
    segment::{BASELINE, END_OF_IMAGE, EXTENDED, LOSSLESS, PROGRESSIVE, START_OF_IMAGE, Segment},
};

/// The segments of a complete JPEG: every component has all of its coefficients, and every scan its tables. Whether the
/// entropy-coded data is complete is left to the decoder.
#[derive(Debug, Clone)]
pub(crate) struct JpegFile<'a> {
    pub(crate) frame: Frame,
    /// Tables and scans, in order.
    segments: Vec<Segment<'a>>,
    pub(crate) orientation: Option<Orientation>,
    is_jfif: bool,
    /// The transform that an Adobe marker declares.
    adobe_transform: Option<u8>,
}

/// What could be read of a JPEG.
pub(crate) struct ParsedJpeg<'a> {
    /// The frame header, even of an incomplete file.
    pub(crate) frame: Option<Frame>,
    /// `None` when something is missing.
    pub(crate) file: Option<JpegFile<'a>>,
}

impl<'a> ParsedJpeg<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        let mut parser = Parser::new(bytes);
        let file = parser.photo().and_then(JpegFile::of);
        let frame = file.as_ref().map(|file| file.frame.clone()).or(parser.into_first_frame());
        Self { frame, file }
    }
}

impl<'a> JpegFile<'a> {
    /// The file of a complete image.
    fn of(image: Collected<'a>) -> Option<Self> {
        let Collected { frame, segments, orientation, is_jfif, adobe_transform, .. } = image;
        Some(Self { frame: frame?, segments, orientation, is_jfif, adobe_transform })
    }

    /// Tables and scans, in order.
    pub(super) fn segments(&self) -> &[Segment<'a>] {
        &self.segments
    }

    /// The samples that the scans code together.
    pub(crate) fn coded_samples(&self) -> u64 {
        const SAMPLES_PER_BLOCK: u64 = 64;
        let scans = self.segments.iter().filter_map(|segment| segment.scan.as_ref());
        scans.map(|scan| self.frame.coded_blocks(scan)).sum::<u64>() * SAMPLES_PER_BLOCK
    }

    /// The memory for the coefficients of the photo: a decoder needs them all where several scans code them.
    pub(crate) fn coefficient_bytes(&self) -> u64 {
        // Coefficients of 16 bits, and the walk's knowledge about each block.
        const BYTES_PER_BLOCK: u64 = 64 * 2 + 8;
        let scans = self.segments.iter().filter(|segment| segment.scan.is_some()).count();
        let blocks = if scans > 1 { self.frame.stored_blocks() } else { 0 };
        blocks * BYTES_PER_BLOCK
    }

    pub(super) fn size(&self) -> (u32, u32) {
        (self.frame.width, self.frame.height)
    }

    /// The memory for the pixels at a reduction.
    pub(crate) fn pixel_bytes(&self, reduction: u32) -> u64 {
        // Four inks are converted to three colours.
        let bytes = if self.frame.components.len() == 4 { 7 } else { 3 };
        let side = |length: u32| u64::from(length.div_ceil(reduction));
        side(self.frame.width) * side(self.frame.height) * bytes
    }

    /// Whether the inverse transform can reduce the photo.
    pub(crate) fn can_be_reduced(&self) -> bool {
        self.frame.marker != LOSSLESS
    }

    pub(crate) fn is_progressive(&self) -> bool {
        self.frame.marker == PROGRESSIVE
    }

    /// Whether the photo may be its own negative: programs store inks inverted, and only Adobe's marker says so.
    pub(crate) fn may_be_negative(&self) -> bool {
        const INKS: usize = 4;
        self.frame.components.len() == INKS && self.adobe_transform.is_none()
    }

    /// Keeps the first bytes of each scan's data, whose lengths are given in order.
    pub(super) fn shorten_scans(&mut self, lengths: &[usize]) {
        let scans = self.segments.iter_mut().filter(|segment| segment.scan.is_some());
        for (scan, length) in scans.zip(lengths) {
            scan.entropy = &scan.entropy[..(*length).min(scan.entropy.len())];
        }
    }

    /// Writes the file without what its pixels do not depend on.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        out.extend([0xff, START_OF_IMAGE]);
        if self.is_jfif {
            out.extend(b"\xff\xe0\x00\x10JFIF\0\x01\x01\x00\x00\x01\x00\x01\x00\x00");
        }
        if let Some(transform) = self.adobe_transform {
            out.extend(b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00");
            out.push(self.known_transform(transform));
        }
        for segment in &self.segments {
            out.extend([0xff, segment.marker]);
            // The length was read from two bytes.
            out.extend(((segment.content.len() + 2) as u16).to_be_bytes());
            match &segment.scan {
                Some(scan) if self.is_sequential() => {
                    // Some cameras write zeros. A sequential scan has all coefficients, whatever its header says.
                    let components = 1 + 2 * scan.components.len();
                    out.extend(&segment.content[..components]);
                    out.extend([0, 63, 0]);
                }
                Some(_) | None => out.extend(segment.content),
            }
            out.extend(segment.entropy);
        }
        out.extend([0xff, END_OF_IMAGE]);
    }

    fn is_sequential(&self) -> bool {
        matches!(self.frame.marker, BASELINE | EXTENDED)
    }

    /// The transform as decoders read an unknown one: brightness and two colours, and black if there is a fourth
    /// component.
    fn known_transform(&self, declared: u8) -> u8 {
        match (self.frame.components.len(), declared) {
            (_, 0) => 0,
            (4, _) => 2,
            _ => 1,
        }
    }
}
