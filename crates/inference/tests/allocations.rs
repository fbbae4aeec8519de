//! What one photo allocates once its worker is warm. A binary of its own, since it counts every allocation.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed, and the place says why")]

mod common;

use std::io::Cursor;

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use image::{DynamicImage, codecs::jpeg::JpegEncoder, imageops::FilterType};
use padan_domain::Photo;

use self::common::{pipeline, project};

/// Nearly all are the names and handles of what three runs of the detector answer.
const MOST_ALLOCATIONS: u64 = 1500;
/// The crop and its luma are the large ones.
const MOST_BYTES: u64 = 512 << 10;
/// Tables of the resampler grow with the ratio of sizes, up to that of a photo decoded to 1,279 pixels; pixels are none of it.
const MOST_GROWTH: u64 = 64 << 10;

#[test]
fn memory_that_grows_with_a_photo_is_used_again() {
    let mut pipeline = pipeline();
    let sizes = [(3024, 4032), (1080, 1440), (480, 640)];
    let counted = sizes.map(|(width, height)| {
        let photo = selfie(width, height);
        for _ in 0..2 {
            assert_eq!(pipeline.examine(&photo).unwrap().1, None);
        }
        let counted = measure(|| drop(pipeline.examine(&photo)));
        println!("{width}x{height}: {counted:?}");
        counted
    });
    for AllocationInfo { count_total, bytes_total, count_current, .. } in &counted {
        assert!(*count_total <= MOST_ALLOCATIONS, "{counted:?}");
        assert!(*bytes_total <= MOST_BYTES, "{counted:?}");
        assert_eq!(*count_current, 0, "nothing stays: {counted:?}");
    }
    let (largest, smallest) = (counted[0].bytes_total, counted[2].bytes_total);
    assert!(largest <= smallest + MOST_GROWTH, "{counted:?}");
}

fn selfie(width: u32, height: u32) -> Photo {
    let rendered = image::open(project().join("people/images/114_s1.jpg")).unwrap();
    let enlarged = rendered.resize_to_fill(width, height, FilterType::CatmullRom).to_rgb8();
    let mut bytes = Cursor::new(Vec::new());
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 84);
    DynamicImage::ImageRgb8(enlarged).write_with_encoder(encoder).unwrap();
    Photo::try_from(Bytes::from(bytes.into_inner())).unwrap()
}
