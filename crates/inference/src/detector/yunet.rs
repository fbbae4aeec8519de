//! Decodes YuNet's outputs.
//!
//! Each level of the network is a grid of cells, row by row. A cell has a class score, an objectness score, a box
//! (offset of its centre in cells, logarithm of its size in cells) and five landmarks (offsets in cells).

use crate::{
    error::FaceError,
    faces::Detection,
    geometry::{Point, Rectangle},
    manifest::Level,
    runtime::Outputs,
};

/// Every cell whose score is at least `min_score`, before non-maximum suppression. Coordinates are those of the
/// network's input, which is `width` pixels wide.
pub(crate) fn decode(
    levels: &[Level],
    outputs: &Outputs<'_>,
    width: usize,
    min_score: f32,
) -> Result<Vec<Detection>, FaceError> {
    let mut found = Vec::new();
    for level in levels {
        let objectness = level.objectness.as_ref();
        let grid = Grid {
            class: outputs.get(&level.scores)?,
            object: outputs.get(objectness.ok_or_else(|| {
                FaceError::Broken("the manifest names no objectness output for a level".into())
            })?)?,
            boxes: outputs.get(&level.boxes)?,
            landmarks: outputs.get(&level.landmarks)?,
            columns: width / level.stride as usize,
            stride: f64::from(level.stride),
        };
        grid.decode(min_score, &mut found)?;
    }
    Ok(found)
}

struct Grid<'a> {
    class: &'a [f32],
    object: &'a [f32],
    boxes: &'a [f32],
    landmarks: &'a [f32],
    columns: usize,
    stride: f64,
}

impl Grid<'_> {
    fn decode(&self, min_score: f32, found: &mut Vec<Detection>) -> Result<(), FaceError> {
        let cells = self.class.len();
        if self.object.len() != cells
            || self.boxes.len() != cells * 4
            || self.landmarks.len() != cells * 10
            || self.columns == 0
        {
            return Err(FaceError::Broken("the detector's outputs differ in their numbers of cells".into()));
        }
        let scores = self.class.iter().zip(self.object);
        let scores = scores.map(|(class, object)| (class.clamp(0.0, 1.0) * object.clamp(0.0, 1.0)).sqrt());
        found.extend(
            scores
                .enumerate()
                .filter(|(_, score)| *score >= min_score)
                .map(|(cell, score)| self.cell(cell, score)),
        );
        Ok(())
    }

    fn cell(&self, cell: usize, score: f32) -> Detection {
        let (column, row) = ((cell % self.columns) as f64, (cell / self.columns) as f64);
        let offsets = &self.boxes[cell * 4..cell * 4 + 4];
        let size = |logarithm: f32| f64::from(logarithm).exp() * self.stride;
        let (width, height) = (size(offsets[2]), size(offsets[3]));
        let centre = self.point(column, row, offsets[0], offsets[1]);
        let pairs = &self.landmarks[cell * 10..cell * 10 + 10];
        Detection {
            rectangle: Rectangle {
                left: centre.x - width / 2.0,
                top: centre.y - height / 2.0,
                width,
                height,
            },
            landmarks: std::array::from_fn(|i| self.point(column, row, pairs[2 * i], pairs[2 * i + 1])),
            score,
        }
    }

    fn point(&self, column: f64, row: f64, dx: f32, dy: f32) -> Point {
        Point { x: (column + f64::from(dx)) * self.stride, y: (row + f64::from(dy)) * self.stride }
    }
}
