//! Decodes SCRFD's outputs.
//!
//! Each level of the network is a grid, row by row, with several anchors a cell. An anchor has a score, the distances
//! from the cell's corner to the box's four sides, and the offsets of five landmarks, in units of the stride.

use crate::{
    error::FaceError,
    faces::Detection,
    geometry::{Point, Rectangle},
    manifest,
    runtime::Outputs,
};

/// Every anchor whose score is at least `min_score`, before non-maximum suppression. Coordinates are those of the
/// network's input, which is `width` pixels wide.
pub(crate) fn decode(
    spec: &manifest::DetectionSpec,
    outputs: &Outputs<'_>,
    width: usize,
    min_score: f32,
) -> Result<Vec<Detection>, FaceError> {
    let mut found = Vec::new();
    for level in &spec.levels {
        let (scores, boxes) = (outputs.get(&level.scores)?, outputs.get(&level.boxes)?);
        let landmarks = outputs.get(&level.landmarks)?;
        let columns = width / level.stride as usize;
        if columns == 0 || boxes.len() != scores.len() * 4 || landmarks.len() != scores.len() * 10 {
            return Err(FaceError::Broken(
                "the detector's outputs differ in their numbers of anchors".into(),
            ));
        }
        let stride = f64::from(level.stride);
        for (anchor, score) in scores.iter().enumerate().filter(|(_, score)| **score >= min_score) {
            let cell = anchor / spec.anchors_per_cell.max(1) as usize;
            let (x, y) = ((cell % columns) as f64 * stride, (cell / columns) as f64 * stride);
            let sides: [f64; 4] = std::array::from_fn(|i| f64::from(boxes[anchor * 4 + i]) * stride);
            let offset = |i: usize| f64::from(landmarks[anchor * 10 + i]) * stride;
            found.push(Detection {
                rectangle: Rectangle {
                    left: x - sides[0],
                    top: y - sides[1],
                    width: sides[0] + sides[2],
                    height: sides[1] + sides[3],
                },
                landmarks: std::array::from_fn(|i| Point { x: x + offset(2 * i), y: y + offset(2 * i + 1) }),
                score: *score,
            });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{DetectorFamily, Level};

    fn spec() -> manifest::DetectionSpec {
        let level = Level {
            stride: 16,
            scores: "score".into(),
            objectness: None,
            boxes: "box".into(),
            landmarks: "points".into(),
        };
        manifest::DetectionSpec {
            family: DetectorFamily::Scrfd,
            anchors_per_cell: 2,
            window_stride: None,
            levels: vec![level],
        }
    }

    #[test]
    fn an_anchor_is_decoded_from_its_cell() {
        // A 32 x 32 input at stride 16 has 4 cells of 2 anchors. One hit: the second anchor of the cell at (16, 0).
        let mut scores = [0.0; 8];
        scores[3] = 0.9;
        let mut boxes = [0.0; 32];
        boxes[12..16].copy_from_slice(&[0.5, 0.25, 1.0, 2.0]);
        let mut landmarks = [0.0; 80];
        landmarks[30..40].copy_from_slice(&[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]);
        let outputs = Outputs::from_parts([("score", &scores[..]), ("box", &boxes), ("points", &landmarks)]);
        let found = decode(&spec(), &outputs, 32, 0.5).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].rectangle, Rectangle { left: 8.0, top: -4.0, width: 24.0, height: 36.0 });
        assert!((found[0].landmarks[4].x - (16.0 + 0.9 * 16.0)).abs() < 1e-5);
        assert!((found[0].landmarks[0].y - 0.2 * 16.0).abs() < 1e-5);
    }

    #[test]
    fn outputs_that_are_missing_or_do_not_fit_are_an_error() {
        assert!(matches!(decode(&spec(), &Outputs::from_parts([]), 32, 0.5), Err(FaceError::Broken(_))));
        let odd = Outputs::from_parts([("score", &[0.9; 2][..]), ("box", &[0.0; 7]), ("points", &[0.0; 20])]);
        assert!(matches!(decode(&spec(), &odd, 32, 0.5), Err(FaceError::Broken(_))));
    }
}
