use crate::{faces::Detection, geometry::Rectangle};

/// Greedy non-maximum suppression: among boxes that overlap by more than `max_overlap`, keeps the one with the best
/// score.
///
/// The result is sorted by decreasing score. Boxes without a finite area above zero are dropped, and faces with a landmark
/// that is not finite.
pub(crate) fn suppress(mut faces: Vec<Detection>, max_overlap: f64) -> Vec<Detection> {
    faces.retain(|face| {
        let Rectangle { left, top, .. } = face.rectangle;
        let area = face.rectangle.area();
        let is_box = left.is_finite() && top.is_finite() && area.is_finite() && area > 0.0;
        is_box && face.landmarks.iter().all(|point| point.x.is_finite() && point.y.is_finite())
    });
    faces.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = Vec::new();
    for face in faces {
        if kept.iter().all(|better| better.rectangle.overlap(&face.rectangle) <= max_overlap) {
            kept.push(face);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::geometry::Point;

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
