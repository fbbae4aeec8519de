//! What the fuzz target of network outputs needs of the detector.

use fast_image_resize::Resizer;

use super::{
    framing::{Framing, InputBuffers, Window},
    scrfd,
    suppression::suppress,
    yunet,
};
use crate::{
    decode::Picture,
    error::FaceError,
    faces::Detection,
    manifest::{DetectionSpec, DetectorFamily, InputSize, Level},
    normalisation::Normalisation,
    runtime::Outputs,
    subject::Subject,
};

const WIDTH: usize = 64;
const STRIDE: u32 = 32;

/// The faces that a detector finds whose outputs are these numbers.
pub(crate) fn decode(is_yunet: bool, numbers: &[f32]) -> Result<Vec<Detection>, FaceError> {
    // A score of the class, one of the object, a box and five landmarks for each cell.
    let cells = numbers.len() / 16;
    let (scores, rest) = numbers.split_at(cells);
    let (objectness, rest) = rest.split_at(cells);
    let (boxes, landmarks) = (&rest[..4 * cells], &rest[4 * cells..14 * cells]);
    let outputs = Outputs::from_parts([("s", scores), ("o", objectness), ("b", boxes), ("l", landmarks)]);
    let level = Level {
        stride: STRIDE,
        scores: "s".to_owned(),
        objectness: is_yunet.then(|| "o".to_owned()),
        boxes: "b".to_owned(),
        landmarks: "l".to_owned(),
    };
    let family = if is_yunet { DetectorFamily::YuNet } else { DetectorFamily::Scrfd };
    let spec = DetectionSpec { family, anchors_per_cell: 2, window_stride: None, levels: vec![level] };
    let found = match family {
        DetectorFamily::YuNet => yunet::decode(&spec.levels, &outputs, WIDTH, 0.5)?,
        DetectorFamily::Scrfd => scrfd::decode(&spec, &outputs, WIDTH, 0.5)?,
    };
    Ok(suppress(found, 0.3))
}

/// The window around a subject.
pub(crate) enum Drawn {
    /// It lies outside the photo.
    Outside,
    /// The values of the network's input.
    Values(Vec<f32>),
    /// It could not be drawn.
    Refused(FaceError),
}

/// Draws the window in which the subject's face is detected again.
pub(crate) fn draw_around(picture: &Picture, subject: &Subject, resizer: &mut Resizer) -> Drawn {
    let rectangle = subject.face.rectangle;
    let window = Window { centre: rectangle.centre(), scale: 32.0 / rectangle.area().sqrt(), size: (64, 64) };
    let orientation = subject.view.orientation;
    let input = InputSize::MultipleOf(STRIDE);
    let Some(framing) = Framing::of_window(picture.size, orientation, window, input) else {
        return Drawn::Outside;
    };
    let mut buffers = InputBuffers::default();
    let unchanged = Normalisation { blue_first: false, mean: [0.0; 3], deviation: [1.0; 3] };
    match framing.draw(picture, unchanged, resizer, &mut buffers) {
        Ok(()) => Drawn::Values((0..3).flat_map(|channel| buffers.tensor.plane(channel).to_vec()).collect()),
        Err(error) => Drawn::Refused(error),
    }
}
