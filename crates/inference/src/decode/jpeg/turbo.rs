use turbojpeg::{Colorspace, DecompressHeader, Decompressor, Image, PixelFormat, ScalingFactor};

use crate::{decode::decoded_jpeg::DecodedJpeg, error::PhotoFault};

/// Scans of a progressive JPEG; encoders make about ten, and each costs a pass over the whole photo.
const MOST_SCANS: u32 = 100;

/// Width and height as the head declares them.
pub(crate) fn size(bytes: &[u8]) -> Option<(u32, u32)> {
    let head = Decompressor::new().ok()?.read_header(bytes).ok()?;
    Some((head.width as u32, head.height as u32))
}

/// Decodes by libjpeg-turbo, which reduces a photo within the inverse transform, into memory that was used before. Lossless
/// photos cannot be reduced.
///
/// Each photo has a decoder of its own: nothing of a malformed one is there for the next.
pub(crate) fn decode(
    bytes: &[u8],
    reduction: u32,
    inverted_cmyk: bool,
    mut pixels: Vec<u8>,
) -> Result<DecodedJpeg, PhotoFault> {
    let unreadable = |_: turbojpeg::Error| PhotoFault::Unreadable;
    let mut decoder = Decompressor::new().map_err(unreadable)?;
    decoder.set_scan_limit(MOST_SCANS).map_err(unreadable)?;
    let head = decoder.read_header(bytes).map_err(unreadable)?;
    let reduction = if head.is_lossless { 1 } else { reduction };
    let factor = ScalingFactor::new(1, reduction as usize);
    decoder.set_scaling_factor(factor).map_err(unreadable)?;
    let DecompressHeader { width, height, .. } = head.scaled(factor);
    let in_ink = matches!(head.colorspace, Colorspace::CMYK | Colorspace::YCCK);
    let format = if in_ink { PixelFormat::CMYK } else { PixelFormat::RGB };
    let pitch = width * format.size();
    // Every row is written, or decoding fails.
    pixels.resize(pitch * height, 0);
    // What is missing or damaged the decoder fills up in grey, with a warning, which counts as an error here.
    decoder
        .decompress(bytes, Image { pixels: &mut pixels[..], width, pitch, height, format })
        .map_err(unreadable)?;
    let rgb = if in_ink { rgb_of_ink(&pixels, inverted_cmyk) } else { pixels };
    Ok(DecodedJpeg {
        photo: (head.width as u32, head.height as u32),
        reduction,
        width: width as u32,
        height: height as u32,
        rgb,
    })
}

/// Four inks to three lights: what is left of each light by its ink and by black. Adobe's files hold what is left instead of
/// the inks.
fn rgb_of_ink(pixels: &[u8], inverted: bool) -> Vec<u8> {
    let left = |ink: u8| u16::from(if inverted { ink } else { 255 - ink });
    let mut rgb = Vec::with_capacity(pixels.len() / 4 * 3);
    for ink in pixels.chunks_exact(4) {
        rgb.extend([ink[0], ink[1], ink[2]].map(|colour| ((left(colour) * left(ink[3]) + 127) / 255) as u8));
    }
    rgb
}
