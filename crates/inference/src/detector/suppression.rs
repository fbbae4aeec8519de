use crate::{
    faces::Detection,
    geometry::{Point, Rectangle},
};

/// Greedy non-maximum suppression: among boxes that overlap by more than `max_overlap`, keeps the one with the best
/// score.
///
/// The result is sorted by decreasing score. Boxes without a finite area above zero are dropped, and faces with a landmark
/// that is not finite.
pub(crate) fn suppress(mut faces: Vec<Detection>, max_overlap: f64) -> Vec<Detection> {
    faces.retain(is_usable);
    faces.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = Vec::new();
    for face in faces {
        if kept.iter().all(|better| better.rectangle.overlap(&face.rectangle) <= max_overlap) {
            kept.push(face);
        }
    }
    kept
}

/// As [`suppress`], with the landmarks of each face averaged over all boxes that overlap its own by at least `min_overlap`,
/// weighted by their scores. Each cell of the network places the landmarks with an error of its own.
pub(crate) fn suppress_and_average(
    mut faces: Vec<Detection>,
    max_overlap: f64,
    min_overlap: f64,
) -> Vec<Detection> {
    faces.retain(is_usable);
    let mut kept = suppress(faces.clone(), max_overlap);
    for face in &mut kept {
        let same = faces.iter().filter(|other| other.rectangle.overlap(&face.rectangle) >= min_overlap);
        let mut sums = [Point { x: 0.0, y: 0.0 }; 5];
        let mut weights = 0.0;
        for other in same {
            let weight = f64::from(other.score);
            for (sum, landmark) in sums.iter_mut().zip(&other.landmarks) {
                (sum.x, sum.y) = (sum.x + weight * landmark.x, sum.y + weight * landmark.y);
            }
            weights += weight;
        }
        let mean = sums.map(|sum| Point { x: sum.x / weights, y: sum.y / weights });
        if mean.iter().all(|point| point.x.is_finite() && point.y.is_finite()) {
            face.landmarks = mean;
        }
    }
    kept
}

/// Whether the box has a finite area above zero, and each landmark is finite.
fn is_usable(face: &Detection) -> bool {
    let Rectangle { left, top, .. } = face.rectangle;
    let area = face.rectangle.area();
    let is_box = left.is_finite() && top.is_finite() && area.is_finite() && area > 0.0;
    is_box && face.landmarks.iter().all(|point| point.x.is_finite() && point.y.is_finite())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn face(left: f64, score: f32) -> Detection {
        let rectangle = Rectangle { left, top: 0.0, width: 10.0, height: 10.0 };
        Detection { rectangle, landmarks: [Point { x: 0.0, y: 0.0 }; 5], score }
    }

    #[test]
    fn the_best_of_overlapping_boxes_is_kept() {
        let kept = suppress(vec![face(0.0, 0.7), face(2.0, 0.9), face(30.0, 0.8), face(9.0, 0.6)], 0.3);
        assert_eq!(kept.iter().map(|f| f.score).collect::<Vec<_>>(), [0.9, 0.8, 0.6]);
    }

    #[test]
    fn empty_and_infinite_boxes_are_dropped() {
        let mut empty = face(0.0, 0.9);
        empty.rectangle.width = 0.0;
        let mut infinite = face(0.0, 0.9);
        infinite.rectangle.height = f64::INFINITY;
        assert_eq!(suppress(vec![empty, infinite, face(f64::NAN, 0.9)], 0.3), []);
    }

    /// Found by the fuzz target `network_outputs`.
    #[test]
    fn faces_without_an_area_or_a_landmark_that_is_a_number_are_dropped() {
        let mut vast = face(0.0, 0.9);
        (vast.rectangle.width, vast.rectangle.height) = (1e200, 1e200);
        let mut minute = face(0.0, 0.9);
        (minute.rectangle.width, minute.rectangle.height) = (1e-200, 1e-200);
        let mut elsewhere = face(0.0, 0.9);
        elsewhere.landmarks[3].y = f64::NAN;
        let mut farther = face(0.0, 0.9);
        farther.landmarks[0].x = f64::INFINITY;
        assert_eq!(suppress(vec![vast, minute, elsewhere, farther], 0.3), []);
    }

    #[test]
    fn landmarks_are_averaged_over_overlapping_boxes_by_score() {
        let at = |left: f64, score: f32, x: f64| {
            let mut face = face(left, score);
            face.landmarks = [Point { x, y: 2.0 * x }; 5];
            face
        };
        // Boxes of 10 that lie 2 apart overlap by 8 of 12, and by 6 of 14 where they lie 4 apart.
        let boxes = vec![at(0.0, 0.75, 6.0), at(2.0, 0.25, 10.0), at(4.0, 0.5, 90.0), at(50.0, 0.5, 70.0)];
        let mean = |min_overlap| {
            let kept = suppress_and_average(boxes.clone(), 0.3, min_overlap);
            kept.iter().map(|face| (face.rectangle.left, face.landmarks[4])).collect::<Vec<_>>()
        };
        let alone = (50.0, Point { x: 70.0, y: 140.0 });
        assert_eq!(mean(0.6), [(0.0, Point { x: 7.0, y: 14.0 }), alone]);
        assert_eq!(mean(1.0), [(0.0, Point { x: 6.0, y: 12.0 }), alone]);
    }

    #[test]
    fn a_landmark_that_is_no_number_is_in_no_mean() {
        let mut broken = face(0.0, 0.9);
        broken.landmarks[1].x = f64::NAN;
        let kept = suppress_and_average(vec![broken, face(1.0, 0.8), face(0.0, 0.0)], 0.3, 0.5);
        assert_eq!(kept, [face(1.0, 0.8)]);
        assert_eq!(suppress_and_average(vec![face(3.0, 0.0)], 0.3, 0.5), [face(3.0, 0.0)]);
    }

    proptest! {
        #[test]
        fn kept_boxes_do_not_overlap(all in prop::collection::vec((0.0..99.0, 0.0_f32..1.0), 0..40)) {
            let kept = suppress(all.iter().map(|(left, score)| face(*left, *score)).collect(), 0.3);
            for (i, a) in kept.iter().enumerate() {
                for b in &kept[i + 1..] {
                    prop_assert!(a.rectangle.overlap(&b.rectangle) <= 0.3 && a.score >= b.score);
                }
            }
            prop_assert_eq!(kept.is_empty(), all.is_empty());
        }
    }
}
