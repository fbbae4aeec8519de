//! The measures that may tell covered and cut-off faces from bare ones.

use padan_inference::{AlignedFace, Analysis, Point};

/// The measures of one photo. For each, small values are suspicious.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measures(pub(crate) [f64; Measures::NAMES.len()]);

impl Measures {
    pub(crate) const NAMES: [&'static str; 10] = [
        "length of the embedding",
        "detector's score",
        "landmarks: distance from the edge, in eye distances",
        "face's box within the photo, share",
        "crop within the photo, share",
        "face in the crop within the photo, share",
        "crop's halves: correlation with the mirror image",
        "crop's halves: the smaller share of detail",
        "lower half: share of detail",
        "eyes: luma against the cheeks'",
    ];

    pub(crate) fn of(analysis: &Analysis, crop: &AlignedFace, (width, height): (u32, u32)) -> Self {
        let face = &analysis.face;
        let (width, height) = (f64::from(width), f64::from(height));
        let [eye, other_eye, ..] = face.landmarks;
        let to_edge = |p: &Point| p.x.min(p.y).min(width - 1.0 - p.x).min(height - 1.0 - p.y);
        let nearest = face.landmarks.iter().map(to_edge).fold(f64::INFINITY, f64::min);
        let whole = face.rectangle;
        let across = (whole.left + whole.width).min(width) - whole.left.max(0.0);
        let down = (whole.top + whole.height).min(height) - whole.top.max(0.0);
        let luma = Luma::of(crop);
        let (left, right) = (luma.detail(32..104, 24..56), luma.detail(32..104, 56..88));
        let cheeks = luma.mean(66..80, 26..46).max(luma.mean(66..80, 66..86));
        Self([
            analysis.embedding_length,
            face.score.into(),
            nearest / eye.distance(other_eye),
            across.max(0.0) * down.max(0.0) / whole.area(),
            share_within(&face.landmarks, (width, height)),
            1.0 - analysis.quality.outside,
            luma.mirror_correlation(),
            left.min(right) / (left + right).max(1e-9),
            analysis.quality.lower_detail,
            luma.mean(46..58, 28..84) / cheeks.max(1.0),
        ])
    }
}

/// The share of the aligned crop that lies within the photo.
fn share_within(landmarks: &[Point; 5], (width, height): (f64, f64)) -> f64 {
    const STEPS: usize = 24;
    let Some(map) = Similarity::from_crop(landmarks) else { return 0.0 };
    let steps = || (0..=STEPS).map(|n| (AlignedFace::SIDE - 1) as f64 * n as f64 / STEPS as f64);
    let points = steps().flat_map(|x| steps().map(move |y| (x, y))).map(|(x, y)| map.apply(x, y));
    let within = points.filter(|p| (0.0..width).contains(&p.x) && (0.0..height).contains(&p.y)).count();
    within as f64 / ((STEPS + 1) * (STEPS + 1)) as f64
}

/// The map from the aligned crop to the photo, computed independently of the pipeline's.
struct Similarity {
    real: f64,
    imaginary: f64,
    crop: Point,
    photo: Point,
}

impl Similarity {
    const FRAME: [(f64, f64); 5] =
        [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)];

    fn from_crop(landmarks: &[Point; 5]) -> Option<Self> {
        let mean = |points: &[(f64, f64)]| Point {
            x: points.iter().map(|p| p.0).sum::<f64>() / 5.0,
            y: points.iter().map(|p| p.1).sum::<f64>() / 5.0,
        };
        let photo_points = landmarks.map(|p| (p.x, p.y));
        let (crop, photo) = (mean(&Self::FRAME), mean(&photo_points));
        // Least squares of the map from the photo to the crop, which is then inverted.
        let (mut real, mut imaginary, mut spread) = (0.0, 0.0, 0.0);
        for (from, to) in photo_points.iter().zip(Self::FRAME) {
            let (fx, fy, tx, ty) = (from.0 - photo.x, from.1 - photo.y, to.0 - crop.x, to.1 - crop.y);
            real += fx * tx + fy * ty;
            imaginary += fx * ty - fy * tx;
            spread += fx * fx + fy * fy;
        }
        let (real, imaginary) = (real / spread, imaginary / spread);
        let square = real * real + imaginary * imaginary;
        (square.is_finite() && square > 1e-12).then(|| Self {
            real: real / square,
            imaginary: -imaginary / square,
            crop,
            photo,
        })
    }

    fn apply(&self, x: f64, y: f64) -> Point {
        let (x, y) = (x - self.crop.x, y - self.crop.y);
        Point {
            x: self.photo.x + self.real * x - self.imaginary * y,
            y: self.photo.y + self.imaginary * x + self.real * y,
        }
    }
}

type Range = std::ops::Range<usize>;

/// The luma of a crop.
struct Luma(Vec<f64>);

impl Luma {
    fn of(crop: &AlignedFace) -> Self {
        let luma = |p: &[f32]| f64::from(0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]);
        Self(crop.rgb().chunks_exact(3).map(luma).collect())
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.0[row * AlignedFace::SIDE + column]
    }

    fn mean(&self, rows: Range, columns: Range) -> f64 {
        let count = (rows.len() * columns.len()) as f64;
        rows.flat_map(|row| columns.clone().map(move |column| (row, column)))
            .map(|(row, column)| self.at(row, column))
            .sum::<f64>()
            / count
    }

    /// Mean absolute difference of neighbouring pixels.
    fn detail(&self, rows: Range, columns: Range) -> f64 {
        let count = (rows.len() * columns.len()) as f64;
        rows.flat_map(|row| columns.clone().map(move |column| (row, column)))
            .map(|(row, column)| {
                let here = self.at(row, column);
                (self.at(row, column + 1) - here).abs() + (self.at(row + 1, column) - here).abs()
            })
            .sum::<f64>()
            / count
    }

    /// The correlation of the face in the crop with its mirror image.
    fn mirror_correlation(&self) -> f64 {
        let pairs: Vec<_> = (32..104)
            .flat_map(|row| (24..56).map(move |column| (row, column)))
            .map(|(row, column)| (self.at(row, column), self.at(row, AlignedFace::SIDE - 1 - column)))
            .collect();
        let count = pairs.len() as f64;
        let (left, right) =
            (pairs.iter().map(|p| p.0).sum::<f64>() / count, pairs.iter().map(|p| p.1).sum::<f64>() / count);
        let (mut product, mut squares, mut other_squares) = (0.0, 0.0, 0.0);
        for (a, b) in pairs {
            product += (a - left) * (b - right);
            squares += (a - left).powi(2);
            other_squares += (b - right).powi(2);
        }
        product / (squares * other_squares).sqrt().max(1e-9)
    }
}
