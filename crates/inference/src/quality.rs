//! The quality of a face for comparison, measured on its aligned crop and its landmarks.
//!
//! Each measure was chosen among several candidates. Real photos were blurred, darkened, brightened and shrunk step by
//! step. The chosen measure best predicts the step at which the similarity to another photo of the person begins to
//! fall.

use serde::Serialize;

use crate::{
    align::{AlignedFace, CROP_SIDE, FACE_COLUMNS, FACE_ROWS},
    config::QualityConfig,
    error::PhotoFault,
    geometry::Point,
};

/// The quality measures of a face.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// Distance between the eyes, in pixels of the photo.
    pub eye_distance: f64,
    /// Share of the face that lies beyond the photo's edge, 0 to 1.
    pub outside: f64,
    /// Mean squared second difference of the face at half the crop's size, divided by the squared mean luma; the
    /// smaller value of the horizontal and the vertical one. Blur in either direction lowers it; noise and JPEG's
    /// blocks hardly raise it.
    pub sharpness: f64,
    /// Share of the face's detail that is in its lower half, 0 to 1. Detail is the sum of the differences of
    /// neighbouring pixels. The cloth of a mask has less of it than nose, mouth and chin.
    pub lower_detail: f64,
    /// Mean luma of the face, 0 to 255.
    pub brightness: f64,
    /// Share of the face's pixels that are white or nearly so, 0 to 1.
    pub overexposed: f64,
    /// Turn to a side: the distance of the nose from the line through the middle of the eyes and the middle of the
    /// mouth, in eye distances. 0 is frontal; positive when the nose lies to the photo's right.
    pub yaw: f64,
    /// Nod: the position of the nose along that line, 0 at the eyes and 1 at the mouth. About 0.57 is frontal.
    pub pitch: f64,
    /// Degrees by which the line between the eyes slopes down to the photo's right.
    pub roll: f64,
}

/// The row of the crop between the upper and the lower half of the face: just above the tip of the nose.
const MIDDLE_ROW: usize = FACE_ROWS.start.midpoint(FACE_ROWS.end);
const HALF_SIDE: usize = CROP_SIDE / 2;
/// The minimum luma of an overexposed pixel.
const WHITE: f32 = 250.0;

impl Quality {
    /// Measures the crop and the landmarks by which it was aligned.
    pub(crate) fn measure(crop: &AlignedFace, landmarks: &[Point; 5]) -> Self {
        let luma = crop.luma();
        let brightness = mean(face(&luma));
        let pose = Pose::of(landmarks);
        Self {
            eye_distance: landmarks[0].distance(landmarks[1]),
            outside: crop.outside(),
            lower_detail: lower_detail(&luma),
            sharpness: second_differences(&halved(&luma)) / brightness.max(1.0).powi(2),
            brightness,
            overexposed: mean(face(&luma).map(|value| if value >= WHITE { 1.0 } else { 0.0 })),
            yaw: pose.yaw,
            pitch: pose.pitch,
            roll: pose.roll,
        }
    }

    /// Returns the first rule that the face breaks, in the order size, completeness, light, sharpness, covering, pose.
    /// What is missing of a cut-off face is black, so completeness comes before light. Light comes before sharpness and
    /// covering because a dark or overexposed face also lacks detail, and the person can change the light.
    pub(crate) fn check(&self, rules: &QualityConfig) -> Result<(), PhotoFault> {
        let turned = self.yaw.abs() > rules.max_yaw
            || self.pitch < rules.min_pitch
            || self.pitch > rules.max_pitch
            || self.roll.abs() > rules.max_roll;
        let faults = [
            (self.eye_distance < rules.min_eye_distance, PhotoFault::TooSmall),
            (self.outside > rules.max_outside, PhotoFault::Covered),
            (self.brightness < rules.min_brightness, PhotoFault::TooDark),
            (self.overexposed > rules.max_overexposed, PhotoFault::TooBright),
            (self.sharpness < rules.min_sharpness, PhotoFault::Blurred),
            (self.lower_detail < rules.min_lower_detail, PhotoFault::Covered),
            (turned, PhotoFault::Turned),
        ];
        faults.into_iter().find(|(broken, _)| *broken).map_or(Ok(()), |(_, fault)| Err(fault))
    }
}

fn face(luma: &[f32]) -> impl Iterator<Item = f32> {
    FACE_ROWS.flat_map(|row| luma[row * CROP_SIDE..][FACE_COLUMNS].iter().copied())
}

fn mean(values: impl Iterator<Item = f32>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + f64::from(value), count + 1.0));
    if count > 0.0 { sum / count } else { 0.0 }
}

/// The crop at half its size, each pixel the mean of four.
fn halved(luma: &[f32]) -> Vec<f32> {
    let pixel = |row: usize, column: usize| {
        let at = 2 * row * CROP_SIDE + 2 * column;
        (luma[at] + luma[at + 1] + luma[at + CROP_SIDE] + luma[at + CROP_SIDE + 1]) / 4.0
    };
    (0..HALF_SIDE)
        .flat_map(|row| (0..HALF_SIDE).map(move |column| (row, column)))
        .map(|(r, c)| pixel(r, c))
        .collect()
}

/// The smaller of the horizontal and the vertical mean squared second difference of the face.
fn second_differences(half: &[f32]) -> f64 {
    let along = |step: usize| {
        let places = (FACE_ROWS.start / 2..FACE_ROWS.end / 2)
            .flat_map(|row| (FACE_COLUMNS.start / 2..FACE_COLUMNS.end / 2).map(move |c| row * HALF_SIDE + c));
        mean(places.map(|at| (half[at - step] + half[at + step] - 2.0 * half[at]).powi(2)))
    };
    along(1).min(along(HALF_SIDE))
}

/// The lower half's share of the face's detail; a half without any detail at all.
fn lower_detail(luma: &[f32]) -> f64 {
    let detail = |rows: std::ops::Range<usize>| -> f64 {
        let places = rows.flat_map(|row| FACE_COLUMNS.map(move |column| row * CROP_SIDE + column));
        places
            .map(|at| {
                let steps = (luma[at + 1] - luma[at]).abs() + (luma[at + CROP_SIDE] - luma[at]).abs();
                f64::from(steps)
            })
            .sum()
    };
    let (upper, lower) = (detail(FACE_ROWS.start..MIDDLE_ROW), detail(MIDDLE_ROW..FACE_ROWS.end));
    if upper + lower > 0.0 { lower / (upper + lower) } else { 0.5 }
}

struct Pose {
    yaw: f64,
    pitch: f64,
    roll: f64,
}

impl Pose {
    fn of(&[left_eye, right_eye, nose, left_corner, right_corner]: &[Point; 5]) -> Self {
        let (eyes, mouth) = (left_eye.midpoint(right_eye), left_corner.midpoint(right_corner));
        let down = Point { x: mouth.x - eyes.x, y: mouth.y - eyes.y };
        let nose = Point { x: nose.x - eyes.x, y: nose.y - eyes.y };
        let length = down.x.hypot(down.y).max(1e-9);
        let eye_distance = left_eye.distance(right_eye).max(1e-9);
        Self {
            yaw: (down.y * nose.x - down.x * nose.y) / (length * eye_distance),
            pitch: (nose.x * down.x + nose.y * down.y) / (length * length),
            roll: (right_eye.y - left_eye.y).atan2(right_eye.x - left_eye.x).to_degrees(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{align::ARCFACE_FRAME, geometry::Affine};

    fn measured(value: impl Fn(usize, usize) -> f32) -> Quality {
        let rgb =
            (0..CROP_SIDE * CROP_SIDE).flat_map(|at| [value(at / CROP_SIDE, at % CROP_SIDE); 3]).collect();
        Quality::measure(&AlignedFace::from_rgb(rgb), &ARCFACE_FRAME)
    }

    #[test]
    fn an_even_crop_has_brightness_and_no_sharpness() {
        let quality = measured(|_, _| 90.0);
        assert!((quality.brightness - 90.0).abs() < 1e-3);
        assert!(quality.sharpness < 1e-9 && quality.overexposed < 1e-9);
        assert!((measured(|_, _| 255.0).overexposed - 1.0).abs() < 1e-9);
    }

    #[test]
    fn detail_counts_only_in_both_directions() {
        // Halved, stripes of four pixels alternate every two: second differences of 0 and 2 x 100, each half the time,
        // are 100 in the root mean square of (a - 2b + c): two values equal their neighbour on one side only.
        let stripes = |at: usize| if (at / 4).is_multiple_of(2) { 50.0 } else { 150.0 };
        assert!(measured(|row, _| stripes(row)).sharpness < 1e-9);
        assert!(measured(|_, column| stripes(column)).sharpness < 1e-9);
        let checks =
            measured(|row, column| if (row / 4 + column / 4).is_multiple_of(2) { 50.0 } else { 150.0 });
        assert!(
            (checks.sharpness - 1.0).abs() < 1e-3,
            "100 squared over a mean of 100 squared: {}",
            checks.sharpness
        );
    }

    #[test]
    fn a_flat_lower_half_has_no_share_of_the_detail() {
        let checks =
            |row: usize, column: usize| if (row / 4 + column / 4).is_multiple_of(2) { 50.0 } else { 150.0 };
        assert!((measured(checks).lower_detail - 0.5).abs() < 0.02);
        assert!((measured(|_, _| 90.0).lower_detail - 0.5).abs() < 1e-9, "no detail at all");
        let masked = |row: usize, column: usize| if row < 68 { checks(row, column) } else { 120.0 };
        assert!(measured(masked).lower_detail < 1e-9, "{}", measured(masked).lower_detail);
    }

    #[test]
    fn the_landmarks_of_the_frame_are_nearly_frontal() {
        let quality = measured(|_, _| 90.0);
        assert!(quality.yaw.abs() < 0.05 && (quality.pitch - 0.5).abs() < 0.1 && quality.roll.abs() < 1.0);
        assert!((quality.eye_distance - 35.24).abs() < 0.01);
    }

    #[test]
    fn yaw_follows_the_nose_to_either_side() {
        let with_nose = |x: f64| {
            let mut landmarks = ARCFACE_FRAME;
            landmarks[2].x = x;
            Pose::of(&landmarks).yaw
        };
        assert!(with_nose(80.0) > 0.6 && with_nose(32.0) < -0.6);
    }

    #[test]
    fn rules_are_checked_in_their_order() {
        let rules = QualityConfig {
            min_eye_distance: 16.0,
            max_outside: 0.1,
            min_sharpness: 0.0015,
            min_lower_detail: 0.28,
            min_brightness: 30.0,
            max_overexposed: 0.4,
            max_yaw: 0.6,
            min_pitch: 0.42,
            max_pitch: 0.7,
            max_roll: 35.0,
        };
        let good = Quality {
            eye_distance: 60.0,
            outside: 0.0,
            sharpness: 0.02,
            lower_detail: 0.48,
            brightness: 120.0,
            overexposed: 0.0,
            yaw: 0.1,
            pitch: 0.57,
            roll: 3.0,
        };
        let worst = Quality {
            eye_distance: 9.0,
            outside: 0.5,
            sharpness: 0.0,
            brightness: 9.0,
            overexposed: 1.0,
            yaw: 2.0,
            ..good
        };
        assert_eq!(good.check(&rules), Ok(()));
        assert_eq!(worst.check(&rules), Err(PhotoFault::TooSmall));
        assert_eq!(Quality { eye_distance: 60.0, ..worst }.check(&rules), Err(PhotoFault::Covered));
        let complete = Quality { eye_distance: 60.0, outside: 0.1, ..worst };
        assert_eq!(complete.check(&rules), Err(PhotoFault::TooDark));
        let blurred = Quality { brightness: 90.0, overexposed: 0.1, ..complete };
        assert_eq!(blurred.check(&rules), Err(PhotoFault::Blurred));
        assert_eq!(Quality { brightness: 29.0, ..good }.check(&rules), Err(PhotoFault::TooDark));
        assert_eq!(Quality { overexposed: 0.5, ..good }.check(&rules), Err(PhotoFault::TooBright));
        let masked = Quality { lower_detail: 0.2, yaw: 2.0, ..good };
        assert_eq!(masked.check(&rules), Err(PhotoFault::Covered));
        for turned in [
            Quality { yaw: -0.7, ..good },
            Quality { pitch: 0.3, ..good },
            Quality { pitch: 0.8, ..good },
            Quality { roll: -40.0, ..good },
        ] {
            assert_eq!(turned.check(&rules), Err(PhotoFault::Turned));
        }
    }

    proptest! {
        #[test]
        fn yaw_and_pitch_do_not_depend_on_roll_size_or_position(
            angle in -1.5_f64..1.5, scale in 0.1_f64..9.0, dx in -99.0..99.0, dy in -99.0..99.0, nose in 40.0_f64..70.0
        ) {
            let mut landmarks = ARCFACE_FRAME;
            landmarks[2].x = nose;
            let (cosine, sine) = (scale * angle.cos(), scale * angle.sin());
            let map = Affine { a: cosine, b: -sine, c: dx, d: sine, e: cosine, f: dy };
            let (before, after) = (Pose::of(&landmarks), Pose::of(&landmarks.map(|p| map.apply(p))));
            prop_assert!((before.yaw - after.yaw).abs() < 1e-9 && (before.pitch - after.pitch).abs() < 1e-9);
            prop_assert!((after.roll - before.roll - angle.to_degrees()).abs() < 1e-6);
        }
    }
}
