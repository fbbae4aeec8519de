//! PNG decoding row by row, so that a photo takes three bytes a pixel whatever its depth and channels are.

use std::{io::Cursor, time::Instant};

use png::{BitDepth, Decoder, InterlaceInfo, Limits, Reader, Transformations};

use crate::{
    error::{FaceError, PhotoFault},
    wipe::wipe,
};

/// What the header of a PNG declares.
pub(super) struct PngHeader {
    pub(super) size: (u32, u32),
    /// Bytes of a row before compression.
    row_bytes: u64,
}

/// The pixels of a PNG.
pub(super) struct DecodedPng {
    pub(super) size: (u32, u32),
    pub(super) rgb: Vec<u8>,
}

/// What chunks other than pixels may take. Texts and colour profiles are skipped.
const MAX_OTHER_BYTES: usize = 64 << 20;

impl PngHeader {
    /// Reads the first chunk; `None` when it is malformed.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let mut decoder = decoder(bytes);
        let info = decoder.read_header_info().ok()?;
        Some(Self { size: info.size(), row_bytes: info.raw_row_length() as u64 })
    }

    /// Bytes before compression.
    pub(super) fn raw_bytes(&self) -> u64 {
        self.row_bytes.saturating_mul(self.size.1.into())
    }

    /// The memory that decoding takes: the pixels, some rows, and the decompressor.
    pub(super) fn memory(&self) -> u64 {
        const ROWS: u64 = 6;
        const DECOMPRESSOR: u64 = 1 << 20;
        let pixels = u64::from(self.size.0) * u64::from(self.size.1) * 3;
        pixels + ROWS * self.row_bytes.max(8 * u64::from(self.size.0)) + DECOMPRESSOR
    }
}

/// Decodes into a reused buffer, which is taken if that succeeds, over white where the photo is transparent, as viewers show it.
///
/// # Errors
///
/// [`PhotoFault::Unreadable`] when rows are missing or malformed, [`FaceError::Expired`] at the deadline.
pub(super) fn decode(
    bytes: &[u8],
    rgb: &mut Vec<u8>,
    deadline: Option<Instant>,
) -> Result<DecodedPng, FaceError> {
    let mut reader = decoder(bytes).read_info().map_err(|_| PhotoFault::Unreadable)?;
    let size = reader.info().size();
    rgb.clear();
    rgb.resize(size.0 as usize * 3 * size.1 as usize, 0);
    let mut converted = Vec::new();
    let read = read_rows(&mut reader, rgb, &mut converted, deadline);
    wipe(&mut converted);
    read?;
    // The first frame of an animation may declare another size.
    let frame = reader.info().frame_control;
    let is_whole = frame.is_none_or(|frame| (frame.width, frame.height) == size);
    if is_whole {
        Ok(DecodedPng { size, rgb: std::mem::take(rgb) })
    } else {
        Err(PhotoFault::Unreadable.into())
    }
}

/// Reads all rows. `converted` has the last one.
fn read_rows(
    reader: &mut Reader<Cursor<&[u8]>>,
    rgb: &mut [u8],
    converted: &mut Vec<u8>,
    deadline: Option<Instant>,
) -> Result<(), FaceError> {
    const BITS_PER_PIXEL: u8 = 24;
    let stride = reader.info().size().0 as usize * 3;
    let samples = Samples::of(reader);
    let mut next_row = 0;
    while let Some(row) = reader.next_interlaced_row().map_err(|_| PhotoFault::Unreadable)? {
        samples.convert(row.data(), converted);
        match row.interlace() {
            InterlaceInfo::Null(_) => {
                let target = rgb.get_mut(next_row..next_row + stride).ok_or(PhotoFault::Unreadable)?;
                target.copy_from_slice(converted.get(..stride).ok_or(PhotoFault::Unreadable)?);
                next_row += stride;
            }
            InterlaceInfo::Adam7(pass) => {
                png::expand_interlaced_row(rgb, stride, converted, pass, BITS_PER_PIXEL);
            }
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(FaceError::Expired);
        }
    }
    Ok(())
}

fn decoder(bytes: &[u8]) -> Decoder<Cursor<&[u8]>> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: MAX_OTHER_BYTES });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    decoder
}

/// The samples of a decoded row.
struct Samples {
    channels: usize,
    are_wide: bool,
}

impl Samples {
    fn of(reader: &Reader<Cursor<&[u8]>>) -> Self {
        let (colours, depth) = reader.output_color_type();
        Self { channels: colours.samples(), are_wide: depth == BitDepth::Sixteen }
    }

    /// Converts a row to 8 bits each for red, green and blue.
    fn convert(&self, row: &[u8], rgb: &mut Vec<u8>) {
        rgb.clear();
        let bytes = if self.are_wide { 2 } else { 1 };
        let sample = |pixel: &[u8], channel: usize| {
            if self.are_wide {
                let wide = u32::from(u16::from_be_bytes([pixel[2 * channel], pixel[2 * channel + 1]]));
                ((wide + 128) / 257) as u8
            } else {
                pixel[channel]
            }
        };
        for pixel in row.chunks_exact(bytes * self.channels) {
            let colour = |channel| sample(pixel, channel);
            let (colours, alpha) = match self.channels {
                1 => ([colour(0); 3], None),
                2 => ([colour(0); 3], Some(colour(1))),
                3 => ([colour(0), colour(1), colour(2)], None),
                _ => ([colour(0), colour(1), colour(2)], Some(colour(3))),
            };
            rgb.extend(alpha.map_or(colours, |alpha| colours.map(|colour| over_white(colour, alpha))));
        }
    }
}

fn over_white(colour: u8, alpha: u8) -> u8 {
    let (colour, alpha) = (u16::from(colour), u16::from(alpha));
    ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}
