//! The fuzz targets of the decoder.

use std::{sync::LazyLock, time::Duration};

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};

use super::*;
use crate::config::Config;

/// Reads a JPEG as the service does.
///
/// # Panics
///
/// When a property does not hold.
pub fn jpeg(data: &[u8]) {
    if let Some(photo) = photo(data, PhotoFormat::Jpeg) {
        clean_file(data);
        decode(&photo);
    }
}

/// Reads a PNG as the service does.
///
/// # Panics
///
/// When a property does not hold.
pub fn png(data: &[u8]) {
    if let Some(photo) = photo(data, PhotoFormat::Png) {
        decode(&photo);
    }
}

fn photo(data: &[u8], format: PhotoFormat) -> Option<Photo> {
    Photo::try_from(Bytes::copy_from_slice(data)).ok().filter(|photo| photo.format() == format)
}

/// The settings of the service with limits so low that many photos can be decoded in a second.
static BOUNDS: LazyLock<Option<Bounds>> = LazyLock::new(|| {
    #[derive(serde::Deserialize)]
    struct Shipped {
        inference: Config,
    }
    let shipped: Shipped = toml::from_str(include_str!("../../../../config/default.toml")).ok()?;
    let mut bounds = Bounds::of(&shipped.inference);
    bounds.limits.max_megapixels = 0.3;
    bounds.limits.max_coded_megasamples = 3.0;
    bounds.limits.max_photo_bytes = 16 << 20;
    Some(bounds)
});

/// So small that photos are decoded to fewer pixels first.
const MIN_SIDE: u32 = 32;

/// The file that is given to the decoder is read as the same photo, and writes itself.
fn clean_file(data: &[u8]) {
    let ParsedJpeg { frame, file } = ParsedJpeg::of(data);
    let Some(file) = file else { return };
    let size = |frame: &jpeg_file::Frame| (frame.width, frame.height, frame.components.len());
    assert_eq!(frame.as_ref().map(size), Some(size(&file.frame)), "the file has another frame header");
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    file.write(&mut once);
    let again = ParsedJpeg::of(&once).file;
    assert!(again.is_some(), "the clean file is refused");
    if let Some(again) = again {
        assert_eq!(size(&again.frame), size(&file.frame), "the clean file is another photo");
        again.write(&mut twice);
    }
    assert!(once == twice, "the clean file does not write itself");
}

/// A photo is decoded within the cost that its headers give, to pixels that depend on the photo alone. What is refused by
/// its headers is not decoded.
fn decode(photo: &Photo) {
    let Some(bounds) = *BOUNDS else { return };
    let decoder = || Decoder::new(bounds);
    let declared = decoder().inspect(photo, MIN_SIDE);
    let before = thread_time();
    let decoded = decoder().decode(photo, MIN_SIDE);
    let took = thread_time().saturating_sub(before);
    let Ok(mut picture) = decoded else { return };
    assert_eq!(declared.size, Some(picture.size), "the headers declare another size");
    assert!(declared.cost.is_ok(), "a photo over the limits is decoded");
    let Ok(cost) = declared.cost else { return };
    assert!(picture.raster.rgb().len() as u64 <= cost.bytes, "the pixels take more memory than computed");
    if photo.format() == PhotoFormat::Jpeg {
        // The instrumentation slows down what is not libjpeg-turbo.
        let longest = 3 * cost.longest() + Duration::from_millis(200);
        assert!(took <= longest, "decoding takes {took:?} instead of {longest:?}");
    }
    assert!(
        pixels_after_another_photo(photo, bounds) == picture.raster.rgb(),
        "pixels of another photo remain"
    );
    if decoder().decode_larger(&mut picture, 1).is_ok() {
        assert!(
            picture.raster.rgb().len() as u64 <= cost.bytes,
            "more pixels take more memory than computed"
        );
    }
}

/// Decodes into buffers in which another photo was.
fn pixels_after_another_photo(photo: &Photo, bounds: Bounds) -> Vec<u8> {
    let mut decoder = Decoder::new(bounds);
    decoder.spares = [vec![0xa5; 1 << 20], vec![0x5a; 1 << 20]];
    decoder.clean = vec![0xa5; 1 << 16];
    decoder.decode(photo, MIN_SIDE).map(|picture| picture.raster.rgb().to_vec()).unwrap_or_default()
}

fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
