use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::U8x3,
};

use crate::{error::FaceError, geometry::Rectangle, wipe::wipe};

/// Decoded pixels, row by row as stored, with 8 bits each for red, green and blue. They are overwritten when it is dropped.
#[derive(Clone, Default)]
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

    /// The buffer of the pixels, to be reused. They are overwritten.
    pub(crate) fn into_buffer(mut self) -> Vec<u8> {
        self.wipe();
        std::mem::take(&mut self.rgb)
    }

    /// Overwrites the pixels.
    pub(crate) fn wipe(&mut self) {
        wipe(&mut self.rgb);
    }

    /// The pixel at a position; black outside the photo, as in the embedders' training.
    pub(crate) fn pixel(&self, column: i64, row: i64) -> [u8; 3] {
        if column < 0 || row < 0 || column >= i64::from(self.width) || row >= i64::from(self.height) {
            return [0; 3];
        }
        let at = (row as usize * self.width as usize + column as usize) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// The pixels of two rows, from a position on. Of each row: the pixel in this column, the one to its right, and two
    /// bytes without a meaning, since eight bytes are read faster than six.
    pub(crate) fn square(&self, column: i64, row: i64) -> [[u8; 8]; 2] {
        let (width, height) = (i64::from(self.width), i64::from(self.height));
        if column >= 0 && row >= 0 && column < width - 1 && row < height - 1 {
            let stride = self.width as usize * 3;
            let at = row as usize * stride + column as usize * 3;
            let (upper, lower) = (self.rgb[at..].first_chunk(), self.rgb[at + stride..].first_chunk());
            if let (Some(upper), Some(lower)) = (upper, lower) {
                return [*upper, *lower];
            }
        }
        [row, row.saturating_add(1)].map(|row| {
            let [red, green, blue] = self.pixel(column, row);
            let right = self.pixel(column.saturating_add(1), row);
            [red, green, blue, right[0], right[1], right[2], 0, 0]
        })
    }

    /// Resamples a part of the picture into `target`, with a filter that averages the pixels it drops.
    pub(crate) fn resize_onto(
        &self,
        target: &mut Self,
        part: Rectangle,
        (width, height): (u32, u32),
        filter: FilterType,
        resizer: &mut Resizer,
    ) -> Result<(), FaceError> {
        let broken = |error: &dyn std::fmt::Display| FaceError::Broken(format!("resizing: {error}"));
        target.rgb.resize(width as usize * height as usize * 3, 0);
        (target.width, target.height) = (width, height);
        let source = TypedImageRef::<U8x3>::from_buffer(self.width, self.height, &self.rgb);
        let source = source.map_err(|e| broken(&e))?;
        let onto = TypedImage::<U8x3>::from_buffer(width, height, &mut target.rgb);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).crop(
            part.left,
            part.top,
            part.width,
            part.height,
        );
        resizer.resize_typed(&source, &mut onto.map_err(|e| broken(&e))?, &options).map_err(|e| broken(&e))
    }
}

impl Drop for Raster {
    fn drop(&mut self) {
        self.wipe();
    }
}
