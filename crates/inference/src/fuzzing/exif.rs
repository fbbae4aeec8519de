use crate::{decode::exif::orientation, decode::jpeg_file::ParsedJpeg};

/// Reads an EXIF block by itself and as a part of a JPEG.
///
/// # Panics
///
/// When a property does not hold.
pub fn exif(block: &[u8]) {
    let read = orientation(block);
    for cut in [block.len() / 2, block.len().saturating_sub(1), 14, 20] {
        let of_cut = block.get(..cut).and_then(orientation);
        assert!(of_cut.is_none() || of_cut == read, "a cut block has another orientation");
    }
    let is_nested = block.starts_with(b"Exif\0");
    if let (false, Some(jpeg)) = (is_nested, jpeg_with(block)) {
        let file = ParsedJpeg::of(&jpeg).file;
        assert!(file.is_some(), "an EXIF block makes a photo unreadable");
        assert_eq!(file.and_then(|file| file.orientation), read, "the photo has another orientation");
    }
}

/// A grey photo of one block of pixels with an EXIF block; `None` when the block is too long for a segment.
fn jpeg_with(block: &[u8]) -> Option<Vec<u8>> {
    let segment = |marker: u8, content: &[u8]| {
        let length = u16::try_from(content.len() + 2).ok()?;
        Some([&[0xff, marker][..], &length.to_be_bytes(), content].concat())
    };
    let table = |class: u8| [&[class, 1][..], &[0; 16]].concat();
    let segments = [
        b"\xff\xd8".to_vec(),
        segment(0xe1, &[b"Exif\0\0", block].concat())?,
        segment(0xdb, &[&[0][..], &[1; 64]].concat())?,
        segment(0xc0, &[8, 0, 8, 0, 8, 1, 1, 0x11, 0])?,
        segment(0xc4, &[table(0x00), table(0x10)].concat())?,
        segment(0xda, &[1, 1, 0, 0, 63, 0])?,
        vec![0],
        b"\xff\xd9".to_vec(),
    ];
    Some(segments.concat())
}
