use bytes::Bytes;

use crate::redacted::debug_as_name;

/// An encoded photo that begins like a PNG or a JPEG. It is not decoded yet and may be damaged.
#[derive(Clone)]
pub struct Photo {
    format: PhotoFormat,
    bytes: Bytes,
}

debug_as_name!(Photo);

/// The supported formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhotoFormat {
    /// Portable Network Graphics.
    Png,
    /// JPEG, with JFIF, EXIF or Adobe markers.
    Jpeg,
}

/// The file does not begin like a PNG or a JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a PNG or JPEG file, found other first bytes")]
pub struct UnknownPhotoFormat;

impl Photo {
    /// The format, by the first bytes.
    pub fn format(&self) -> PhotoFormat {
        self.format
    }

    /// The encoded file.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The same photo in memory of its own, which outlives that of the request it came with.
    #[must_use]
    pub fn copied(&self) -> Self {
        Self { format: self.format, bytes: Bytes::copy_from_slice(&self.bytes) }
    }
}

impl TryFrom<Bytes> for Photo {
    type Error = UnknownPhotoFormat;

    fn try_from(bytes: Bytes) -> Result<Self, Self::Error> {
        const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
        // The next byte is that of a marker, or of whatever a camera wrote before the first one.
        const JPEG_START: &[u8] = b"\xff\xd8";
        let format = if bytes.starts_with(PNG_SIGNATURE) {
            PhotoFormat::Png
        } else if bytes.starts_with(JPEG_START) && bytes.len() > JPEG_START.len() {
            PhotoFormat::Jpeg
        } else {
            return Err(UnknownPhotoFormat);
        };
        Ok(Self { format, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format_of(bytes: &'static [u8]) -> Result<PhotoFormat, UnknownPhotoFormat> {
        Photo::try_from(Bytes::from_static(bytes)).map(|photo| photo.format())
    }

    #[test]
    fn the_first_bytes_decide_the_format() {
        assert_eq!(format_of(b"\x89PNG\r\n\x1a\n...."), Ok(PhotoFormat::Png));
        assert_eq!(format_of(b"\xff\xd8\xff\xe0...."), Ok(PhotoFormat::Jpeg));
        assert_eq!(
            format_of(b"\xff\xd8\0\xe0...."),
            Ok(PhotoFormat::Jpeg),
            "a marker without its first byte"
        );
        for other in [&b""[..], b"GIF89a", b"RIFF....WEBP", b"\x89PNG", b"\xff\xd8", b"%PDF-1.7", b"BM"] {
            assert_eq!(format_of(other), Err(UnknownPhotoFormat));
        }
    }

    #[test]
    fn debug_shows_no_pixel() {
        let photo = Photo::try_from(Bytes::from_static(b"\xff\xd8\xff\xe0secret")).unwrap();
        assert_eq!(format!("{photo:?}"), "Photo");
    }
}
