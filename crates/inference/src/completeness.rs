//! Checks that a PNG is complete. Decoders fill in missing parts, and a photo with made-up parts is no evidence
//! of a face.

use crate::error::PhotoFault;

/// Reads a PNG's chunks up to its end chunk, and returns the EXIF block, if any. A palette has whole entries.
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
            // A decoder may trust that each entry has three bytes.
            b"PLTE" if !length.is_multiple_of(3) => return Err(PhotoFault::Unreadable),
            b"eXIf" => exif = exif.or(Some(&bytes[data..data + length])),
            _ => {}
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let palette = |data| [&[0; 8][..], &chunk(b"PLTE", data), &chunk(b"IEND", b"")].concat();
        assert_eq!(check_png(&palette(b"rgbrgb")), Ok(None));
        assert_eq!(check_png(&palette(b"rgbrg")), Err(PhotoFault::Unreadable), "an entry is cut");
        let exif = chunk(b"eXIf", b"MM");
        let exif_after_pixels = [&[0; 8][..], &chunk(b"IDAT", b"abc"), &exif, &chunk(b"IEND", b"")].concat();
        assert_eq!(check_png(&exif_after_pixels), Ok(Some(&b"MM"[..])));
    }
}
