use turbojpeg::{Colorspace, DecompressHeader, Decompressor, Image, PixelFormat, ScalingFactor};

use crate::{decode::decoded_jpeg::DecodedJpeg, error::PhotoFault};

/// Limit for the scans of a progressive JPEG. Encoders write about ten, and each requires a pass over all pixels.
const MAX_SCANS: u32 = 100;

/// Width and height as the header declares them.
pub(crate) fn size(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = Decompressor::new().ok()?.read_header(bytes).ok()?;
    Some((header.width as u32, header.height as u32))
}

/// Decodes with libjpeg-turbo into a reused buffer. The library reduces a photo within the inverse transform; it cannot
/// reduce lossless JPEG.
///
/// Each photo gets a new decoder, so that no state of a malformed photo affects the next one.
pub(crate) fn decode(
    bytes: &[u8],
    reduction: u32,
    inverted_cmyk: bool,
    mut pixels: Vec<u8>,
) -> Result<DecodedJpeg, PhotoFault> {
    let unreadable = |_: turbojpeg::Error| PhotoFault::Unreadable;
    let mut decoder = Decompressor::new().map_err(unreadable)?;
    decoder.set_scan_limit(MAX_SCANS).map_err(unreadable)?;
    let header = decoder.read_header(bytes).map_err(unreadable)?;
    let reduction = if header.is_lossless { 1 } else { reduction };
    let factor = ScalingFactor::new(1, reduction as usize);
    decoder.set_scaling_factor(factor).map_err(unreadable)?;
    let DecompressHeader { width, height, .. } = header.scaled(factor);
    let is_cmyk = matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK);
    let format = if is_cmyk { PixelFormat::CMYK } else { PixelFormat::RGB };
    let pitch = width * format.size();
    // Every row is written, or decoding fails.
    pixels.resize(pitch * height, 0);
    // The decoder fills missing or damaged parts with grey and returns a warning, which counts as an error here.
    decoder
        .decompress(bytes, Image { pixels: &mut pixels[..], width, pitch, height, format })
        .map_err(unreadable)?;
    let rgb = if is_cmyk { rgb_of_cmyk(&pixels, inverted_cmyk) } else { pixels };
    Ok(DecodedJpeg {
        photo: (header.width as u32, header.height as u32),
        reduction,
        width: width as u32,
        height: height as u32,
        rgb,
    })
}

/// Converts CMYK to RGB: each colour is the light that its ink and the black ink do not absorb. Adobe's files store
/// inverted inks.
fn rgb_of_cmyk(pixels: &[u8], inverted: bool) -> Vec<u8> {
    let left = |ink: u8| u16::from(if inverted { ink } else { 255 - ink });
    let mut rgb = Vec::with_capacity(pixels.len() / 4 * 3);
    for ink in pixels.chunks_exact(4) {
        rgb.extend([ink[0], ink[1], ink[2]].map(|colour| ((left(colour) * left(ink[3]) + 127) / 255) as u8));
    }
    rgb
}
