use std::io::Cursor;

use image::{DynamicImage, codecs::jpeg::JpegDecoder};

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
/// - It interpolates colours and computes the inverse transform differently, by a level or two of a pixel.
pub(crate) fn decode(
    mut file: JpegFile<'_>,
    _reduction: u32,
    time: &TimeLeft,
    clean: &mut Vec<u8>,
    _spare: Vec<u8>,
) -> Result<DecodedJpeg, FaceError> {
    let lengths = entropy::scan_lengths(&file, time).ok_or_else(|| time.fault())?;
    time.check()?;
    file.shorten_scans(&lengths);
    file.write(clean);
    let decoder = JpegDecoder::new(Cursor::new(&clean[..])).map_err(|_| PhotoFault::Unreadable)?;
    let image = DynamicImage::from_decoder(decoder).map_err(|_| PhotoFault::Unreadable)?;
    let (width, height) = (image.width(), image.height());
    let rgb = image.into_rgb8().into_raw();
    Ok(DecodedJpeg { photo: (width, height), reduction: 1, width, height, rgb })
}
