//! Decodes photos: checks the limits before memory is allocated, and decodes to no more pixels than are needed.

mod cost;
mod decoded_jpeg;
mod entropy;
pub(crate) mod exif;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod jpeg;
pub(crate) mod jpeg_file;
mod png;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use padan_domain::{Photo, PhotoFormat};

pub(crate) use self::cost::{Bounds, Cost};
use self::{cost::TimeLeft, jpeg_file::ParsedJpeg, png::PngHeader};
use crate::{
    completeness,
    config::Limits,
    error::{FaceError, PhotoFault},
    geometry::{Affine, Rectangle},
    orientation::Orientation,
    raster::Raster,
    wipe::wipe,
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
    /// The least reduction to which the limits allow to decode it.
    finest_reduction: u32,
    pub(crate) orientation: Orientation,
}

/// What the headers of a photo declare.
pub(crate) struct Declared {
    /// Width and height; `None` when the headers cannot be read.
    pub(crate) size: Option<(u32, u32)>,
    /// What it takes to decode the photo, or why it cannot be decoded.
    pub(crate) cost: Result<Cost, PhotoFault>,
}

/// The decoder of one thread. It reuses the memory of earlier photos.
pub(crate) struct Decoder {
    bounds: Bounds,
    // Two, because a photo that is decoded again needs the first picture until the second is complete.
    spares: [Vec<u8>; 2],
    /// Buffer for a JPEG without the bytes that its pixels do not depend on.
    clean: Vec<u8>,
    deadline: Option<Instant>,
}

/// The version of the decoder. It grows when photos become readable that were not, so that portraits that are stored as
/// unusable are tried again.
pub const DECODER_VERSION: i16 = 2;

/// The reductions that JPEG's inverse transform offers, along each side; largest first.
const REDUCTIONS: [u32; 3] = [8, 4, 2];

/// Larger buffers are freed and not kept. The decoded pixels of a photo of 20 megapixels need less.
const MAX_SPARE_BYTES: usize = 8 << 20;

impl Picture {
    /// A picture that has all pixels of its photo.
    pub(crate) fn of(raster: Raster, orientation: Orientation) -> Self {
        Self { photo: None, size: raster.size(), raster, reduction: 1, finest_reduction: 1, orientation }
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
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, spares: [Vec::new(), Vec::new()], clean: Vec::new(), deadline: None }
    }

    /// Lets later photos be decoded only until this moment.
    pub(crate) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// Reads the headers of a photo that is to be decoded with a long side of at least `min_side`.
    pub(crate) fn inspect(&self, photo: &Photo, min_side: u32) -> Declared {
        let bytes = &photo.bytes()[..];
        match photo.format() {
            PhotoFormat::Jpeg => {
                let ParsedJpeg { frame, file } = ParsedJpeg::of(bytes);
                let size = frame.map(|frame| (frame.width, frame.height));
                let cost = size.ok_or(PhotoFault::Unreadable).and_then(|size| {
                    check_size(size, &self.bounds.limits)?;
                    let file = file.filter(|file| !file.may_be_negative()).ok_or(PhotoFault::Unreadable)?;
                    Cost::of_jpeg(&file, bytes.len(), reduction(size, min_side), &self.bounds)
                });
                Declared { size, cost }
            }
            PhotoFormat::Png => {
                let header = PngHeader::of(bytes);
                let cost = header.as_ref().ok_or(PhotoFault::Unreadable).and_then(|header| {
                    check_size(header.size, &self.bounds.limits)?;
                    Cost::of_png(header, &self.bounds)
                });
                Declared { size: header.map(|header| header.size), cost }
            }
        }
    }

    /// Decodes a photo, to fewer pixels if that leaves a long side of at least `min_side`. An incomplete file is
    /// unreadable, even if part of it could be decoded.
    pub(crate) fn decode(&mut self, photo: &Photo, min_side: u32) -> Result<Picture, FaceError> {
        match photo.format() {
            PhotoFormat::Jpeg => self.decode_jpeg(photo, |size| reduction(size, min_side)),
            PhotoFormat::Png => self.decode_png(photo.bytes()),
        }
    }

    /// Decodes the picture again if it is reduced further than `reduction`, to as many more pixels as the limits allow.
    pub(crate) fn decode_larger(&mut self, picture: &mut Picture, reduction: u32) -> Result<(), FaceError> {
        let reduction = reduction.max(picture.finest_reduction);
        let Some(photo) = picture.photo.as_ref().filter(|_| picture.reduction > reduction) else {
            return Ok(());
        };
        let larger = self.decode_jpeg(&photo.clone(), |_| reduction)?;
        self.reuse_memory(std::mem::replace(picture, larger));
        Ok(())
    }

    /// Decodes the picture again if its long side has fewer pixels than this and the photo has more.
    pub(crate) fn decode_to_side(&mut self, picture: &mut Picture, min_side: u32) -> Result<(), FaceError> {
        let reduction = reduction(picture.size, min_side);
        self.decode_larger(picture, reduction)
    }

    /// Keeps the memory of a picture, without its pixels, for later ones.
    pub(crate) fn reuse_memory(&mut self, picture: Picture) {
        self.keep_spare(picture.raster.into_buffer());
    }

    /// Keeps a buffer that has no pixels any more.
    fn keep_spare(&mut self, rgb: Vec<u8>) {
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

    /// Overwrites what a photo that could not be decoded has left in a buffer, and keeps it.
    fn wipe_spare(&mut self, mut pixels: Vec<u8>) {
        wipe(&mut pixels);
        self.keep_spare(pixels);
    }

    /// The size of the spare buffers, in bytes.
    #[cfg(test)]
    pub(crate) fn spare_bytes(&self) -> usize {
        self.spares.iter().map(Vec::len).sum()
    }

    #[cfg(test)]
    pub(crate) fn is_wiped(&self) -> bool {
        self.spares.iter().chain([&self.clean]).flatten().all(|byte| *byte == 0)
    }

    fn decode_jpeg(
        &mut self,
        photo: &Photo,
        reduction_for: impl FnOnce((u32, u32)) -> u32,
    ) -> Result<Picture, FaceError> {
        let ParsedJpeg { frame, file } = ParsedJpeg::of(photo.bytes());
        let size = frame.map(|frame| (frame.width, frame.height)).ok_or(PhotoFault::Unreadable)?;
        check_size(size, &self.bounds.limits)?;
        let file = file.filter(|file| !file.may_be_negative()).ok_or(PhotoFault::Unreadable)?;
        let reduction = reduction_for(size);
        let cost = Cost::of_jpeg(&file, photo.bytes().len(), reduction, &self.bounds)?;
        let time = TimeLeft { deadline: self.deadline, longest: cost.longest() };
        time.check()?;
        let orientation = file.orientation.unwrap_or(Orientation::UPRIGHT);
        let mut pixels = self.spare();
        let reduction = reduction.max(cost.finest_reduction);
        let decoded = jpeg::decode(file, reduction, &time, &mut self.clean, &mut pixels);
        self.wipe_spare(pixels);
        wipe(&mut self.clean);
        if self.clean.capacity() > MAX_SPARE_BYTES {
            self.clean = Vec::new();
        }
        let decoded = decoded?;
        let again = (decoded.reduction > 1).then(|| photo.clone());
        let raster = Raster::new(decoded.width, decoded.height, decoded.rgb).ok_or(PhotoFault::Unreadable)?;
        Ok(Picture {
            photo: again,
            size: decoded.photo,
            raster,
            reduction: decoded.reduction,
            finest_reduction: cost.finest_reduction,
            orientation,
        })
    }

    fn decode_png(&mut self, bytes: &[u8]) -> Result<Picture, FaceError> {
        let header = PngHeader::of(bytes).ok_or(PhotoFault::Unreadable)?;
        check_size(header.size, &self.bounds.limits)?;
        Cost::of_png(&header, &self.bounds)?;
        // The decoder does not read chunks after the pixels, where the EXIF may be.
        let exif_block = completeness::check_png(bytes)?;
        let mut pixels = self.spare();
        let decoded = refusing_panics(|| png::decode(bytes, &mut pixels, self.deadline));
        self.wipe_spare(pixels);
        let decoded = decoded?;
        let (width, height) = decoded.size;
        let raster = Raster::new(width, height, decoded.rgb).ok_or(PhotoFault::Unreadable)?;
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

/// Runs a decoder whose code is not ours. A file on which it panics is refused like any other that it cannot read; the
/// panic is logged.
fn refusing_panics<T>(decode: impl FnOnce() -> Result<T, FaceError>) -> Result<T, FaceError> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|_| Err(PhotoFault::Unreadable.into()))
}

#[cfg(test)]
mod damaged_jpegs;

#[cfg(test)]
mod doubtful_jpegs;

#[cfg(test)]
mod expensive_photos;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        geometry::Point,
        test_support::{config, photo, workspace},
    };

    /// The decoder of PNGs (png 0.18.1) panics on a palette whose last entry is cut. Found by the fuzz target `png`.
    #[test]
    fn a_png_whose_palette_is_cut_is_unreadable() {
        let cut = photo(std::fs::read(workspace("fuzz/seeds/png/palette-cut")).unwrap());
        let decoded = Decoder::new(Bounds::of(&config())).decode(&cut, 640).map(|_| ());
        assert_eq!(decoded, Err(PhotoFault::Unreadable.into()));
    }

    #[test]
    fn a_decoder_that_panics_has_an_unreadable_photo() {
        assert_eq!(refusing_panics(|| Ok(7)), Ok(7));
        assert_eq!(refusing_panics::<()>(|| panic!("on purpose")), Err(PhotoFault::Unreadable.into()));
    }

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
