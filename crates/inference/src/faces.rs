use crate::{
    decode::Picture,
    geometry::{Point, Rectangle},
    orientation::Orientation,
};

/// A face that a network found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Detection {
    pub(crate) rectangle: Rectangle,
    /// The eye at the picture's left, the other, nose, mouth corner at the picture's left, the other.
    pub(crate) landmarks: [Point; 5],
    pub(crate) score: f32,
}

/// The faces of a photo, best score first.
pub struct Faces {
    pub(crate) found: Vec<Detection>,
    pub(crate) view: View,
    /// How often the network ran.
    pub(crate) looks: u32,
}

/// How a photo is held. Coordinates of faces are pixels of the photo held so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    pub(crate) orientation: Orientation,
    /// Clockwise quarters beyond the EXIF orientation.
    pub(crate) quarter_turns: u16,
    /// Width and height as seen.
    pub(crate) size: (u32, u32),
}

impl Detection {
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

    /// Where a part of the photo held so is seen after further clockwise quarters.
    pub(crate) fn seen_turned(&self, part: Rectangle, turns: u16) -> Rectangle {
        let (mut part, mut size) = (part, (f64::from(self.size.0), f64::from(self.size.1)));
        for _ in 0..turns {
            let Rectangle { left, top, width, height } = part;
            part = Rectangle { left: size.1 - top - height, top: left, width: height, height: width };
            size = (size.1, size.0);
        }
        part
    }
}
