use crate::{
    decode::Picture,
    geometry::{Point, Rectangle},
    orientation::Orientation,
};

/// A detected face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Detection {
    pub(crate) rectangle: Rectangle,
    /// Left eye, right eye, nose, left and right corner of the mouth; left and right as in the picture.
    pub(crate) landmarks: [Point; 5],
    pub(crate) score: f32,
}

/// The faces of a photo, best score first.
pub struct Faces {
    pub(crate) found: Vec<Detection>,
    pub(crate) view: View,
    /// How many times the detector's network ran.
    pub(crate) detector_runs: u32,
}

/// The rotation in which a photo is examined. Coordinates of faces are pixels of the photo in this rotation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) orientation: Orientation,
    /// Clockwise quarter turns in addition to the EXIF orientation.
    pub(crate) quarter_turns: u16,
    /// Width and height in this rotation.
    pub(crate) size: (u32, u32),
}

impl Detection {
    /// Whether each landmark of another detection of this face lies less than `tolerance` eye distances from its own.
    pub(crate) fn agrees(&self, other: &Self, tolerance: f64) -> bool {
        let reach = tolerance * self.landmarks[0].distance(self.landmarks[1]);
        self.landmarks.iter().zip(&other.landmarks).all(|(ours, theirs)| ours.distance(*theirs) < reach)
    }

    /// The same face in the picture's mirror image, `width` pixels wide.
    pub(crate) fn mirrored(&self, width: f64) -> Self {
        let Rectangle { left, top, width: across, height } = self.rectangle;
        let rectangle = Rectangle { left: width - left - across, top, width: across, height };
        let [eye, other_eye, nose, corner, other_corner] =
            self.landmarks.map(|p| Point { x: width - 1.0 - p.x, y: p.y });
        let landmarks = [other_eye, eye, nose, other_corner, corner];
        Self { rectangle, landmarks, score: self.score }
    }
}

impl View {
    pub(crate) fn new(picture: &Picture, quarter_turns: u16) -> Self {
        let turn = |orientation: Orientation, _| orientation.turned_clockwise();
        let orientation = (0..quarter_turns).fold(picture.orientation, turn);
        Self { orientation, quarter_turns, size: orientation.upright_size(picture.size) }
    }

    /// The position of a part of the photo after further clockwise quarter turns.
    pub(crate) fn rotated(&self, part: Rectangle, turns: u16) -> Rectangle {
        let (mut part, mut size) = (part, (f64::from(self.size.0), f64::from(self.size.1)));
        for _ in 0..turns {
            let Rectangle { left, top, width, height } = part;
            part = Rectangle { left: size.1 - top - height, top: left, width: height, height: width };
            size = (size.1, size.0);
        }
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detections_agree_if_each_landmark_is_near() {
        let rectangle = Rectangle { left: 0.0, top: 0.0, width: 90.0, height: 120.0 };
        let landmarks = [(30.0, 40.0), (70.0, 40.0), (50.0, 60.0), (35.0, 80.0), (65.0, 80.0)];
        let face = Detection { rectangle, landmarks: landmarks.map(|(x, y)| Point { x, y }), score: 0.9 };
        // An eye distance of 40, of which a tenth is 4.
        for at in 0..5 {
            let mut other = face;
            other.landmarks[at].y += 3.9;
            assert!(face.agrees(&other, 0.1), "landmark {at}");
            other.landmarks[at].x -= 1.0;
            assert!(!face.agrees(&other, 0.1), "landmark {at}");
        }
        assert!(!face.agrees(&face, 0.0), "without a tolerance, nothing agrees");
        let one_eyed = Detection { landmarks: [face.landmarks[0]; 5], ..face };
        assert!(!one_eyed.agrees(&one_eyed, 1.0), "an eye distance of 0 is no measure");
    }
}
