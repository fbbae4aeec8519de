//! Decodes photos: checks the limits before memory is allocated, and decodes to no more pixels than are needed.

mod decoded_jpeg;
mod entropy;
mod exif;
mod jpeg;
mod jpeg_file;

use std::io::Cursor;

use image::{ColorType, DynamicImage, ImageDecoder, Limits as DecoderLimits, Rgba, codecs::png::PngDecoder};
use padan_domain::{Photo, PhotoFormat};

use self::jpeg_file::ParsedJpeg;
use crate::{
    completeness,
    config::Limits,
    error::PhotoFault,
    geometry::{Affine, Rectangle},
    orientation::Orientation,
    raster::Raster,
};

/// A decoded photo with its orientation.
///
/// It may be decoded to fewer pixels than the photo has. Positions and sizes are always in pixels of the photo.
pub struct Picture {
    /// The encoded photo; `None` when it cannot be decoded to more pixels.
    photo: Option<Photo>,
    /// Width and height of the photo as stored.
    pub(crate) size: (u32, u32),
    pub(crate) raster: Raster,
    /// Pixels of the photo for a pixel of the raster, along each side: a power of two.
    pub(crate) reduction: u32,
    pub(crate) orientation: Orientation,
}

/// The decoder of one thread. It reuses the memory of earlier photos.
pub(crate) struct Decoder {
    limits: Limits,
    // Two, because a photo that is decoded again needs the first picture until the second is complete.
    spares: [Vec<u8>; 2],
    /// Buffer for a JPEG without the bytes that its pixels do not depend on.
    clean: Vec<u8>,
}

/// The version of the decoder. It grows when photos become readable that were not, so that portraits that are stored as
/// unusable are tried again.
pub const DECODER_VERSION: i16 = 1;

/// The reductions that JPEG's inverse transform offers, along each side; largest first.
const REDUCTIONS: [u32; 3] = [8, 4, 2];

/// Larger buffers are freed and not kept. The decoded pixels of a photo of 20 megapixels need less.
const MAX_SPARE_BYTES: usize = 8 << 20;

impl Picture {
    /// A picture that has all pixels of its photo.
    pub(crate) fn of(raster: Raster, orientation: Orientation) -> Self {
        Self { photo: None, size: raster.size(), raster, reduction: 1, orientation }
    }

    /// Converts a part of the stored photo to pixels of the raster.
    pub(crate) fn raster_part(&self, part: Rectangle) -> Rectangle {
        let scaled = |length: f64| length / f64::from(self.reduction);
        Rectangle {
            left: scaled(part.left),
            top: scaled(part.top),
            width: scaled(part.width),
            height: scaled(part.height),
        }
    }

    /// The map from coordinates of the stored photo to those of the raster. A pixel's centre has integer coordinates.
    pub(crate) fn to_raster(&self) -> Affine {
        let scale = 1.0 / f64::from(self.reduction);
        let shift = scale / 2.0 - 0.5;
        Affine { a: scale, b: 0.0, c: shift, d: 0.0, e: scale, f: shift }
    }
}

impl Decoder {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, spares: [Vec::new(), Vec::new()], clean: Vec::new() }
    }

    /// Width and height as the photo's header declares them; `None` when the header cannot be read.
    pub(crate) fn declared_size(photo: &Photo) -> Option<(u32, u32)> {
        let bytes = &photo.bytes()[..];
        match photo.format() {
            PhotoFormat::Jpeg => ParsedJpeg::of(bytes).frame.map(|frame| (frame.width, frame.height)),
            PhotoFormat::Png => Some(PngDecoder::new(Cursor::new(bytes)).ok()?.dimensions()),
        }
    }

    /// Whether the limits allow a photo of this size.
    pub(crate) fn accepts(&self, size: (u32, u32)) -> bool {
        check_size(size, &self.limits).is_ok()
    }

    /// Decodes a photo, to fewer pixels if that leaves a long side of at least `min_side`. An incomplete file is
    /// unreadable, even if part of it could be decoded.
    pub(crate) fn decode(&mut self, photo: &Photo, min_side: u32) -> Result<Picture, PhotoFault> {
        let bytes = &photo.bytes()[..];
        match photo.format() {
            PhotoFormat::Jpeg => self.decode_jpeg(photo, |size| reduction(size, min_side)),
            PhotoFormat::Png => self.decode_png(bytes),
        }
    }

    /// Decodes the picture again if it is reduced further than `reduction`.
    pub(crate) fn decode_larger(&mut self, picture: &mut Picture, reduction: u32) -> Result<(), PhotoFault> {
        let Some(photo) = picture.photo.as_ref().filter(|_| picture.reduction > reduction) else {
            return Ok(());
        };
        let larger = self.decode_jpeg(&photo.clone(), |_| reduction)?;
        self.reuse_memory(std::mem::replace(picture, larger));
        Ok(())
    }

    /// Decodes the picture again if its long side has fewer pixels than this and the photo has more.
    pub(crate) fn decode_to_side(&mut self, picture: &mut Picture, min_side: u32) -> Result<(), PhotoFault> {
        let reduction = reduction(picture.size, min_side);
        self.decode_larger(picture, reduction)
    }

    /// Keeps the memory of a picture for later ones.
    pub(crate) fn reuse_memory(&mut self, picture: Picture) {
        let rgb = picture.raster.into_rgb();
        let [larger, smaller] = &mut self.spares;
        if rgb.capacity() > smaller.capacity() && rgb.capacity() <= MAX_SPARE_BYTES {
            *smaller = rgb;
            if smaller.capacity() > larger.capacity() {
                std::mem::swap(larger, smaller);
            }
        }
    }

    /// Takes the larger of the spare buffers. After one photo that was decoded twice, both fit the next such photo.
    fn spare(&mut self) -> Vec<u8> {
        let [larger, smaller] = &mut self.spares;
        std::mem::swap(larger, smaller);
        std::mem::take(smaller)
    }

    fn decode_jpeg(
        &mut self,
        photo: &Photo,
        reduction_for: impl FnOnce((u32, u32)) -> u32,
    ) -> Result<Picture, PhotoFault> {
        let ParsedJpeg { frame, file } = ParsedJpeg::of(photo.bytes());
        let size = frame.map(|frame| (frame.width, frame.height)).ok_or(PhotoFault::Unreadable)?;
        check_size(size, &self.limits)?;
        let file = file.filter(|file| !file.may_be_negative()).ok_or(PhotoFault::Unreadable)?;
        let orientation = file.orientation.unwrap_or(Orientation::UPRIGHT);
        let spare = self.spare();
        let decoded = jpeg::decode(file, reduction_for(size), &mut self.clean, spare);
        if self.clean.capacity() > MAX_SPARE_BYTES {
            self.clean = Vec::new();
        }
        let decoded = decoded?;
        let again = (decoded.reduction > 1).then(|| photo.clone());
        let raster = Raster::new(decoded.width, decoded.height, decoded.rgb).ok_or(PhotoFault::Unreadable)?;
        Ok(Picture { photo: again, size: decoded.photo, raster, reduction: decoded.reduction, orientation })
    }

    fn decode_png(&mut self, bytes: &[u8]) -> Result<Picture, PhotoFault> {
        let decoder = PngDecoder::with_limits(Cursor::new(bytes), decoder_limits(&self.limits));
        let decoder = decoder.map_err(|_| PhotoFault::Unreadable)?;
        let (width, height) = decoder.dimensions();
        check_size((width, height), &self.limits)?;
        // The decoder does not read chunks after the pixels, where the EXIF may be.
        let exif_block = completeness::check_png(bytes)?;
        let rgb = if decoder.color_type() == ColorType::Rgb8 {
            let mut rgb = self.spare();
            rgb.resize(width as usize * height as usize * 3, 0);
            decoder.read_image(&mut rgb).map_err(|_| PhotoFault::Unreadable)?;
            rgb
        } else {
            let image = DynamicImage::from_decoder(decoder).map_err(|_| PhotoFault::Unreadable)?;
            if image.color().has_alpha() { over_white(&image) } else { image.into_rgb8().into_raw() }
        };
        let raster = Raster::new(width, height, rgb).ok_or(PhotoFault::Unreadable)?;
        Ok(Picture::of(raster, exif_block.and_then(exif::orientation).unwrap_or(Orientation::UPRIGHT)))
    }
}

/// The largest reduction that leaves the long side at least this long.
fn reduction((width, height): (u32, u32), min_side: u32) -> u32 {
    let long = width.max(height);
    REDUCTIONS.into_iter().find(|reduction| long / reduction >= min_side).unwrap_or(1)
}

/// The largest reduction up to `max_reduction` that leaves at least `min_pixels` of a length in the photo.
pub(crate) fn reduction_for(length: f64, min_pixels: f64, max_reduction: u32) -> u32 {
    let enough =
        |reduction: &u32| *reduction <= max_reduction && length / f64::from(*reduction) >= min_pixels;
    REDUCTIONS.into_iter().find(enough).unwrap_or(1)
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

/// Limits what a decoder may allocate in addition to the pixels, for example for the text chunks of a PNG.
fn decoder_limits(limits: &Limits) -> DecoderLimits {
    const MAX_BYTES_PER_PIXEL: f64 = 8.0;
    const MAX_OTHER_BYTES: u64 = 64 << 20;
    let mut bounds = DecoderLimits::no_limits();
    bounds.max_alloc =
        Some(((limits.max_megapixels * 1e6 * MAX_BYTES_PER_PIXEL) as u64).saturating_add(MAX_OTHER_BYTES));
    bounds
}

/// Composites the image over white, as image viewers do.
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

#[cfg(test)]
mod damaged_jpegs;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Point;

    #[test]
    fn a_photo_is_reduced_as_far_as_its_long_side_allows() {
        let sizes = [(480, 640), (1279, 960), (1080, 1440), (3024, 4032), (6000, 8000), (1, 65_000)];
        assert_eq!(sizes.map(|size| reduction(size, 640)), [1, 1, 2, 4, 8, 8]);
    }

    #[test]
    fn a_reduction_leaves_the_eye_distance_enough_pixels() {
        let of = |length| reduction_for(length, 70.0, 4);
        assert_eq!([600.0, 280.0, 279.0, 140.0, 139.0, 12.0].map(of), [4, 4, 2, 2, 1, 1]);
    }

    #[test]
    fn a_pixel_of_the_raster_lies_in_the_middle_of_the_pixels_it_replaces() {
        let raster = Raster::new(50, 50, vec![0; 7500]).unwrap();
        let mut picture = Picture::of(raster, Orientation::UPRIGHT);
        (picture.reduction, picture.size) = (4, (200, 200));
        let at = |x| picture.to_raster().apply(Point { x, y: 1.5 });
        assert_eq!([1.5, 5.5, -0.5].map(|x| at(x).x), [0.0, 1.0, -0.5]);
        assert_eq!(at(0.0).y, 0.0);
        let part = Rectangle { left: 8.0, top: 4.0, width: 40.0, height: 2.0 };
        let expected = Rectangle { left: 2.0, top: 1.0, width: 10.0, height: 0.5 };
        assert_eq!(picture.raster_part(part), expected);
    }
}
