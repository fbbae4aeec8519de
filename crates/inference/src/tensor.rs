use std::ops::Range;

use ndarray::{ArrayView4, ShapeError};

use crate::wipe::wipe;

/// A network's input: a plane of `width` x `height` values for each of three channels. Its memory is reused.
#[derive(Default)]
pub(crate) struct Tensor {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl Tensor {
    /// Sets the size. The values are undefined until they are written.
    pub(crate) fn resize(&mut self, (width, height): (usize, usize)) {
        (self.width, self.height) = (width, height);
        self.values.resize(3 * width * height, 0.0);
    }

    /// Fills each plane with the value of its channel, except for these columns of these rows.
    pub(crate) fn fill_around(&mut self, columns: &Range<usize>, rows: &Range<usize>, values: [f32; 3]) {
        let width = self.width.max(1);
        for (plane, value) in self.planes().into_iter().zip(values) {
            for (y, row) in plane.chunks_exact_mut(width).enumerate() {
                if rows.contains(&y) {
                    row[..columns.start].fill(value);
                    row[columns.end..].fill(value);
                } else {
                    row.fill(value);
                }
            }
        }
    }

    /// Columns.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// The values of one channel, row by row.
    pub(crate) fn plane(&mut self, channel: usize) -> &mut [f32] {
        let plane = self.width * self.height;
        &mut self.values[channel * plane..][..plane]
    }

    /// The values of the three channels.
    pub(crate) fn planes(&mut self) -> [&mut [f32]; 3] {
        let plane = self.width * self.height;
        let (first, rest) = self.values.split_at_mut(plane);
        let (second, third) = rest.split_at_mut(plane);
        [first, second, third]
    }

    /// Swaps left and right.
    pub(crate) fn mirror(&mut self) {
        if self.width > 0 {
            self.values.chunks_exact_mut(self.width).for_each(<[f32]>::reverse);
        }
    }

    /// Overwrites the values.
    pub(crate) fn wipe(&mut self) {
        wipe(&mut self.values);
    }

    #[cfg(test)]
    pub(crate) fn is_wiped(&self) -> bool {
        self.values.iter().all(|value| *value == 0.0)
    }

    /// The values in the order N, C, H, W.
    pub(crate) fn view(&self) -> Result<ArrayView4<'_, f32>, ShapeError> {
        ArrayView4::from_shape((1, 3, self.height, self.width), &self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reused_tensor_has_no_earlier_values_around_what_is_written() {
        let mut tensor = Tensor::default();
        for ((width, height), columns, rows) in
            [((2, 3), 1..2, 0..2), ((4, 4), 1..3, 2..3), ((1, 2), 0..0, 0..0)]
        {
            tensor.resize((width, height));
            tensor.fill_around(&columns, &rows, [1.0, 2.0, 3.0]);
            let view = tensor.view().unwrap();
            assert_eq!(view.dim(), (1, 3, height, width));
            for ((_, channel, y, x), value) in view.indexed_iter() {
                let is_around = !(columns.contains(&x) && rows.contains(&y));
                assert_eq!(*value == channel as f32 + 1.0, is_around, "{x}, {y} of {channel}: {value}");
            }
            for plane in tensor.planes() {
                plane.fill(9.0);
            }
        }
    }

    #[test]
    fn the_mirror_image_has_its_columns_in_reverse() {
        let mut tensor = Tensor::default();
        tensor.resize((3, 2));
        for channel in 0..3 {
            for (at, value) in tensor.plane(channel).iter_mut().enumerate() {
                *value = (channel * 6 + at) as f32;
            }
        }
        let before = tensor.view().unwrap().to_owned();
        tensor.mirror();
        let after = tensor.view().unwrap();
        assert!(before.indexed_iter().all(|((n, c, y, x), value)| after[[n, c, y, 2 - x]] == *value));
    }
}
