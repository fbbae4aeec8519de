use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::U8x3,
};

use crate::{error::FaceError, geometry::Rectangle};

/// Decoded pixels, 8 bits each of red, green and blue, row by row as stored.
#[derive(Clone)]
pub(crate) struct Raster {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Raster {
    /// `None` unless there are three bytes for each pixel and at least one pixel.
    pub(crate) fn new(width: u32, height: u32, rgb: Vec<u8>) -> Option<Self> {
        let bytes = width as usize * height as usize * 3;
        (bytes > 0 && rgb.len() == bytes).then_some(Self { width, height, rgb })
    }

    pub(crate) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    pub(crate) fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The pixel at a place; black outside, as the embedders were trained.
    pub(crate) fn pixel(&self, column: i64, row: i64) -> [u8; 3] {
        if column < 0 || row < 0 || column >= i64::from(self.width) || row >= i64::from(self.height) {
            return [0; 3];
        }
        let at = (row as usize * self.width as usize + column as usize) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// A part of the picture, resampled to a size with a filter that averages what it leaves out.
    pub(crate) fn resized(
        &self,
        part: Rectangle,
        (width, height): (u32, u32),
        filter: FilterType,
        resizer: &mut Resizer,
    ) -> Result<Self, FaceError> {
        let broken = |error: &dyn std::fmt::Display| FaceError::Broken(format!("resizing: {error}"));
        let mut rgb = vec![0; width as usize * height as usize * 3];
        let source = TypedImageRef::<U8x3>::from_buffer(self.width, self.height, &self.rgb);
        let source = source.map_err(|e| broken(&e))?;
        let mut target = TypedImage::<U8x3>::from_buffer(width, height, &mut rgb).map_err(|e| broken(&e))?;
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).crop(
            part.left,
            part.top,
            part.width,
            part.height,
        );
        resizer.resize_typed(&source, &mut target, &options).map_err(|e| broken(&e))?;
        Ok(Self { width, height, rgb })
    }
}
