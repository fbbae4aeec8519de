//! Chooses the subject among the faces of a photo.

use crate::{
    faces::{Detection, Faces, View},
    geometry::{Point, Rectangle},
};

/// The face of the person whom the photo is assumed to show.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    pub(crate) face: Detection,
    pub(crate) view: View,
    /// The area of the largest other face, as a share of the subject's; 0 without another face.
    pub(crate) second_share: f64,
    /// How many times the detector's network has run on the photo.
    pub(crate) detector_runs: u32,
}

/// Chooses the largest and most central face. A face's area is weighted by the square of its nearness to the photo's
/// centre, which is a ninth in a corner. On LFW's DevTrain the square finds the right person in more photos than the
/// plain nearness does, and in no fewer than the fourth power.
pub(crate) fn choose(faces: &Faces) -> Option<Subject> {
    subject(faces, most_prominent(&faces.found, faces.view.size)?)
}

/// The face with the largest overlap with a rectangle; `None` when no overlap is at least `min_overlap`.
pub(crate) fn overlapping(faces: &Faces, rectangle: &Rectangle, min_overlap: f64) -> Option<Subject> {
    let overlaps = faces.found.iter().map(|face| face.rectangle.overlap(rectangle)).enumerate();
    let (at, _) =
        overlaps.filter(|(_, overlap)| *overlap >= min_overlap).max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    subject(faces, at)
}

fn subject(faces: &Faces, at: usize) -> Option<Subject> {
    let face = *faces.found.get(at)?;
    let others = faces.found.iter().enumerate().filter(|(other, _)| *other != at);
    let largest = others.map(|(_, other)| other.rectangle.area()).fold(0.0, f64::max);
    let second_share = largest / face.rectangle.area();
    Some(Subject { face, view: faces.view, second_share, detector_runs: faces.detector_runs })
}

fn most_prominent(faces: &[Detection], (width, height): (u32, u32)) -> Option<usize> {
    let middle = Point { x: f64::from(width) / 2.0, y: f64::from(height) / 2.0 };
    let reach = 1.5 * middle.distance(Point { x: 0.0, y: 0.0 });
    let weight = |face: &Detection| {
        let nearness = (1.0 - face.rectangle.centre().distance(middle) / reach).max(0.01);
        face.rectangle.area() * nearness.powi(2)
    };
    let (at, _) = faces.iter().enumerate().max_by(|(_, a), (_, b)| weight(a).total_cmp(&weight(b)))?;
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(x: f64, y: f64, side: f64) -> Detection {
        let rectangle = Rectangle { left: x - side / 2.0, top: y - side / 2.0, width: side, height: side };
        Detection { rectangle, landmarks: [Point { x, y }; 5], score: 0.9 }
    }

    fn chosen(faces: &[Detection]) -> Option<usize> {
        most_prominent(faces, (1000, 1000))
    }

    #[test]
    fn without_faces_there_is_no_subject() {
        assert_eq!(chosen(&[]), None);
    }

    #[test]
    fn a_single_face_is_the_subject_wherever_it_is() {
        assert_eq!(chosen(&[face(10.0, 990.0, 50.0)]), Some(0));
    }

    #[test]
    fn the_larger_of_two_faces_is_the_subject() {
        assert_eq!(chosen(&[face(400.0, 500.0, 100.0), face(600.0, 500.0, 200.0)]), Some(1));
    }

    #[test]
    fn of_two_equal_faces_the_central_one_is_the_subject() {
        assert_eq!(chosen(&[face(100.0, 100.0, 210.0), face(500.0, 500.0, 200.0)]), Some(1));
    }
}
