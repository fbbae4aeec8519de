use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, codecs::jpeg::JpegDecoder};

use crate::{decode::decoded_jpeg::DecodedJpeg, error::PhotoFault};

/// Width and height as the header declares them.
pub(crate) fn size(bytes: &[u8]) -> Option<(u32, u32)> {
    Some(JpegDecoder::new(Cursor::new(bytes)).ok()?.dimensions())
}

/// Decodes in Rust alone, for systems on which libjpeg-turbo cannot be built. It is slower, and decodes at full
/// resolution only. The decoder converts CMYK itself. It fills damaged parts of a complete file without an error.
pub(crate) fn decode(
    bytes: &[u8],
    _reduction: u32,
    _inverted_cmyk: bool,
    _spare: Vec<u8>,
) -> Result<DecodedJpeg, PhotoFault> {
    let decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(|_| PhotoFault::Unreadable)?;
    let image = DynamicImage::from_decoder(decoder).map_err(|_| PhotoFault::Unreadable)?;
    let (width, height) = (image.width(), image.height());
    let rgb = image.into_rgb8().into_raw();
    Ok(DecodedJpeg { photo: (width, height), reduction: 1, width, height, rgb })
}
