//! The allocations for one photo in a warm pipeline. A separate binary, because it counts every allocation.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed, and the panic names the line"
)]

mod common;

use std::io::Cursor;

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use image::{
    DynamicImage, Rgb, RgbImage,
    codecs::jpeg::JpegEncoder,
    imageops::{self, FilterType},
};
use padan_domain::Photo;
use png::text_metadata::{ITXtChunk, ZTXtChunk};

use self::common::{pipeline, project};

/// Nearly all allocations are the names and handles of the outputs of three detector runs.
const MAX_ALLOCATIONS: u64 = 1500;
/// The largest allocations are the crop and its luma.
const MAX_BYTES: u64 = 512 << 10;
/// The resampler's tables grow with the ratio of sizes, up to that of a photo decoded to 1,279 pixels. Pixel
/// buffers are reused.
const MAX_GROWTH: u64 = 64 << 10;

#[test]
fn memory_that_grows_with_the_photo_is_reused() {
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
        assert!(*count_total <= MAX_ALLOCATIONS, "{counted:?}");
        assert!(*bytes_total <= MAX_BYTES, "{counted:?}");
        assert_eq!(*count_current, 0, "memory is kept: {counted:?}");
    }
    let (largest, smallest) = (counted[0].bytes_total, counted[2].bytes_total);
    assert!(largest <= smallest + MAX_GROWTH, "{counted:?}");
}

/// Such a photo is decoded twice: to few pixels to detect the face, and to all for the crop.
#[test]
fn memory_of_a_photo_that_is_decoded_twice_is_reused() {
    let mut pipeline = pipeline();
    let photo = encoded(&far_away(1080, 1440));
    pipeline.examine(&selfie(1080, 1440)).unwrap();
    let first = measure(|| drop(pipeline.examine(&photo)));
    assert!(first.bytes_total > 1080 * 1440 * 3, "it is decoded whole: {first:?}");
    pipeline.examine(&photo).unwrap();
    let counted = measure(|| drop(pipeline.examine(&photo)));
    assert!(counted.bytes_total <= MAX_BYTES + MAX_GROWTH && counted.count_current == 0, "{counted:?}");
}

/// Colour profiles and texts of a PNG are skipped, whatever they would inflate to. Pixels of any depth take three bytes.
#[test]
fn chunks_of_a_png_that_inflate_take_no_memory() {
    const INFLATED: usize = 64 << 20;
    let mut pipeline = pipeline();
    let encoded = |change: &dyn Fn(&mut png::Info<'static>), wide: bool| {
        let mut file = Vec::new();
        let mut info = png::Info::with_size(256, 256);
        info.color_type = png::ColorType::Rgba;
        info.bit_depth = if wide { png::BitDepth::Sixteen } else { png::BitDepth::Eight };
        change(&mut info);
        let mut writer = png::Encoder::with_info(&mut file, info).unwrap().write_header().unwrap();
        writer.write_image_data(&vec![255; 256 * 256 * if wide { 8 } else { 4 }]).unwrap();
        writer.finish().unwrap();
        Photo::try_from(Bytes::from(file)).unwrap()
    };
    let text = || "a".repeat(INFLATED);
    let photos = [
        ("IDAT", encoded(&|_| {}, true)),
        ("iCCP", encoded(&|info| info.icc_profile = Some(vec![0; INFLATED].into()), false)),
        ("zTXt", encoded(&|info| info.compressed_latin1_text.push(ZTXtChunk::new("Comment", text())), false)),
        ("iTXt", encoded(&|info| info.utf8_text.push(compressed(ITXtChunk::new("Comment", text()))), false)),
    ];
    for (kind, photo) in photos {
        let file = photo.bytes();
        assert!(file.windows(4).any(|bytes| bytes == kind.as_bytes()), "no {kind}");
        assert!(file.len() < 1 << 20, "{kind}: {} bytes", file.len());
        let counted = measure(|| drop(pipeline.decode(&photo).unwrap()));
        assert!(counted.bytes_max < 1 << 20, "{kind}: {counted:?}");
    }
}

fn compressed(mut text: ITXtChunk) -> ITXtChunk {
    text.compressed = true;
    text
}

fn selfie(width: u32, height: u32) -> Photo {
    encoded(&rendered().resize_to_fill(width, height, FilterType::CatmullRom))
}

/// A person whose face takes a tenth of the picture's width.
fn far_away(width: u32, height: u32) -> DynamicImage {
    let mut picture = DynamicImage::ImageRgb8(RgbImage::from_pixel(width, height, Rgb([128, 128, 128])));
    let person = rendered().resize(width / 4, height / 4, FilterType::CatmullRom);
    imageops::overlay(&mut picture, &person, i64::from(width / 3), i64::from(height / 3));
    picture
}

fn rendered() -> DynamicImage {
    image::open(project().join("people/images/114_s1.jpg")).unwrap()
}

fn encoded(picture: &DynamicImage) -> Photo {
    let mut bytes = Cursor::new(Vec::new());
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 84);
    picture.to_rgb8().write_with_encoder(encoder).unwrap();
    Photo::try_from(Bytes::from(bytes.into_inner())).unwrap()
}
