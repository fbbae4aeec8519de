//! Checks that an image file is complete. Decoders fill in missing parts, and a photo with made-up parts is no evidence
//! of a face.

use crate::error::PhotoFault;

const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;
const APP1: u8 = 0xe1;
const APP14: u8 = 0xee;

/// The properties of the pixels that a JPEG's segments declare.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct JpegSegments<'a> {
    /// The EXIF block, which holds the orientation.
    pub(crate) exif: Option<&'a [u8]>,
    /// Whether inks are stored inverted, as by Adobe's programs.
    pub(crate) inverted_cmyk: bool,
}

/// Reads a JPEG's segments and entropy-coded data up to its end marker. Data after that marker is ignored, because
/// cameras append videos and depth maps. The decoder checks whether the data between the markers is complete.
pub(crate) fn check_jpeg(bytes: &[u8]) -> Result<JpegSegments<'_>, PhotoFault> {
    const AFTER_START_OF_IMAGE: usize = 2;
    let mut at = AFTER_START_OF_IMAGE;
    let mut scans = 0;
    let mut segments = JpegSegments::default();
    loop {
        let marker = next_marker(bytes, &mut at)?;
        match marker {
            END_OF_IMAGE => {
                return if scans > 0 { Ok(segments) } else { Err(PhotoFault::Unreadable) };
            }
            // Restart markers, a stray start of image and TEM have no length.
            0x01 | 0xd0..=0xd8 => {}
            _ => {
                let length = bytes.get(at..at + 2).ok_or(PhotoFault::Unreadable)?;
                let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                if length < 2 || at + length > bytes.len() {
                    return Err(PhotoFault::Unreadable);
                }
                let content = &bytes[at + 2..at + length];
                match marker {
                    APP1 => segments.exif = segments.exif.or(content.strip_prefix(b"Exif\0\0")),
                    APP14 => segments.inverted_cmyk |= content.starts_with(b"Adobe"),
                    _ => {}
                }
                at += length;
                scans += usize::from(marker == START_OF_SCAN);
            }
        }
    }
}

/// The next marker from `at`, past entropy-coded data, stuffed zeros and fill bytes.
fn next_marker(bytes: &[u8], at: &mut usize) -> Result<u8, PhotoFault> {
    loop {
        let rest = bytes.get(*at..).ok_or(PhotoFault::Unreadable)?;
        *at += memchr::memchr(0xff, rest).ok_or(PhotoFault::Unreadable)? + 1;
        match bytes.get(*at) {
            None => return Err(PhotoFault::Unreadable),
            Some(0x00) => *at += 1,
            Some(0xff) => {}
            Some(marker) => {
                *at += 1;
                return Ok(*marker);
            }
        }
    }
}

/// Reads a PNG's chunks up to its end chunk, and returns the EXIF block, if any.
pub(crate) fn check_png(bytes: &[u8]) -> Result<Option<&[u8]>, PhotoFault> {
    const SIGNATURE: usize = 8;
    const LENGTH_AND_TYPE: usize = 8;
    const CHECKSUM: usize = 4;
    let mut at = SIGNATURE;
    let mut exif = None;
    loop {
        let data = at + LENGTH_AND_TYPE;
        let head = bytes.get(at..data).ok_or(PhotoFault::Unreadable)?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let end = data + length + CHECKSUM;
        if end > bytes.len() {
            return Err(PhotoFault::Unreadable);
        }
        match &head[4..8] {
            b"IEND" => return Ok(exif),
            b"eXIf" => exif = exif.or(Some(&bytes[data..data + length])),
            _ => {}
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCAN: &[u8] = b"\xff\xd8\xff\xda\x00\x04ab\x12\xff\x00\x34\xff\xd0\x56";

    fn jpeg(tail: &[u8]) -> Result<(), PhotoFault> {
        check_jpeg(&[SCAN, tail].concat()).map(|_| ())
    }

    #[test]
    fn the_first_exif_and_adobes_marker_are_found() {
        let head = b"\xff\xd8\xff\xe1\x00\x0aExif\0\0MM\xff\xe1\x00\x0aExif\0\0II\xff\xee\x00\x07Adobe";
        let file = [&head[..], &SCAN[2..], b"\xff\xd9"].concat();
        assert_eq!(check_jpeg(&file), Ok(JpegSegments { exif: Some(b"MM"), inverted_cmyk: true }));
        assert_eq!(check_jpeg(&[SCAN, b"\xff\xd9"].concat()), Ok(JpegSegments::default()));
    }

    #[test]
    fn a_jpeg_ends_at_its_end_marker() {
        assert_eq!(jpeg(b"\xff\xd9"), Ok(()));
        assert_eq!(jpeg(b"\xff\xff\xd9"), Ok(()), "fill bytes");
        assert_eq!(jpeg(b"\xff\xd9appended video"), Ok(()));
        for tail in [&b""[..], b"\xff", b"\xff\x00\xd9", b"\xff\xda\x00\x09", b"\xff\xe1\x00\x06\xff\xd9"] {
            assert_eq!(jpeg(tail), Err(PhotoFault::Unreadable), "{tail:?}");
        }
    }

    #[test]
    fn the_end_marker_of_a_thumbnail_is_ignored() {
        let with_thumbnail = b"\xff\xd8\xff\xe1\x00\x08\xff\xd8\xff\xd9ab\xff\xda\x00\x02\x12\x34";
        assert_eq!(check_jpeg(with_thumbnail), Err(PhotoFault::Unreadable));
    }

    #[test]
    fn a_jpeg_without_a_scan_is_unreadable() {
        assert_eq!(check_jpeg(b"\xff\xd8\xff\xd9"), Err(PhotoFault::Unreadable));
    }

    #[test]
    fn a_png_ends_at_its_end_chunk() {
        let chunk = |kind: &[u8], data: &[u8]| {
            let length = (data.len() as u32).to_be_bytes();
            [&length[..], kind, data, &[0; 4]].concat()
        };
        let complete = [&[0; 8][..], &chunk(b"IDAT", b"abc"), &chunk(b"IEND", b"")].concat();
        assert_eq!(check_png(&complete), Ok(None));
        assert_eq!(check_png(&[&complete[..], b"tail"].concat()), Ok(None));
        for end in 0..complete.len() {
            assert_eq!(check_png(&complete[..end]), Err(PhotoFault::Unreadable), "cut at {end}");
        }
        assert_eq!(
            check_png(&[&[0; 8][..], b"\xff\xff\xff\xffIDATabc"].concat()),
            Err(PhotoFault::Unreadable)
        );
        let exif = chunk(b"eXIf", b"MM");
        let exif_after_pixels = [&[0; 8][..], &chunk(b"IDAT", b"abc"), &exif, &chunk(b"IEND", b"")].concat();
        assert_eq!(check_png(&exif_after_pixels), Ok(Some(&b"MM"[..])));
    }
}
