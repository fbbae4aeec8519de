use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use crate::{
    decode::{cost::TimeLeft, decoded_jpeg::DecodedJpeg, entropy, jpeg_file::JpegFile},
    error::{FaceError, PhotoFault},
};

/// Photos are always decoded to all of their pixels.
pub(crate) const CAN_REDUCE: bool = false;

/// Decodes in Rust alone, where libjpeg-turbo cannot be built. It differs from the decoder by libjpeg-turbo:
///
/// - It is slower, and decodes at full resolution only. A photo whose pixels do not fit is refused as too large.
/// - It reads no lossless JPEG, and none whose components have the same number.
/// - It does not report damage itself. The walk through the entropy-coded data does, which finds what is missing or
///   malformed, but needs as long as a second decoding.
/// - The pixels of a photo that it cannot decode are not overwritten.
/// - It interpolates colours and computes the inverse transform differently, by a level or two of a pixel.
pub(crate) fn decode(
    mut file: JpegFile<'_>,
    _reduction: u32,
    time: &TimeLeft,
    clean: &mut Vec<u8>,
    _spare: &mut Vec<u8>,
) -> Result<DecodedJpeg, FaceError> {
    let lengths = entropy::scan_lengths(&file, time).ok_or_else(|| time.fault())?;
    time.check()?;
    file.shorten_scans(&lengths);
    file.write(clean);
    let (width, height, rgb) = pixels(clean).ok_or(PhotoFault::Unreadable)?;
    Ok(DecodedJpeg { photo: (width, height), reduction: 1, width, height, rgb })
}

/// Width, height and RGB values. The limits on the size have been checked by the caller.
fn pixels(jpeg: &[u8]) -> Option<(u32, u32, Vec<u8>)> {
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
    decoder.decode_headers().ok()?;
    let gray = decoder.input_colorspace()? == ColorSpace::Luma;
    if gray {
        decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::Luma));
    }
    let values = decoder.decode().ok()?;
    let (width, height) = decoder.dimensions()?;
    let rgb = if gray { values.into_iter().flat_map(|value| [value; 3]).collect() } else { values };
    Some((u32::try_from(width).ok()?, u32::try_from(height).ok()?, rgb))
}
