use crate::geometry::{Affine, Rectangle};

/// How a photo's stored pixels relate to the upright photo: one of EXIF's eight orientations.
///
/// Decoded photos are never turned. Detection turns the small picture it works on, and alignment includes the turn in
/// its map, so that a large photo costs the same in each orientation and gives the same crop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Orientation {
    /// Upright columns are stored rows.
    transposed: bool,
    /// Stored columns run opposite to their upright direction.
    reversed_columns: bool,
    /// Stored rows run opposite to their upright direction.
    reversed_rows: bool,
}

impl Orientation {
    /// Stored upright.
    pub(crate) const UPRIGHT: Self =
        Self { transposed: false, reversed_columns: false, reversed_rows: false };

    /// The orientation that EXIF gives this number; `None` unless it is 1 to 8.
    pub(crate) fn from_exif(number: u8) -> Option<Self> {
        let (transposed, reversed_columns, reversed_rows) = match number {
            1 => (false, false, false),
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, false, true),
            7 => (true, true, true),
            8 => (true, true, false),
            _ => return None,
        };
        Some(Self { transposed, reversed_columns, reversed_rows })
    }

    /// This orientation followed by a quarter turn clockwise.
    pub(crate) fn turned_clockwise(self) -> Self {
        // An upright point of the turned view, (x, y), is the point (y, w - 1 - x) of the view before, w being the
        // turned view's width. Following both through `stored` gives the three flags.
        let (columns, rows) = (self.reversed_columns, self.reversed_rows);
        if self.transposed {
            Self { transposed: false, reversed_columns: !columns, reversed_rows: rows }
        } else {
            Self { transposed: true, reversed_columns: columns, reversed_rows: !rows }
        }
    }

    /// Width and height of the upright photo, from those of the stored pixels.
    pub(crate) fn upright_size(self, stored: (u32, u32)) -> (u32, u32) {
        if self.transposed { (stored.1, stored.0) } else { stored }
    }

    /// The map from upright coordinates to those of the stored pixels.
    pub(crate) fn to_stored(self, stored: (u32, u32)) -> Affine {
        let (last_column, last_row) = (f64::from(stored.0) - 1.0, f64::from(stored.1) - 1.0);
        let (column_sign, c) = if self.reversed_columns { (-1.0, last_column) } else { (1.0, 0.0) };
        let (row_sign, f) = if self.reversed_rows { (-1.0, last_row) } else { (1.0, 0.0) };
        if self.transposed {
            Affine { a: 0.0, b: column_sign, c, d: row_sign, e: 0.0, f }
        } else {
            Affine { a: column_sign, b: 0.0, c, d: 0.0, e: row_sign, f }
        }
    }

    /// The part of the stored pixels that is this part of the upright photo.
    pub(crate) fn stored_part(self, upright: Rectangle, stored: (u32, u32)) -> Rectangle {
        let Rectangle { left, top, width, height } = upright;
        let (mut part, across, down) = if self.transposed {
            (Rectangle { left: top, top: left, width: height, height: width }, height, width)
        } else {
            (upright, width, height)
        };
        if self.reversed_columns {
            part.left = f64::from(stored.0) - part.left - across;
        }
        if self.reversed_rows {
            part.top = f64::from(stored.1) - part.top - down;
        }
        part
    }

    /// The stored pixel at a position of the upright photo.
    pub(crate) fn stored_pixel(self, upright: (usize, usize), stored: (usize, usize)) -> (usize, usize) {
        let (along_columns, along_rows) = if self.transposed { (upright.1, upright.0) } else { upright };
        let column = if self.reversed_columns { stored.0 - 1 - along_columns } else { along_columns };
        let row = if self.reversed_rows { stored.1 - 1 - along_rows } else { along_rows };
        (column, row)
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, GenericImageView, Rgb, RgbImage, metadata::Orientation as ExifOrientation};

    use super::*;
    use crate::geometry::Point;

    const ALL: [ExifOrientation; 8] = [
        ExifOrientation::NoTransforms,
        ExifOrientation::FlipHorizontal,
        ExifOrientation::Rotate180,
        ExifOrientation::FlipVertical,
        ExifOrientation::Rotate90FlipH,
        ExifOrientation::Rotate90,
        ExifOrientation::Rotate270FlipH,
        ExifOrientation::Rotate270,
    ];

    fn of(exif: ExifOrientation) -> Orientation {
        Orientation::from_exif(exif.to_exif()).unwrap()
    }

    fn picture() -> RgbImage {
        RgbImage::from_fn(5, 3, |x, y| Rgb([x as u8, y as u8, 0]))
    }

    /// The upright picture for this orientation, pixel by pixel.
    fn upright(orientation: Orientation) -> RgbImage {
        let stored = picture();
        let (width, height) = orientation.upright_size(stored.dimensions());
        RgbImage::from_fn(width, height, |x, y| {
            let (column, row) = orientation.stored_pixel((x as usize, y as usize), (5, 3));
            *stored.get_pixel(column as u32, row as u32)
        })
    }

    #[test]
    fn all_eight_orientations_agree_with_the_image_crate() {
        for exif in ALL {
            let mut moved = DynamicImage::ImageRgb8(picture());
            moved.apply_orientation(exif);
            assert_eq!(upright(of(exif)), moved.to_rgb8(), "{exif:?}");
        }
    }

    #[test]
    fn other_numbers_are_no_orientation() {
        for number in (0..=u8::MAX).filter(|number| !(1..=8).contains(number)) {
            assert_eq!(
                Orientation::from_exif(number),
                ExifOrientation::from_exif(number).map(of),
                "{number}"
            );
        }
    }

    #[test]
    fn each_orientation_can_be_turned_clockwise() {
        for exif in ALL {
            let mut moved = DynamicImage::ImageRgb8(picture());
            moved.apply_orientation(exif);
            let turned = of(exif).turned_clockwise();
            assert_eq!(upright(turned), moved.rotate90().to_rgb8(), "{exif:?}");
        }
    }

    #[test]
    fn parts_are_mapped_like_pixels() {
        for exif in ALL {
            let orientation = of(exif);
            let upright = upright(orientation);
            let corner = *upright.get_pixel(1, 0);
            let part =
                orientation.stored_part(Rectangle { left: 1.0, top: 0.0, width: 1.0, height: 1.0 }, (5, 3));
            assert!((part.width - 1.0).abs() < 1e-12 && (part.height - 1.0).abs() < 1e-12);
            assert_eq!(*picture().get_pixel(part.left as u32, part.top as u32), corner, "{exif:?}");
        }
    }

    #[test]
    fn coordinates_are_mapped_like_pixels() {
        for exif in ALL {
            let orientation = of(exif);
            let upright = upright(orientation);
            for (x, y, pixel) in upright.enumerate_pixels() {
                let stored = orientation.to_stored((5, 3)).apply(Point { x: f64::from(x), y: f64::from(y) });
                assert_eq!(&picture().view(stored.x as u32, stored.y as u32, 1, 1).get_pixel(0, 0), pixel);
            }
        }
    }
}
