use fast_image_resize::Resizer;
use serde::Deserialize;

use crate::{
    config::Config,
    detector::framing::PhotoScale,
    faces::View,
    geometry::Point,
    pipeline::Pipeline,
    retry_budget::RetryBudget,
    subject::Subject,
    test_support::{config, fixture, fixture_json, photo, pipeline},
};

#[derive(Deserialize)]
struct Oracle {
    pictures: Vec<OraclePicture>,
}

#[derive(Deserialize)]
struct OraclePicture {
    file: String,
    width: u32,
    height: u32,
    faces: Vec<OracleFace>,
}

#[derive(Deserialize)]
struct OracleFace {
    #[serde(rename = "box")]
    rectangle: [f64; 4],
    landmarks: [[f64; 2]; 5],
    score: f32,
}

/// Compares with `OpenCV`'s `FaceDetectorYN` on the same model file and the same pixels; see tools/oracle.
#[test]
fn yunet_finds_the_same_faces_as_opencv() {
    // OpenCV runs the network with kernels of its own; its sums differ in the last digits.
    const PIXELS: f64 = 0.05;
    const SCORE: f32 = 1e-3;
    let mut pipeline = pipeline(&config());
    let oracle: Oracle = fixture_json("detection/faces.json");
    assert!(oracle.pictures.len() >= 8);
    for expected in oracle.pictures {
        let picture = pipeline.decode(&photo(fixture(&format!("detection/{}", expected.file)))).unwrap();
        assert_eq!(picture.raster.size(), (expected.width, expected.height));
        let side = expected.width.max(expected.height);
        let detector = &mut pipeline.detector;
        let framing = detector.frame_whole(&picture, View::new(&picture, 0), PhotoScale::filling(side));
        let found = detector.detect_in(&picture, &framing, &mut Resizer::new()).unwrap();
        assert_eq!(found.len(), expected.faces.len(), "{}", expected.file);
        for face in &expected.faces {
            let eye = Point { x: face.landmarks[0][0], y: face.landmarks[0][1] };
            let ours = found
                .iter()
                .min_by(|a, b| a.landmarks[0].distance(eye).total_cmp(&b.landmarks[0].distance(eye)))
                .unwrap_or_else(|| panic!("{}: no face", expected.file));
            let rectangle = &ours.rectangle;
            let sides = [rectangle.left, rectangle.top, rectangle.width, rectangle.height];
            for (ours, theirs) in sides.iter().zip(face.rectangle) {
                assert!((ours - theirs).abs() < PIXELS, "{}: box {ours} for {theirs}", expected.file);
            }
            for (ours, theirs) in ours.landmarks.iter().zip(face.landmarks) {
                let distance = ours.distance(Point { x: theirs[0], y: theirs[1] });
                assert!(distance < PIXELS, "{}: landmark {distance} pixels off", expected.file);
            }
            assert!((ours.score - face.score).abs() < SCORE, "{}: score {}", expected.file, ours.score);
        }
    }
}

#[test]
fn landmarks_of_a_mirrored_photo_are_the_mirrored_landmarks() {
    let mut pipeline = pipeline(&config());
    pipeline.detector.landmarks.agreement = 0.0;
    for file in ["selfie_432x540.png", "id_256x320.png", "filling_448x448.png"] {
        let decode = |pipeline: &mut Pipeline, bytes: Vec<u8>| pipeline.decode(&photo(bytes)).unwrap();
        let bytes = fixture(&format!("detection/{file}"));
        let mirror = image::load_from_memory(&bytes).unwrap().fliph();
        let mut mirrored = std::io::Cursor::new(Vec::new());
        mirror.write_to(&mut mirrored, image::ImageFormat::Png).unwrap();
        let mut picture = decode(&mut pipeline, bytes);
        let mirrored = decode(&mut pipeline, mirrored.into_inner());
        let faces = pipeline.detect(&mut picture, &mut RetryBudget::unlimited()).unwrap();
        let subject = Pipeline::subject(&faces).unwrap();
        let width = f64::from(picture.raster.size().0);
        let in_mirror = Subject { face: subject.face.mirrored(width), ..subject };
        let detector = &mut pipeline.detector;
        let size = detector.landmarks.size();
        let seen =
            detector.detect_in_window(&picture, &subject, size, &mut Resizer::new()).unwrap().unwrap().face;
        let back = detector
            .detect_in_window(&mirrored, &in_mirror, size, &mut Resizer::new())
            .unwrap()
            .unwrap()
            .face;
        let eyes = seen.landmarks[0].distance(seen.landmarks[1]);
        for (one, other) in seen.landmarks.iter().zip(back.mirrored(width).landmarks) {
            let apart = one.distance(other) / eyes;
            assert!(apart < 0.02, "{file}: {apart} eye distances apart");
        }
    }
}

#[test]
fn the_mirror_image_is_left_out_where_both_detections_agree() {
    let mut pipeline = pipeline(&config());
    for file in ["selfie_432x540.png", "id_256x320.png", "filling_448x448.png"] {
        let mut picture = pipeline.decode(&photo(fixture(&format!("detection/{file}")))).unwrap();
        let faces = pipeline.detect(&mut picture, &mut RetryBudget::unlimited()).unwrap();
        let subject = Pipeline::subject(&faces).unwrap();
        let detector = &mut pipeline.detector;
        let size = detector.landmarks.size();
        let mut in_window = |agreement: f64, subject: &Subject| {
            detector.landmarks.agreement = agreement;
            detector.detect_in_window(&picture, subject, size, &mut Resizer::new()).unwrap().unwrap()
        };
        let [both, one] = [0.0, 1.0].map(|agreement| in_window(agreement, &subject));
        assert_eq!(both.detector_runs, subject.detector_runs + 2, "{file}");
        assert_eq!(one.detector_runs, subject.detector_runs + 1, "{file}");
        assert_eq!((one.face.rectangle, one.face.score), (both.face.rectangle, both.face.score));
        let eyes = both.face.landmarks[0].distance(both.face.landmarks[1]);
        for (alone, mean) in one.face.landmarks.iter().zip(both.face.landmarks) {
            let apart = alone.distance(mean) / eyes;
            assert!(apart < 0.2, "{file}: {apart} eye distances apart");
        }
        // A first detection that saw one landmark elsewhere.
        let mut elsewhere = subject;
        elsewhere.face.landmarks[2].x += 2.0 * eyes;
        assert_eq!(in_window(1.0, &elsewhere).face, both.face, "{file}");
    }
}

/// The subject of a picture, and what the window around it gives with and without the levels for other sizes.
fn subject_in_window(pipeline: &mut Pipeline, file: &str, scale: f64) -> [Option<Subject>; 2] {
    let mut picture = pipeline.decode(&photo(fixture(&format!("detection/{file}")))).unwrap();
    let faces = pipeline.detect(&mut picture, &mut RetryBudget::unlimited()).unwrap();
    let mut subject = Pipeline::subject(&faces).unwrap();
    let known = &mut subject.face.rectangle;
    let (width, height) = (known.width * scale, known.height * scale);
    (known.left, known.top) =
        (known.left + (known.width - width) / 2.0, known.top + (known.height - height) / 2.0);
    (known.width, known.height) = (width, height);
    let detector = &mut pipeline.detector;
    let size = detector.landmarks.size();
    let coarse = detector.detect_in_window(&picture, &subject, size, &mut Resizer::new()).unwrap();
    let window = detector.window.take();
    let all = detector.detect_in_window(&picture, &subject, size, &mut Resizer::new()).unwrap();
    detector.window = window;
    [coarse, all]
}

#[test]
fn the_levels_for_other_sizes_do_not_change_the_subject() {
    for model_set in ["sface", "mobilefacenet"] {
        let mut pipeline = pipeline(&Config { model_set: model_set.to_owned(), ..config() });
        pipeline.detector.landmarks.overlap = 1.0;
        assert!(pipeline.detector.window.is_some());
        for file in ["selfie_432x540.png", "id_256x320.png", "filling_448x448.png"] {
            for scale in [0.8, 1.0, 1.25] {
                let [coarse, all] =
                    subject_in_window(&mut pipeline, file, scale).map(|subject| subject.map(|s| s.face));
                assert!(coarse.is_some() && coarse == all, "{model_set}, {file}, {scale}");
            }
        }
    }
}

/// A box of twice the face's size makes the face small in the window. The coarsest level finds it with a lower score than
/// the middle one.
#[test]
fn all_levels_find_a_subject_of_another_size_than_expected() {
    let mut pipeline = pipeline(&config());
    pipeline.detector.landmarks.overlap = 1.0;
    let faces = subject_in_window(&mut pipeline, "selfie_432x540.png", 2.1);
    let [coarse, all] = faces.map(|subject| subject.map(|subject| subject.face));
    assert!(coarse.is_some() && coarse == all, "{coarse:?} for {all:?}");
}
