use std::{fs, io::Cursor};

use bytes::Bytes;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, imageops};

use crate::project::project;

/// The sample people's photos, and variants of a good one.
pub struct Photos;

impl Photos {
    /// A file of the sample people.
    pub fn read(name: &str) -> Bytes {
        fs::read(project().join("people/images").join(name)).unwrap().into()
    }

    /// A selfie of Budi.
    pub fn selfie() -> RgbImage {
        image::load_from_memory(&Self::read("101_s1.jpg")).unwrap().to_rgb8()
    }

    /// The picture as a PNG.
    pub fn png(picture: &RgbImage) -> Bytes {
        encode(picture, ImageFormat::Png)
    }

    /// A colour gradient.
    pub fn without_face() -> Bytes {
        Self::png(&RgbImage::from_fn(400, 400, |x, y| Rgb([(x / 4) as u8, (y / 4) as u8, 120])))
    }

    /// The selfie without the half of the face at its left.
    pub fn cut_off() -> Bytes {
        let selfie = Self::selfie();
        let middle = selfie.width() / 2;
        Self::png(
            &imageops::crop_imm(&selfie, middle, 0, selfie.width() - middle, selfie.height()).to_image(),
        )
    }

    /// Two people side by side.
    pub fn two_faces() -> Bytes {
        let (one, other) =
            (Self::selfie(), image::load_from_memory(&Self::read("110_s1.jpg")).unwrap().to_rgb8());
        let mut both = RgbImage::new(one.width() + other.width(), one.height().max(other.height()));
        imageops::replace(&mut both, &one, 0, 0);
        imageops::replace(&mut both, &other, i64::from(one.width()), 0);
        Self::png(&both)
    }

    /// The selfie with a small face.
    pub fn small_face() -> Bytes {
        let selfie = Self::selfie();
        let small = imageops::resize(&selfie, 54, 68, imageops::FilterType::Triangle);
        let mut far = RgbImage::from_pixel(216, 270, *selfie.get_pixel(2, 2));
        imageops::replace(&mut far, &small, 80, 100);
        Self::png(&far)
    }

    /// The selfie out of focus.
    pub fn blurred() -> Bytes {
        Self::png(&imageops::blur(&Self::selfie(), 7.0))
    }

    /// The selfie with each value scaled and shifted.
    pub fn exposed(factor: f32, offset: f32) -> Bytes {
        let mut selfie = Self::selfie();
        for value in selfie.iter_mut() {
            *value = (f32::from(*value) * factor + offset).clamp(0.0, 255.0) as u8;
        }
        Self::png(&selfie)
    }
}

fn encode(picture: &RgbImage, format: ImageFormat) -> Bytes {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture.clone()).write_to(&mut bytes, format).unwrap();
    bytes.into_inner().into()
}
