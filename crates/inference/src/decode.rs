//! Encoded bytes to pixels, within limits that hold before memory is taken.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, Limits as DecoderLimits, Rgba, codecs::png::PngDecoder,
    metadata::Orientation as ExifOrientation,
};
use padan_domain::{Photo, PhotoFormat};
use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat};

use crate::{
    completeness::{self, WholeJpeg},
    config::Limits,
    error::PhotoFault,
    orientation::Orientation,
    raster::Raster,
};

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

/// Width and height as the photo's head declares them; `None` when it cannot be read.
pub(crate) fn declared_size(photo: &Photo) -> Option<(u32, u32)> {
    let bytes = &photo.bytes()[..];
    match photo.format() {
        PhotoFormat::Jpeg => {
            let head = Decompressor::new().ok()?.read_header(bytes).ok()?;
            Some((head.width as u32, head.height as u32))
        }
        PhotoFormat::Png => Some(PngDecoder::new(Cursor::new(bytes)).ok()?.dimensions()),
    }
}

/// Scans of a progressive JPEG; encoders make about ten, and each costs a pass over the whole photo.
const MOST_SCANS: u32 = 100;

fn decode_jpeg(bytes: &[u8], limits: &Limits) -> Result<Picture, PhotoFault> {
    let unreadable = |_: turbojpeg::Error| PhotoFault::Unreadable;
    let mut decoder = Decompressor::new().map_err(unreadable)?;
    decoder.set_scan_limit(MOST_SCANS).map_err(unreadable)?;
    let head = decoder.read_header(bytes).map_err(unreadable)?;
    let (width, height) = (head.width as u32, head.height as u32);
    check_size((width, height), limits)?;
    let WholeJpeg { exif, inverted_cmyk } = completeness::check_jpeg(bytes)?;
    let in_ink = matches!(head.colorspace, Colorspace::CMYK | Colorspace::YCCK);
    let format = if in_ink { PixelFormat::CMYK } else { PixelFormat::RGB };
    let pitch = head.width * format.size();
    let mut pixels = vec![0; pitch * head.height];
    // What is missing or damaged the decoder fills up in grey, with a warning, which counts as an error here.
    let image = Image { pixels: &mut pixels[..], width: head.width, pitch, height: head.height, format };
    decoder.decompress(bytes, image).map_err(unreadable)?;
    let rgb = if in_ink { rgb_of_ink(&pixels, inverted_cmyk) } else { pixels };
    let raster = Raster::new(width, height, rgb).ok_or(PhotoFault::Unreadable)?;
    Ok(Picture { raster, orientation: orientation(exif) })
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
