//! Five-point alignment: takes the 112 x 112 crop that embedders are trained on.

use fast_image_resize::{FilterType, Resizer};

use crate::{
    decode::Picture,
    error::{FaceError, PhotoFault},
    geometry::{Affine, Point, Rectangle},
    orientation::Orientation,
    raster::Raster,
    wipe::wipe,
};

/// Pixels a side of the crop.
pub(crate) const CROP_SIDE: usize = 112;

/// The positions of the landmarks in the crop (the ArcFace frame): eyes, nose, mouth corners.
pub(crate) const ARCFACE_FRAME: [Point; 5] = [
    Point { x: 38.2946, y: 51.6963 },
    Point { x: 73.5318, y: 51.5014 },
    Point { x: 56.0252, y: 71.7366 },
    Point { x: 41.5493, y: 92.3655 },
    Point { x: 70.7299, y: 92.2041 },
];

/// Pixels of the crop between the eyes.
pub(crate) const CROP_EYE_DISTANCE: f64 = ARCFACE_FRAME[1].x - ARCFACE_FRAME[0].x;

/// The part of the crop that shows the face and little else. All bounds are even, so that it can be halved.
pub(crate) const FACE_ROWS: std::ops::Range<usize> = 32..104;
/// As [`FACE_ROWS`].
pub(crate) const FACE_COLUMNS: std::ops::Range<usize> = 24..88;

/// An aligned face: 112 x 112 pixels of red, green and blue, 0 to 255, row by row. They are overwritten when it is
/// dropped.
pub struct AlignedFace {
    rgb: Vec<f32>,
    /// The share of the face that lies beyond the photo's edge, 0 to 1.
    outside: f64,
}

/// The maximum number of decoded pixels for a crop pixel, along each side, without a reduction before the sampling.
const MAX_STEP_UNFILTERED: f64 = 1.2;

/// Takes the crop by the similarity transform that brings the landmarks closest to the frame's in the least squares
/// sense.
///
/// Landmarks are in upright coordinates. If the photo is larger than the crop needs, the part around the face is
/// first reduced with a Lanczos filter, so that no pixel is skipped. Sampling is bilinear. Outside the photo the crop
/// is black. `reduced` is a buffer for the reduced part.
pub(crate) fn align(
    picture: &Picture,
    orientation: Orientation,
    landmarks: &[Point; 5],
    frame: &[Point; 5],
    resizer: &mut Resizer,
    reduced: &mut Raster,
) -> Result<AlignedFace, FaceError> {
    let to_crop = Affine::similarity(landmarks, frame).ok_or(PhotoFault::NoFace)?;
    let to_upright = to_crop.inverse().ok_or(PhotoFault::NoFace)?;
    let to_raster = to_upright.then(&orientation.to_stored(picture.size)).then(&picture.to_raster());
    if to_raster.scale() <= MAX_STEP_UNFILTERED {
        return Ok(sample(&picture.raster, &to_raster));
    }
    let to_reduced = reduce(&picture.raster, &to_raster, resizer, reduced)?;
    let to_reduced = to_reduced.ok_or(PhotoFault::NoFace)?;
    Ok(sample(reduced, &to_raster.then(&to_reduced)))
}

/// Reduces the part of the photo that the crop covers to the crop's scale, and returns the map into it.
fn reduce(
    raster: &Raster,
    to_raster: &Affine,
    resizer: &mut Resizer,
    reduced: &mut Raster,
) -> Result<Option<Affine>, FaceError> {
    let scale = to_raster.scale();
    let Some(part) = covered_part(raster, to_raster, 4.0 * scale) else {
        return Ok(None);
    };
    let target = |length: f64| (length / scale).round().max(1.0) as u32;
    let (width, height) = (target(part.width), target(part.height));
    raster.resize_onto(reduced, part, (width, height), FilterType::Lanczos3, resizer)?;
    let (x, y) = (f64::from(width) / part.width, f64::from(height) / part.height);
    let to_reduced =
        Affine { a: x, b: 0.0, c: (0.5 - part.left) * x - 0.5, d: 0.0, e: y, f: (0.5 - part.top) * y - 0.5 };
    Ok(Some(to_reduced))
}

/// The pixels that the crop with a margin covers; `None` when all lie outside the photo.
fn covered_part(raster: &Raster, to_raster: &Affine, margin: f64) -> Option<Rectangle> {
    let last = CROP_SIDE as f64 - 1.0;
    let corners = [(0.0, 0.0), (last, 0.0), (0.0, last), (last, last)];
    let corners = corners.map(|(x, y)| to_raster.apply(Point { x, y }));
    let span = |values: [f64; 4], length: u32| {
        let nearest = values.into_iter().fold(f64::INFINITY, f64::min) - margin;
        let farthest = values.into_iter().fold(f64::NEG_INFINITY, f64::max) + margin;
        let (from, to) = (nearest.floor().max(0.0), (farthest.ceil() + 1.0).min(f64::from(length)));
        (to - from >= 1.0).then_some((from, to - from))
    };
    let (width, height) = raster.size();
    let (left, across) = span(corners.map(|p| p.x), width)?;
    let (top, down) = span(corners.map(|p| p.y), height)?;
    Some(Rectangle { left, top, width: across, height: down })
}

fn sample(raster: &Raster, to_source: &Affine) -> AlignedFace {
    let mut rgb = vec![0.0; CROP_SIDE * CROP_SIDE * 3];
    let mut outside = 0;
    let step = FixedPoint::of(Point { x: to_source.a, y: to_source.d });
    for (row, pixels) in rgb.chunks_exact_mut(CROP_SIDE * 3).enumerate() {
        let mut at = FixedPoint::of(to_source.apply(Point { x: 0.0, y: row as f64 }));
        for (column, pixel) in pixels.as_chunks_mut().0.iter_mut().enumerate() {
            let in_face = FACE_ROWS.contains(&row) && FACE_COLUMNS.contains(&column);
            outside += usize::from(in_face && !at.is_within(raster));
            *pixel = bilinear(raster, at);
            at = at.plus(step);
        }
    }
    AlignedFace { rgb, outside: outside as f64 / (FACE_ROWS.len() * FACE_COLUMNS.len()) as f64 }
}

/// A point in pixels times 2^32, so that its pixel and its position between pixels are found without conversions.
/// Coordinates beyond 2^31 pixels are reduced to that.
#[derive(Clone, Copy)]
pub(crate) struct FixedPoint {
    x: i64,
    y: i64,
}

impl FixedPoint {
    const BITS: u32 = 32;

    pub(crate) fn of(point: Point) -> Self {
        let fixed = |value: f64| (value * (1_u64 << Self::BITS) as f64) as i64;
        Self { x: fixed(point.x), y: fixed(point.y) }
    }

    fn plus(self, step: Self) -> Self {
        Self { x: self.x.saturating_add(step.x), y: self.y.saturating_add(step.y) }
    }

    /// The position from the pixel's centre to the next one's, 0 to 1.
    fn fraction(value: i64) -> f32 {
        // A number of 24 bits is exact as f32.
        const KEPT: u32 = 24;
        let kept = (value & ((1 << Self::BITS) - 1)) >> (Self::BITS - KEPT);
        kept as i32 as f32 / (1_u32 << KEPT) as f32
    }

    /// Whether the point lies within the outermost pixels of the photo.
    fn is_within(self, raster: &Raster) -> bool {
        let (width, height) = raster.size();
        let within = |value: i64, side: u32| {
            let nearest = value.saturating_add(1 << (Self::BITS - 1)) >> Self::BITS;
            (0..i64::from(side)).contains(&nearest)
        };
        within(self.x, width) && within(self.y, height)
    }
}

/// The pixel at a point between pixels.
pub(crate) fn bilinear(raster: &Raster, at: FixedPoint) -> [f32; 3] {
    let (right_share, lower_share) = (FixedPoint::fraction(at.x), FixedPoint::fraction(at.y));
    // Four values at once take less time than three.
    let between = |from: [f32; 4], to: [f32; 4], share: f32| -> [f32; 4] {
        std::array::from_fn(|i| from[i] * (1.0 - share) + to[i] * share)
    };
    let across = |pixels: [u8; 8]| {
        let [red, green, blue, next, next_green, next_blue, unused, _] = pixels.map(f32::from);
        between([red, green, blue, next], [next, next_green, next_blue, unused], right_share)
    };
    let [upper, lower] = raster.square(at.x >> FixedPoint::BITS, at.y >> FixedPoint::BITS).map(across);
    let [red, green, blue, _] = between(upper, lower, lower_share);
    [red, green, blue]
}

impl Drop for AlignedFace {
    fn drop(&mut self) {
        wipe(&mut self.rgb);
    }
}

impl AlignedFace {
    /// Pixels a side.
    pub const SIDE: usize = CROP_SIDE;

    /// Red, green and blue of each pixel, row by row.
    pub fn rgb(&self) -> &[f32] {
        &self.rgb
    }

    /// The luma (ITU-R BT.601) of each pixel, row by row.
    pub(crate) fn luma(&self) -> Vec<f32> {
        self.rgb.chunks_exact(3).map(|p| 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]).collect()
    }

    /// The share of the face that lies beyond the photo's edge, 0 to 1.
    pub(crate) fn outside(&self) -> f64 {
        self.outside
    }

    /// A crop from three values for each of its pixels, all within the photo.
    pub(crate) fn from_rgb(rgb: Vec<f32>) -> Self {
        Self { rgb, outside: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::{ARCFACE_FRAME as FRAME, *};

    fn gradient(width: u32, height: u32, step: f64) -> Raster {
        let value = |at: u32| (f64::from(at) / step).round().min(255.0) as u8;
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| [value(x), value(y), 0])).collect();
        Raster::new(width, height, rgb).unwrap()
    }

    fn align_upright(raster: Raster, landmarks: &[Point; 5]) -> Result<AlignedFace, FaceError> {
        let picture = Picture::of(raster, Orientation::UPRIGHT);
        let (mut resizer, mut reduced) = (Resizer::new(), Raster::default());
        align(&picture, picture.orientation, landmarks, &FRAME, &mut resizer, &mut reduced)
    }

    fn crop(raster: Raster, landmarks: &[Point; 5]) -> AlignedFace {
        align_upright(raster, landmarks).unwrap()
    }

    #[test]
    fn landmarks_at_the_frames_positions_copy_the_photo() {
        let face = crop(gradient(112, 112, 1.0), &FRAME);
        for row in 0..CROP_SIDE {
            for column in 0..CROP_SIDE {
                let at = (row * CROP_SIDE + column) * 3;
                assert!((face.rgb()[at] - column as f32).abs() < 1e-3);
                assert!((face.rgb()[at + 1] - row as f32).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn a_photo_eight_times_as_large_gives_the_same_crop() {
        let larger = FRAME.map(|p| Point { x: (p.x + 0.5) * 8.0 - 0.5, y: (p.y + 0.5) * 8.0 - 0.5 });
        let face = crop(gradient(896, 896, 8.0), &larger);
        for row in 4..CROP_SIDE - 4 {
            for column in 4..CROP_SIDE - 4 {
                let at = (row * CROP_SIDE + column) * 3;
                assert!((face.rgb()[at] - column as f32).abs() < 1.0, "{} at {column}", face.rgb()[at]);
            }
        }
    }

    #[test]
    fn a_reduced_picture_gives_the_same_crop() {
        let eightfold = FRAME.map(|p| Point { x: (p.x + 0.5) * 8.0 - 0.5, y: (p.y + 0.5) * 8.0 - 0.5 });
        let mut picture = Picture::of(gradient(224, 224, 1.0), Orientation::UPRIGHT);
        (picture.size, picture.reduction) = ((896, 896), 4);
        let (mut resizer, mut reduced) = (Resizer::new(), Raster::default());
        let face =
            align(&picture, picture.orientation, &eightfold, &FRAME, &mut resizer, &mut reduced).unwrap();
        for (column, row) in [(4, 4), (60, 50), (100, 107)] {
            let at = (row * CROP_SIDE + column) * 3;
            // The centre of a crop pixel is between two pixels of the raster.
            let expected = 2.0 * column as f32 + 0.5;
            assert!((face.rgb()[at] - expected).abs() < 1.0, "{} at {column}", face.rgb()[at]);
        }
    }

    #[test]
    fn the_crop_is_black_outside_the_photo() {
        let shifted = FRAME.map(|p| Point { x: p.x - 56.0, y: p.y });
        let face = crop(Raster::new(112, 112, vec![200; 112 * 112 * 3]).unwrap(), &shifted);
        assert!(face.rgb()[..3].iter().all(|value| *value < 1e-6));
        let last = face.rgb().len() - 3;
        assert!(face.rgb()[last..].iter().all(|value| (*value - 200.0).abs() < 1e-3));
        // The face's columns are 24 to 87; those below 56 lie outside.
        assert!((face.outside() - 0.5).abs() < 1e-9, "{}", face.outside());
        assert!(crop(gradient(112, 112, 1.0), &FRAME).outside().abs() < 1e-9);
    }

    #[test]
    fn a_crop_outside_the_photo_is_no_face() {
        let far = FRAME.map(|p| Point { x: p.x * 9.0 + 9e6, y: p.y * 9.0 });
        assert_eq!(
            align_upright(gradient(64, 64, 1.0), &far).err(),
            Some(FaceError::Rejected(PhotoFault::NoFace))
        );
    }
}
