use fast_image_resize::Resizer;
use padan_domain::{Embedding, Similarity};

use crate::{
    align::{ARCFACE_FRAME, align},
    config::QualityConfig,
    decode::Picture,
    detector::fuzzing::{Drawn, decode, draw_around},
    faces::{Detection, Faces, View},
    orientation::Orientation,
    quality::Quality,
    raster::Raster,
    subject,
};

/// Reads numbers as the outputs of a detector, and goes on with the faces that they describe; then as an embedder's
/// output. The first byte chooses the detector's family and the photo's rotation.
///
/// # Panics
///
/// When a property does not hold.
pub fn network_outputs(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let numbers: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    embedding(&numbers);
    let Ok(found) = decode(choice & 1 == 0, &numbers) else { return };
    faces_are_sorted_and_apart(&found);
    let Some(picture) = picture() else { return };
    let view = View::new(&picture, u16::from(choice >> 1 & 3));
    let faces = Faces { found, view, detector_runs: 1 };
    let Some(subject) = subject::choose(&faces) else { return };
    assert!(subject.second_share >= 0.0, "the share of the second face is {}", subject.second_share);
    let mut resizer = Resizer::new();
    match draw_around(&picture, &subject, &mut resizer) {
        Drawn::Outside => {}
        Drawn::Values(values) => assert!(values.iter().all(|value| (0.0..=255.0).contains(value))),
        Drawn::Refused(error) => panic!("a window cannot be drawn: {error}"),
    }
    let landmarks = &subject.face.landmarks;
    let aligned =
        align(&picture, view.orientation, landmarks, &ARCFACE_FRAME, &mut resizer, &mut Raster::default());
    if let Ok(crop) = aligned {
        assert!(crop.rgb().iter().all(|value| (0.0..=255.01).contains(value)), "a pixel is out of range");
        quality(&Quality::measure(&crop, landmarks));
    }
}

fn picture() -> Option<Picture> {
    let rgb = (0..48 * 32 * 3_u32).map(|at| (at * 7) as u8).collect();
    Some(Picture::of(Raster::new(48, 32, rgb)?, Orientation::UPRIGHT))
}

fn faces_are_sorted_and_apart(found: &[Detection]) {
    for (at, face) in found.iter().enumerate() {
        assert!(face.rectangle.area() > 0.0, "a face has no area");
        assert!(face.landmarks.iter().all(|point| point.x.is_finite() && point.y.is_finite()));
        for worse in &found[at + 1..] {
            assert!(face.score >= worse.score, "faces are not sorted by score");
            assert!(face.rectangle.overlap(&worse.rectangle) <= 0.31, "a face is found twice");
        }
    }
}

/// A measure that could not be taken passes no rule.
fn quality(measured: &Quality) {
    let rules = QualityConfig {
        min_eye_distance: 0.0,
        max_outside: 1.0,
        min_sharpness: 0.0,
        min_lower_detail: 0.0,
        min_brightness: 0.0,
        max_overexposed: 1.0,
        max_yaw: 10.0,
        min_pitch: -10.0,
        max_pitch: 10.0,
        max_roll: 180.0,
    };
    let Quality { eye_distance, outside, lower_detail, sharpness, brightness, overexposed, yaw, pitch, roll } =
        *measured;
    let all = [eye_distance, outside, lower_detail, sharpness, brightness, overexposed, yaw, pitch, roll];
    let is_measured = all.iter().all(|value| value.is_finite());
    assert!(is_measured || measured.check(&rules).is_err(), "{measured:?} passes");
}

/// An embedding has unit length and reads itself.
fn embedding(numbers: &[f32]) {
    let Ok(embedding) = Embedding::from_output(numbers) else { return };
    let again = Embedding::from_unit(embedding.as_slice().to_vec());
    assert!(again.as_ref() == Ok(&embedding), "an embedding does not read itself");
    let same = embedding.similarity(&embedding).map(Similarity::cosine);
    assert!(same.is_some_and(|cosine| (cosine - 1.0).abs() < 1e-5), "a face differs from itself");
}
