use super::*;
use crate::{
    calibration_transformation::{BeforeAndAfter, CalibrationCentre, GroupCheck, TransformationCheck},
    catalogue::Catalogue,
};

const BUILT_IN: &str = include_str!("../../../../models/sface.calibration.toml");

fn set(name: &str) -> ModelSet {
    Catalogue::load(&[]).unwrap().set(name).unwrap()
}

fn refusal(text: &str, set: &ModelSet) -> String {
    CalibrationFile::parse("here", text, set).unwrap_err().to_string()
}

#[test]
fn the_built_in_scales_are_consistent_and_survive_a_round_trip() {
    for name in ["sface", "mobilefacenet"] {
        let set = set(name);
        let file = Catalogue::load(&[]).unwrap().calibration(&set).unwrap();
        assert_eq!(file.calibration().unwrap().pass_cosine(), file.pass_mark.cosine);
        assert_eq!(CalibrationFile::parse("here", &file.to_toml().unwrap(), &set).unwrap(), file);
    }
}

#[test]
fn another_models_calibration_is_refused() {
    let mut other = set("sface");
    other.embedder.exports[0].sha256 = FileDigest::of(b"another file");
    assert!(refusal(BUILT_IN, &other).contains("made for sface with SHA-256 0ba9"));
    assert!(refusal(BUILT_IN, &set("mobilefacenet")).contains("made for sface"));
}

#[test]
fn a_scale_that_does_not_increase_is_refused() {
    let mut file = CalibrationFile::parse("here", BUILT_IN, &set("sface")).unwrap();
    file.points[1].cosine = 0.9;
    assert_eq!(refusal(&file.to_toml().unwrap(), &set("sface")), "here: the anchors do not increase");
}

#[test]
fn an_unknown_key_and_another_version_are_refused() {
    let unknown = BUILT_IN.replacen("version = 2", "version = 2\nmark_up = 3", 1);
    assert!(refusal(&unknown, &set("sface")).contains("unknown field `mark_up`"));
    let earlier = BUILT_IN.replacen("version = 2", "version = 1", 1);
    assert_eq!(refusal(&earlier, &set("sface")), "here: version 1 is not supported; expected 2 or 3");
}

/// The built-in scale with a centre of this many persons, whose first component is `first`, the others 0.02.
fn centred(persons: u64, first: f64, length: usize) -> CalibrationFile {
    let mut file = CalibrationFile::parse("here", BUILT_IN, &set("sface")).unwrap();
    let rate = Rate { value: 0.01, low: 0.0, high: 0.02 };
    let fnmr = BeforeAndAfter { before: rate, after: rate, change: [-0.01, 0.01] };
    file.transformation = Some(CalibrationTransformation::Centre(CalibrationCentre {
        persons,
        components: std::iter::once(first).chain(std::iter::repeat_n(0.02, length - 1)).collect(),
        check: TransformationCheck {
            persons: 1200,
            fnmr,
            groups: vec![GroupCheck { name: "women".to_owned(), persons: 600, fmr: fnmr }],
        },
    }));
    file.version = CalibrationFile::version_of(file.transformation.as_ref());
    file
}

#[test]
fn a_centre_survives_a_round_trip_and_belongs_to_the_id() {
    let file = centred(2000, 0.3, 128);
    assert_eq!(file.version, 3);
    let read = CalibrationFile::parse("here", &file.to_toml().unwrap(), &set("sface")).unwrap();
    assert_eq!(read, file);
    assert_eq!(read.id(), file.id());
    let plain = CalibrationFile::parse("here", BUILT_IN, &set("sface")).unwrap();
    assert_ne!(plain.id(), file.id());
    assert_ne!(centred(2000, 0.4, 128).id(), file.id());
    assert_eq!(plain.score(), "cosine");
    assert!(file.score().starts_with("centre ") && file.score() == centred(3000, 0.3, 128).score());
    assert_ne!(centred(2000, 0.4, 128).score(), file.score(), "cosines of two centres are not comparable");
    assert_eq!(centred(3000, 0.3, 128).id(), file.id(), "what it was made from decides nothing");
    let padan_domain::ScoreTransformation::Centre(centre) =
        read.calibration().unwrap().transformation().clone()
    else {
        panic!("no centre");
    };
    assert_eq!((centre.as_slice().len(), centre.as_slice()[0]), (128, 0.3));
    assert_eq!(*plain.calibration().unwrap().transformation(), padan_domain::ScoreTransformation::None);
}

#[test]
fn a_centre_of_too_few_persons_of_another_length_or_of_one_face_is_refused() {
    let refusal = |file: &CalibrationFile| refusal(&file.to_toml().unwrap(), &set("sface"));
    assert_eq!(
        refusal(&centred(999, 0.3, 128)),
        "here: the centre is the mean of 999 persons; expected at least 1000 for it to tell nobody's face"
    );
    assert_eq!(
        refusal(&centred(2000, 0.3, 127)),
        "here: the centre has 127 components, and an embedding of this model has 128"
    );
    for first in [0.95, f64::INFINITY] {
        assert!(
            refusal(&centred(2000, first, 128)).contains("the length of the centre's vector is"),
            "{first}"
        );
    }
    for (value, reason) in [
        (f64::NAN, "here: a number is NaN"),
        (1.5, "here: expected every rate of the transformation's check in 0 to 1, found 1.5"),
    ] {
        let mut file = centred(2000, 0.3, 128);
        if let Some(CalibrationTransformation::Centre(centre)) = &mut file.transformation {
            centre.check.fnmr.after.value = value;
        }
        assert_eq!(refusal(&file), reason);
    }
    let mut file = centred(2000, 0.3, 128);
    file.version = 2;
    assert_eq!(refusal(&file), "here: version 2 is not that of a file with a transformation; expected 3");
    let later = BUILT_IN.replacen("version = 2", "version = 3", 1);
    assert_eq!(
        CalibrationFile::parse("here", &later, &set("sface")).unwrap_err().to_string(),
        "here: version 3 is not that of a file without a transformation; expected 2"
    );
    let unknown =
        centred(2000, 0.3, 128).to_toml().unwrap().replacen("kind = \"centre\"", "kind = \"cohort\"", 1);
    assert!(CalibrationFile::parse("here", &unknown, &set("sface")).is_err());
}
