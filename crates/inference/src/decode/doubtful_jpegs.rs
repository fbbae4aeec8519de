//! JPEGs of which one reading is complete although the photo is not, and photos that look like them.

use super::{
    damaged_jpegs::{GoodPhoto, decode, encoded, segment, thumbnail},
    *,
};
use crate::test_support::fixture;

const UNREADABLE: Option<FaceError> = Some(FaceError::Rejected(PhotoFault::Unreadable));

/// The entropy-coded data of each scan.
fn scan_data(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let is_marker = |at: usize| bytes[at] == 0xff && !matches!(bytes[at + 1], 0 | 0xd0..=0xd7 | 0xff);
    let scans = (0..bytes.len() - 1).filter(|at| bytes[*at..].starts_with(b"\xff\xda"));
    let data = scans.map(|at| {
        let start = at + 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        start..(start..bytes.len() - 1).find(|at| is_marker(*at)).unwrap()
    });
    data.collect()
}

/// Zeros instead of the last bytes are codes too, in a progressive scan for any number of blocks. It cannot be noticed
/// if they stand for as many blocks as what they replace, as in scans of DC coefficients.
#[test]
fn a_scan_whose_end_was_overwritten_with_zeros_is_unreadable() {
    let whole = fixture("odd/progressive.jpg");
    assert!(decode(whole.clone()).is_ok());
    let is_dc = |start: usize| whole[start - 3] == 0;
    let scans: Vec<_> = scan_data(&whole).into_iter().filter(|data| !is_dc(data.start)).collect();
    assert_eq!(scans.len(), 8);
    for data in scans {
        let lost = data.len() / 2;
        let mut damaged = whole.clone();
        damaged[data.end - lost..data.end].fill(0);
        let decoded = decode(damaged).map(|_| ());
        assert_eq!(decoded.err(), UNREADABLE, "{lost} bytes of {data:?}");
    }
}

/// The last group of blocks is all zeros but for the end of its brightness.
#[test]
fn zeros_after_a_grey_corner_are_padding() {
    for blocks in 1..40 {
        let whole = encoded(image::RgbImage::from_pixel(8 * blocks, 8, image::Rgb([90; 3])));
        let expected = decode(whole.clone()).unwrap();
        for padding in [1, 12, 2000] {
            let end = whole.len() - 2;
            let padded = [&whole[..end], &vec![0; padding], b"\xff\xd9"].concat();
            let decoded = decode(padded);
            assert!(decoded.is_ok(), "{blocks} blocks, {padding} bytes of padding");
            assert!(decoded.unwrap().raster.rgb() == expected.raster.rgb());
        }
    }
}

/// EXIF with another person's thumbnail, in a segment whose length is wrong.
fn exif_with_thumbnail(error: isize) -> Vec<u8> {
    let content = [b"Exif\0\0II*\0\x08\0\0\0\0\0", &thumbnail()[..]].concat();
    segment(b"\xff\xe1", (content.len() + 2).saturating_add_signed(error), &content)
}

#[test]
fn a_thumbnail_is_never_taken_for_the_photo() {
    let good = GoodPhoto::person("101_s1.jpg");
    let expected = decode(good.bytes.clone()).unwrap();
    for error in [-900, -77, -1, 1, 50] {
        for segments in 1..24 {
            let exif = exif_with_thumbnail(error).repeat(segments);
            let decoded = decode(good.insert(2, &exif));
            assert!(decoded.is_ok() || segments > 2, "{segments} segments, {error} bytes too long");
            match decoded {
                Ok(decoded) => assert!(decoded.raster.rgb() == expected.raster.rgb(), "{segments}, {error}"),
                Err(fault) => assert_eq!(Some(fault), UNREADABLE),
            }
            let cut = [b"\xff\xd8", &exif[..], &good.bytes[2..good.data.start + 500], b"\xff\xd9"].concat();
            assert_eq!(
                decode(cut).map(|_| ()).err(),
                UNREADABLE,
                "{segments} segments, {error} bytes too long"
            );
        }
    }
}

#[test]
fn an_image_before_the_larger_frame_of_a_broken_off_photo_is_unreadable() {
    let good = GoodPhoto::person("101_s1.jpg");
    let cut = &good.bytes[2..good.data.start + 500];
    assert!(decode(thumbnail()).is_ok());
    assert_eq!(decode([&thumbnail()[..], cut].concat()).map(|_| ()).err(), UNREADABLE);
}

/// As long as a run of fill bytes was read again from each of its bytes, this took hours.
#[test]
fn a_long_run_of_fill_bytes_is_read_once() {
    let good = GoodPhoto::person("101_s1.jpg");
    let expected = decode(good.bytes.clone()).unwrap();
    let filled = good.insert(2, &[&vec![0xff; 4 << 20][..], &[0]].concat());
    assert!(decode(filled).unwrap().raster.rgb() == expected.raster.rgb());
}
