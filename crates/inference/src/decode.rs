//! Encoded bytes to pixels, within limits that hold before memory is taken.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, Limits as DecoderLimits, Rgba, codecs::png::PngDecoder,
    metadata::Orientation as ExifOrientation,
};
use padan_domain::{Photo, PhotoFormat};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

use crate::{completeness, config::Limits, error::PhotoFault, orientation::Orientation, raster::Raster};

/// A decoded photo and the way to hold it.
pub struct Picture {
    pub(crate) raster: Raster,
    pub(crate) orientation: Orientation,
}

/// Decodes a photo. One that ends early is unreadable, whatever could be salvaged from it.
pub(crate) fn decode(photo: &Photo, limits: &Limits) -> Result<Picture, PhotoFault> {
    let bytes = &photo.bytes()[..];
    match photo.format() {
        PhotoFormat::Jpeg => decode_jpeg(bytes, limits),
        PhotoFormat::Png => decode_png(bytes, limits),
    }
}

fn decode_jpeg(bytes: &[u8], limits: &Limits) -> Result<Picture, PhotoFault> {
    // Strictly: otherwise what is missing or damaged is filled up in grey.
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|_| PhotoFault::Unreadable)?;
    let (width, height) = decoder.dimensions().ok_or(PhotoFault::Unreadable)?;
    let (width, height) = (width as u32, height as u32);
    check_size((width, height), limits)?;
    completeness::check_jpeg(bytes)?;
    let rgb = decoder.decode().map_err(|_| PhotoFault::Unreadable)?;
    let orientation = orientation(decoder.exif().map(Vec::as_slice));
    let raster = Raster::new(width, height, rgb).ok_or(PhotoFault::Unreadable)?;
    Ok(Picture { raster, orientation })
}

fn decode_png(bytes: &[u8], limits: &Limits) -> Result<Picture, PhotoFault> {
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), decoder_limits(limits));
    let decoder = decoder.map_err(|_| PhotoFault::Unreadable)?;
    check_size(decoder.dimensions(), limits)?;
    // The decoder reads no chunk behind the pixels, and the EXIF may stand there.
    let exif = completeness::check_png(bytes)?;
    let image = DynamicImage::from_decoder(decoder).map_err(|_| PhotoFault::Unreadable)?;
    let (width, height) = (image.width(), image.height());
    let rgb = if image.color().has_alpha() { over_white(&image) } else { image.into_rgb8().into_raw() };
    let raster = Raster::new(width, height, rgb).ok_or(PhotoFault::Unreadable)?;
    Ok(Picture { raster, orientation: orientation(exif) })
}

fn orientation(exif: Option<&[u8]>) -> Orientation {
    exif.and_then(ExifOrientation::from_exif_chunk).map_or(Orientation::UPRIGHT, Orientation::from_exif)
}

fn check_size((width, height): (u32, u32), limits: &Limits) -> Result<(), PhotoFault> {
    let megapixels = f64::from(width) * f64::from(height) / 1e6;
    if width == 0 || height == 0 {
        Err(PhotoFault::Unreadable)
    } else if megapixels > limits.max_megapixels || width > limits.max_side || height > limits.max_side {
        Err(PhotoFault::TooLarge)
    } else {
        Ok(())
    }
}

/// Bounds what a decoder may allocate beside the pixels, such as for the text chunks of a PNG.
fn decoder_limits(limits: &Limits) -> DecoderLimits {
    const WIDEST_PIXEL: f64 = 8.0;
    const BESIDE_THE_PIXELS: u64 = 64 << 20;
    let mut bounds = DecoderLimits::no_limits();
    bounds.max_alloc =
        Some(((limits.max_megapixels * 1e6 * WIDEST_PIXEL) as u64).saturating_add(BESIDE_THE_PIXELS));
    bounds
}

/// What a viewer with a white page shows.
fn over_white(image: &DynamicImage) -> Vec<u8> {
    let rgba = image.to_rgba8();
    let mut rgb = Vec::with_capacity(rgba.len() / 4 * 3);
    for Rgba([red, green, blue, alpha]) in rgba.pixels() {
        let blend = |value: u8| {
            let (value, alpha) = (u16::from(value), u16::from(*alpha));
            ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
        };
        rgb.extend([blend(*red), blend(*green), blend(*blue)]);
    }
    rgb
}
