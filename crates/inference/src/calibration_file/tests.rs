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
    assert_eq!(refusal(&earlier, &set("sface")), "here: version 1 is not supported; expected 2, 3 or 4");
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
    assert_eq!(refusal(&file), "here: version 2 is not that of a file with a centre; expected 3");
    let later = BUILT_IN.replacen("version = 2", "version = 3", 1);
    assert_eq!(
        CalibrationFile::parse("here", &later, &set("sface")).unwrap_err().to_string(),
        "here: version 3 is not that of a file without a transformation; expected 2"
    );
    let unknown =
        centred(2000, 0.3, 128).to_toml().unwrap().replacen("kind = \"centre\"", "kind = \"cohort\"", 1);
    assert!(CalibrationFile::parse("here", &unknown, &set("sface")).is_err());
}

/// The built-in scale with a cohort of 1,500 persons.
fn with_cohort() -> CalibrationFile {
    let mut file = CalibrationFile::parse("here", BUILT_IN, &set("sface")).unwrap();
    let rate = Rate { value: 0.01, low: 0.0, high: 0.02 };
    let fnmr = BeforeAndAfter { change: [-0.02, 0.01], before: rate, after: rate };
    file.transformation = Some(CalibrationTransformation::Symmetric(CalibrationCohort {
        cohort: "0123456789abcdef".repeat(2),
        persons: 1500,
        top: 200,
        same_person: 0.51,
        level: 0.25,
        spread: 0.05,
        check: TransformationCheck { persons: 1500, fnmr, groups: Vec::new() },
    }));
    file.version = CalibrationFile::version_of(file.transformation.as_ref());
    file
}

#[test]
fn a_scale_with_a_cohort_is_read_and_needs_the_cohort() {
    let file = with_cohort();
    assert_eq!(file.version, 4);
    let read = CalibrationFile::parse("here", &file.to_toml().unwrap(), &set("sface")).unwrap();
    assert_eq!(read, file);
    assert!(read.score().starts_with("symmetric "));
    assert_ne!(read.id(), CalibrationFile::parse("here", BUILT_IN, &set("sface")).unwrap().id());
    let error = read.calibration().unwrap_err().to_string();
    assert!(error.contains("needs the cohort 0123456789abcdef0123456789abcdef"), "{error}");
    let people = [[1.0, 0.0], [0.0, 1.0]].map(|it| padan_domain::Embedding::from_output(&it).unwrap());
    let cohort = Arc::new(Cohort::new(&people).unwrap());
    let scale = read.calibration_with(Some(cohort)).unwrap();
    assert_eq!(scale.anchors(), read.map().unwrap().anchors());
    assert!(matches!(scale.transformation(), padan_domain::ScoreTransformation::Cohort(_)));
}

#[test]
fn a_cohort_whose_numbers_are_out_of_range_is_refused() {
    type Change = fn(&mut CalibrationCohort);
    let changes: [(Change, &str); 7] = [
        (|table| table.persons = 999, "the cohort has 999 persons; expected 1000 to 2000"),
        (|table| table.persons = 2001, "the cohort has 2001 persons"),
        (|table| table.cohort = "../x".to_owned(), "the number cohort of the cohort is out of range"),
        (|table| table.top = 1, "the number top of"),
        (|table| table.same_person = 1.5, "the number same_person of"),
        (|table| table.level = -2.0, "the number level of"),
        (|table| table.spread = 0.0, "the number spread of"),
    ];
    for (change, expected) in changes {
        let mut file = with_cohort();
        if let Some(CalibrationTransformation::Symmetric(table)) = &mut file.transformation {
            change(table);
        }
        let error = CalibrationFile::parse("here", &file.to_toml().unwrap(), &set("sface")).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}
