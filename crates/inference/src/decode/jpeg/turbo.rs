use turbojpeg::{Colorspace, DecompressHeader, Decompressor, Image, PixelFormat, ScalingFactor};

use crate::{
    decode::{cost::TimeLeft, decoded_jpeg::DecodedJpeg, entropy, jpeg_file::JpegFile},
    error::{FaceError, PhotoFault},
};

/// Photos can be decoded to fewer pixels.
pub(crate) const CAN_REDUCE: bool = true;

/// Limit for the scans of a progressive JPEG. Encoders write about ten, and each costs a pass over the whole photo.
const MAX_SCANS: u32 = 100;

/// What libjpeg-turbo warns of when bytes are left over before a marker.
const LEFT_OVER: &str = "extraneous bytes before marker";

/// Decodes by libjpeg-turbo into a reused buffer, which is taken if that succeeds. The library reduces a photo within the inverse transform; it cannot
/// reduce lossless JPEG.
///
/// The decoder fills missing or damaged parts with grey and warns; here a warning is an error. Only bytes that are left
/// over may be padding: they are left out of a second attempt if the data before them is complete.
///
/// The library offers no means to stop it. It is not begun when it may not end before the deadline.
pub(crate) fn decode(
    mut file: JpegFile<'_>,
    reduction: u32,
    time: &TimeLeft,
    clean: &mut Vec<u8>,
    pixels: &mut Vec<u8>,
) -> Result<DecodedJpeg, FaceError> {
    file.write(clean);
    let unreadable = |_: turbojpeg::Error| FaceError::from(PhotoFault::Unreadable);
    match decompress(clean, reduction, pixels) {
        Err(turbojpeg::Error::TurboJpegError(message)) if message.contains(LEFT_OVER) => {
            let lengths = entropy::scan_lengths(&file, time).ok_or_else(|| time.fault())?;
            time.check()?;
            file.shorten_scans(&lengths);
            file.write(clean);
            decompress(clean, reduction, pixels).map_err(unreadable)
        }
        decompressed => decompressed.map_err(unreadable),
    }
    .map(|size| size.with_pixels(pixels))
}

/// Sizes of a decoded photo, and whether its pixels are inks.
struct Decompressed {
    photo: (u32, u32),
    reduction: u32,
    width: u32,
    height: u32,
    is_cmyk: bool,
}

/// Each photo gets a new decoder, so that no state of a malformed photo affects the next one.
fn decompress(bytes: &[u8], reduction: u32, pixels: &mut Vec<u8>) -> turbojpeg::Result<Decompressed> {
    let mut decoder = Decompressor::new()?;
    decoder.set_scan_limit(MAX_SCANS)?;
    let header = decoder.read_header(bytes)?;
    let reduction = if header.is_lossless { 1 } else { reduction };
    let factor = ScalingFactor::new(1, reduction as usize);
    decoder.set_scaling_factor(factor)?;
    let DecompressHeader { width, height, .. } = header.scaled(factor);
    let is_cmyk = matches!(header.colorspace, Colorspace::CMYK | Colorspace::YCCK);
    let format = if is_cmyk { PixelFormat::CMYK } else { PixelFormat::RGB };
    let pitch = width * format.size();
    // Every row is written, or decoding fails.
    pixels.resize(pitch * height, 0);
    decoder.decompress(bytes, Image { pixels: &mut pixels[..], width, pitch, height, format })?;
    Ok(Decompressed {
        photo: (header.width as u32, header.height as u32),
        reduction,
        width: width as u32,
        height: height as u32,
        is_cmyk,
    })
}

impl Decompressed {
    /// Takes the pixels. A buffer of inks stays with the caller.
    fn with_pixels(self, pixels: &mut Vec<u8>) -> DecodedJpeg {
        let Self { photo, reduction, width, height, is_cmyk } = self;
        let rgb = if is_cmyk { rgb_of_cmyk(pixels) } else { std::mem::take(pixels) };
        DecodedJpeg { photo, reduction, width, height, rgb }
    }
}

/// Converts CMYK, with the inks stored inverted as Adobe's programs do: each colour is what its ink and black leave of
/// the light.
fn rgb_of_cmyk(pixels: &[u8]) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(pixels.len() / 4 * 3);
    for left in pixels.chunks_exact(4) {
        let [cyan, magenta, yellow, black] = [left[0], left[1], left[2], left[3]].map(u16::from);
        rgb.extend([cyan, magenta, yellow].map(|colour| ((colour * black + 127) / 255) as u8));
    }
    rgb
}
