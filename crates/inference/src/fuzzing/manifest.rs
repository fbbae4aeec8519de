use std::sync::LazyLock;

use padan_domain::Similarity;

use crate::{
    calibration_file::CalibrationFile,
    catalogue::Catalogue,
    manifest::{Manifest, Source, Task},
    model_set::ModelSet,
};

/// Reads a text as a manifest, and as the calibration of a built-in model set.
///
/// # Panics
///
/// When a property does not hold.
pub fn manifest(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match Manifest::parse("here", &text) {
        Ok(manifest) => names(&manifest),
        Err(error) => assert!(error.to_string().starts_with("here: "), "an error does not name its file"),
    }
    if let Some(set) = &*SET
        && let Ok(file) = CalibrationFile::parse("here", &text, set)
    {
        calibration(&file, set);
    }
}

static SET: LazyLock<Option<ModelSet>> =
    LazyLock::new(|| Catalogue::load(&[]).and_then(|catalogue| catalogue.set("sface")).ok());

/// Names that become paths, arguments or a line of the model contract are of one word.
fn names(manifest: &Manifest) {
    let is_a_word =
        |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    let is_a_file = |text: &str| {
        !text.is_empty()
            && !text.starts_with('.')
            && !text.contains(|c: char| c.is_control() || matches!(c, '/' | '\\'))
    };
    assert!(is_a_file(&manifest.name), "the name is no file's");
    assert!(!manifest.exports.is_empty(), "there is no file");
    for export in &manifest.exports {
        assert!(is_a_file(&export.file), "the file {:?} is in another folder", export.file);
        for source in &export.sources {
            if let Source::Package(package) = source {
                assert!(
                    is_a_word(&package.name) && !package.name.starts_with('-'),
                    "the package is an option"
                );
            }
        }
    }
    match &manifest.task {
        Task::Embedder(embedding) => {
            assert!(is_a_word(&embedding.output), "an output's name is of several words");
            assert!(is_a_file(&embedding.calibration), "the calibration is in another folder");
        }
        Task::Detector(detection) => {
            for level in &detection.levels {
                assert!(level.stride > 0, "a stride is 0");
                let names = [&level.scores, &level.boxes, &level.landmarks];
                let names = names.into_iter().chain(&level.objectness);
                assert!(
                    names.into_iter().all(|name| is_a_word(name)),
                    "an output's name is of several words"
                );
            }
        }
        Task::Liveness(liveness) => {
            assert!(is_a_word(&liveness.output), "an output's name is of several words");
            assert!(liveness.scale.is_finite() && liveness.scale > 0.0, "the crop has no size");
        }
    }
}

/// A calibration reads itself, and its scale rises from 0 to 100 %.
fn calibration(file: &CalibrationFile, set: &ModelSet) {
    let again = file.to_toml().and_then(|text| CalibrationFile::parse("here", &text, set));
    assert!(again.is_ok_and(|again| again == *file), "a calibration does not read itself");
    let Ok(scale) = file.calibration() else { return };
    let mut before = 0.0;
    for step in -20..=20 {
        let percentage = scale.percentage(Similarity::from_cosine(f64::from(step) / 20.0)).value();
        assert!((before..=100.0).contains(&percentage), "the scale falls");
        before = percentage;
    }
}
