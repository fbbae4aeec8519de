//! Draws coverings onto whole photos, by the landmarks of the bare face, and cuts photos off within the face.

use image::{Rgb, RgbImage, imageops};
use padan_inference::{Face, Point};
use rand::{RngExt as _, rngs::StdRng};

/// What is done to a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Covering {
    /// Nothing.
    Bare,
    /// A surgical mask over nose, mouth and chin.
    Mask,
    /// The same mask below the nose.
    LowMask,
    /// Dark glasses.
    Glasses,
    /// One half of the face is black.
    BlackHalf,
    /// The photo ends within the face, so that this percentage of the face's box is missing on one side.
    CutSide(u8),
    /// The same below.
    CutBelow(u8),
    /// The same above.
    CutAbove(u8),
}

impl Covering {
    /// All that are measured.
    pub(crate) const ALL: [Self; 17] = [
        Self::Bare,
        Self::Mask,
        Self::LowMask,
        Self::Glasses,
        Self::BlackHalf,
        Self::CutSide(10),
        Self::CutSide(20),
        Self::CutSide(35),
        Self::CutSide(50),
        Self::CutBelow(10),
        Self::CutBelow(20),
        Self::CutBelow(35),
        Self::CutBelow(50),
        Self::CutAbove(10),
        Self::CutAbove(20),
        Self::CutAbove(35),
        Self::CutAbove(50),
    ];

    /// A name for tables.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Bare => "bare".to_owned(),
            Self::Mask => "surgical mask".to_owned(),
            Self::LowMask => "mask below the nose".to_owned(),
            Self::Glasses => "dark glasses".to_owned(),
            Self::BlackHalf => "one half black".to_owned(),
            Self::CutSide(percent) => format!("{percent} % cut off at a side"),
            Self::CutBelow(percent) => format!("{percent} % cut off below"),
            Self::CutAbove(percent) => format!("{percent} % cut off above"),
        }
    }

    /// The photo with this covering. `None` when nothing would be left of it.
    pub(crate) fn apply(self, photo: &RgbImage, face: &Face, random: &mut StdRng) -> Option<RgbImage> {
        let mut drawn = photo.clone();
        let on = FaceFrame::of(&face.landmarks);
        match self {
            Self::Bare => {}
            Self::Mask => on.draw_mask(&mut drawn, 0.30, random),
            Self::LowMask => on.draw_mask(&mut drawn, 0.70, random),
            Self::Glasses => on.draw_glasses(&mut drawn, random),
            Self::BlackHalf => {
                let side = if random.random_bool(0.5) { 1.0 } else { -1.0 };
                on.paint(&mut drawn, |x, y, _| {
                    (x * side > on.nose.x * side && x.abs() < 1.8 && (-1.8..2.6).contains(&y))
                        .then_some([0.0; 3])
                });
            }
            Self::CutSide(percent) => {
                return cut(photo, face, Edge::of_side(random.random_bool(0.5)), percent);
            }
            Self::CutBelow(percent) => return cut(photo, face, Edge::Lower, percent),
            Self::CutAbove(percent) => return cut(photo, face, Edge::Upper, percent),
        }
        Some(drawn)
    }
}

#[derive(Clone, Copy)]
enum Edge {
    Left,
    Right,
    Upper,
    Lower,
}

impl Edge {
    fn of_side(left: bool) -> Self {
        if left { Self::Left } else { Self::Right }
    }
}

/// Cuts the photo off, so that a percentage of the face's box is missing at an edge.
fn cut(photo: &RgbImage, face: &Face, edge: Edge, percent: u8) -> Option<RgbImage> {
    let share = f64::from(percent) / 100.0;
    let whole = face.rectangle;
    let (width, height) = photo.dimensions();
    let clamp = |value: f64, side: u32| value.round().clamp(0.0, f64::from(side)) as u32;
    let (mut left, mut top, mut right, mut lower) = (0, 0, width, height);
    match edge {
        Edge::Left => left = clamp(whole.left + share * whole.width, width),
        Edge::Right => right = clamp(whole.left + (1.0 - share) * whole.width, width),
        Edge::Upper => top = clamp(whole.top + share * whole.height, height),
        Edge::Lower => lower = clamp(whole.top + (1.0 - share) * whole.height, height),
    }
    (right > left + 16 && lower > top + 16)
        .then(|| imageops::crop_imm(photo, left, top, right - left, lower - top).to_image())
}

/// Coordinates on a face: x is 0 between the eyes and 0.5 at the photo's right eye; y is 0 at the eyes and 1 at the
/// mouth.
struct FaceFrame {
    origin: Point,
    across: Point,
    down: Point,
    nose: Point,
    /// Pixels between the eyes.
    scale: f64,
}

impl FaceFrame {
    fn of(&[eye, other_eye, nose, corner, other_corner]: &[Point; 5]) -> Self {
        let (origin, mouth) = (eye.midpoint(other_eye), corner.midpoint(other_corner));
        let across = Point { x: other_eye.x - eye.x, y: other_eye.y - eye.y };
        let down = Point { x: mouth.x - origin.x, y: mouth.y - origin.y };
        let mut frame = Self { origin, across, down, nose, scale: eye.distance(other_eye) };
        frame.nose = frame.on_face(nose);
        frame
    }

    fn on_face(&self, at: Point) -> Point {
        let (x, y) = (at.x - self.origin.x, at.y - self.origin.y);
        let determinant = self.across.x * self.down.y - self.across.y * self.down.x;
        Point {
            x: (x * self.down.y - y * self.down.x) / determinant,
            y: (self.across.x * y - self.across.y * x) / determinant,
        }
    }

    /// Replaces pixels by what `colour` gives for x and y on the face and the pixel's own colour. Edges are smoothed.
    fn paint(&self, photo: &mut RgbImage, colour: impl Fn(f64, f64, [f64; 3]) -> Option<[f64; 3]>) {
        const SAMPLES: [f64; 3] = [-1.0 / 3.0, 0.0, 1.0 / 3.0];
        let reach = 5.0 * self.scale.max(self.down.x.hypot(self.down.y));
        for (column, row, pixel) in photo.enumerate_pixels_mut() {
            let at = Point { x: f64::from(column), y: f64::from(row) };
            if at.distance(self.origin) > reach {
                continue;
            }
            let own = pixel.0.map(f64::from);
            let mut sum = [0.0; 3];
            for (dx, dy) in SAMPLES.iter().flat_map(|dx| SAMPLES.iter().map(move |dy| (dx, dy))) {
                let on = self.on_face(Point { x: at.x + dx, y: at.y + dy });
                let painted = colour(on.x, on.y, own).unwrap_or(own);
                sum = std::array::from_fn(|channel| sum[channel] + painted[channel] / 9.0);
            }
            *pixel = Rgb(sum.map(|value| value.round().clamp(0.0, 255.0) as u8));
        }
    }

    /// A mask whose upper edge crosses the nose at this height.
    fn draw_mask(&self, photo: &mut RgbImage, upper_edge: f64, random: &mut StdRng) {
        const COLOURS: [[f64; 3]; 4] =
            [[150.0, 190.0, 215.0], [235.0, 236.0, 238.0], [35.0, 35.0, 38.0], [130.0, 175.0, 160.0]];
        let cloth = COLOURS[random.random_range(0..COLOURS.len())];
        let brightness = random.random_range(0.75..1.05);
        let nose = self.nose.x;
        let cheek = upper_edge + 0.08;
        let outline = [
            (-0.98, cheek),
            (-0.5, upper_edge + 0.05),
            (nose, upper_edge),
            (0.5, upper_edge + 0.05),
            (0.98, cheek),
            (0.9, 1.15),
            (0.55, 1.75),
            (0.0, 1.95),
            (-0.55, 1.75),
            (-0.9, 1.15),
        ];
        self.paint(photo, |x, y, _| {
            let on_loop = (0.95..1.35).contains(&x.abs())
                && [(cheek, -0.25), (1.15, -0.75)]
                    .into_iter()
                    .any(|(from, slope)| (y - (from + slope * (x.abs() - 0.95))).abs() < 0.02);
            if on_loop {
                return Some(cloth.map(|value| value * brightness));
            }
            is_inside(&outline, x, y).then(|| {
                // Folds, and a shade towards both sides.
                let fold = if ((y - upper_edge) * 4.0).rem_euclid(1.0) < 0.12 { 0.85 } else { 1.0 };
                let shade = brightness * fold * (1.0 - 0.25 * (x - nose * 0.5).powi(2));
                cloth.map(|value| value * shade)
            })
        });
    }

    fn draw_glasses(&self, photo: &mut RgbImage, random: &mut StdRng) {
        let tint: f64 = random.random_range(10.0..45.0);
        let opacity = random.random_range(0.88..1.0);
        let (width, height) = (random.random_range(0.36..0.46), random.random_range(0.24..0.36));
        let glare = random.random_range(0.0..60.0);
        self.paint(photo, |x, y, own| {
            let ellipse = |centre: f64| ((x - centre) / width).powi(2) + ((y - 0.05) / height).powi(2);
            let lens = ellipse(-0.5).min(ellipse(0.5));
            let bridge = x.abs() < 0.2 && (-0.06..0.02).contains(&y);
            let temple = (0.85..1.3).contains(&x.abs()) && (-0.08..0.0).contains(&y);
            if bridge || temple || (0.9..1.1).contains(&lens) {
                return Some([tint * 0.7; 3]);
            }
            (lens < 0.9).then(|| {
                let shine = glare * (0.05 - y).clamp(0.0, 0.3);
                own.map(|value| value * (1.0 - opacity) + (tint + shine) * opacity)
            })
        });
    }
}

/// Whether a point is within a polygon.
fn is_inside(outline: &[(f64, f64)], x: f64, y: f64) -> bool {
    let mut inside = false;
    let mut previous = outline[outline.len() - 1];
    for &corner in outline {
        if (corner.1 > y) != (previous.1 > y) {
            let crossing = corner.0 + (y - corner.1) / (previous.1 - corner.1) * (previous.0 - corner.0);
            if x < crossing {
                inside = !inside;
            }
        }
        previous = corner;
    }
    inside
}

#[cfg(test)]
mod tests {
    use padan_inference::Rectangle;
    use rand::SeedableRng as _;

    use super::*;

    fn face() -> Face {
        let at = |x: f64, y: f64| Point { x, y };
        Face {
            rectangle: Rectangle { left: 60.0, top: 50.0, width: 80.0, height: 100.0 },
            landmarks: [at(80.0, 90.0), at(120.0, 90.0), at(100.0, 110.0), at(85.0, 130.0), at(115.0, 130.0)],
            score: 0.9,
            turned_degrees: 0,
            second_share: 0.0,
            detector_runs: 3,
        }
    }

    fn drawn(covering: Covering) -> RgbImage {
        let photo = RgbImage::from_pixel(200, 200, Rgb([200, 20, 20]));
        covering.apply(&photo, &face(), &mut StdRng::seed_from_u64(1)).unwrap()
    }

    #[test]
    fn a_photo_ends_where_the_named_share_of_the_face_is_missing() {
        assert_eq!(drawn(Covering::CutBelow(35)).dimensions(), (200, 115));
        assert_eq!(drawn(Covering::CutAbove(20)).dimensions(), (200, 130));
        let (width, height) = drawn(Covering::CutSide(50)).dimensions();
        assert_eq!((width, height), (100, 200));
    }

    #[test]
    fn masks_cover_the_mouth_and_glasses_the_eyes_alone() {
        let is_painted = |photo: &RgbImage, (x, y): (u32, u32)| photo.get_pixel(x, y).0 != [200, 20, 20];
        let (eye, nose, mouth, outside) = ((80, 90), (100, 110), (100, 130), (10, 10));
        for (covering, expected) in [
            (Covering::Bare, [false, false, false]),
            (Covering::Mask, [false, true, true]),
            (Covering::LowMask, [false, false, true]),
            (Covering::Glasses, [true, false, false]),
        ] {
            let photo = drawn(covering);
            assert_eq!([eye, nose, mouth].map(|at| is_painted(&photo, at)), expected, "{covering:?}");
            assert!(!is_painted(&photo, outside), "{covering:?}");
        }
    }
}
