use std::{fmt, str::FromStr};

use anyhow::Result;
use bytes::Bytes;
use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use turbojpeg::Subsamp;

/// Width and height of a selfie in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    width: u32,
    height: u32,
}

/// The error for a text that is not a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidSize;

impl Size {
    /// Sizes that phones send: strongly reduced by a page or an app (60 kB), moderately reduced (250 kB), and not
    /// reduced (1.4 MB).
    pub const OF_PHONES: [Self; 3] = [Self::new(480, 640), Self::new(1080, 1440), Self::new(3024, 4032)];

    const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Returns the picture at this size as a JPEG, cropped to its proportions, with grain so that it compresses like a
    /// camera's photo.
    ///
    /// # Errors
    /// When the picture cannot be decoded.
    pub fn enlarge(self, picture: &[u8]) -> Result<Bytes> {
        let picture = image::load_from_memory(picture)?.to_rgb8();
        let rendered = ImageRef::new(picture.width(), picture.height(), &picture, PixelType::U8x3)?;
        let mut enlarged = Image::new(self.width, self.height, PixelType::U8x3);
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom))
            .fit_into_destination(None);
        Resizer::new().resize(&rendered, &mut enlarged, &options)?;
        let mut state = 0x2545_f491_u32;
        for value in enlarged.buffer_mut() {
            // Xorshift, which gives the same grain in every run.
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            *value = value.saturating_add_signed((state % 9) as i8 - 4);
        }
        let (width, height) = (self.width as usize, self.height as usize);
        let format = turbojpeg::PixelFormat::RGB;
        let pixels = enlarged.buffer();
        let enlarged = turbojpeg::Image { pixels, width, pitch: width * format.size(), height, format };
        // Phones store each colour for four pixels together. With a colour for each pixel, a file takes half as long
        // again to decode.
        Ok(Bytes::copy_from_slice(&turbojpeg::compress(enlarged, self.quality(), Subsamp::Sub2x2)?))
    }

    /// The JPEG quality at which a selfie of this size has as many bytes as a phone's.
    fn quality(self) -> i32 {
        match u64::from(self.width) * u64::from(self.height) {
            ..600_000 => 92,
            600_000..4_000_000 => 88,
            _ => 78,
        }
    }
}

impl FromStr for Size {
    type Err = InvalidSize;

    fn from_str(text: &str) -> Result<Self, InvalidSize> {
        let side = |text: &str| match text.parse() {
            Ok(side @ 1..=16_384) => Ok(side),
            _ => Err(InvalidSize),
        };
        let (width, height) = text.split_once('x').ok_or(InvalidSize)?;
        Ok(Self { width: side(width)?, height: side(height)? })
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl fmt::Display for InvalidSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected WIDTHxHEIGHT in pixels, such as 1080x1440")
    }
}

impl std::error::Error for InvalidSize {}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::codecs::jpeg::JpegEncoder;

    use super::*;

    #[test]
    fn a_size_is_width_and_height() {
        let sizes = Size::OF_PHONES.map(|size| size.to_string());
        assert_eq!(sizes, ["480x640", "1080x1440", "3024x4032"]);
        assert_eq!("480x640".parse(), Ok(Size::OF_PHONES[0]));
        for text in ["480", "480x", "0x640", "480x640x3", "-1x5", "480x16385"] {
            assert_eq!(text.parse::<Size>(), Err(InvalidSize), "{text}");
        }
    }

    #[test]
    fn an_enlarged_picture_has_the_size_and_is_reproducible() {
        let mut small = Cursor::new(Vec::new());
        let picture = image::RgbImage::from_pixel(40, 50, image::Rgb([120, 90, 60]));
        picture.write_with_encoder(JpegEncoder::new(&mut small)).unwrap();
        let size: Size = "90x120".parse().unwrap();
        let once = size.enlarge(small.get_ref()).unwrap();
        let read = image::load_from_memory(&once).unwrap();
        assert_eq!((read.width(), read.height()), (90, 120));
        assert_eq!(once, size.enlarge(small.get_ref()).unwrap());
        let header = turbojpeg::read_header(&once).unwrap();
        assert_eq!(header.subsamp, Subsamp::Sub2x2, "colours are stored as phones store them");
    }
}
