use padan_domain::{Calibration, Embedding, Side};
use padan_inference::{Catalogue, PassMark};

use super::*;
use crate::{labelled::LabelledPhoto, measured::FaceFound};

/// Embeddings in sixteen dimensions, four photos for each person: the person's direction plus noise. Persons are in
/// group 0 and 1 alternately; those of group 1 are more similar to each other.
fn people(persons: usize) -> (Labelled, Measured) {
    let mut state = 7_u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24) - 0.5
    };
    let mut vector = || -> Vec<f64> { (0..16).map(|_| random() + random() + random()).collect() };
    let common = vector();
    let (mut photos, mut outcomes) = (Vec::new(), Vec::new());
    for person in 0..persons {
        let group = person % 2;
        let own = vector();
        for photo in 0..4 {
            let noise = vector();
            let values = (own.iter().zip(&noise).zip(&common))
                .map(|((own, noise), common)| (own + 0.3 * noise + 0.4 * group as f64 * common) as f32);
            let embedding = Embedding::from_output(&values.collect::<Vec<_>>()).unwrap();
            let quality = padan_inference::Quality {
                eye_distance: 60.0,
                outside: 0.0,
                sharpness: 0.02,
                lower_detail: 0.48,
                brightness: 120.0,
                overexposed: 0.0,
                yaw: 0.0,
                pitch: 0.57,
                roll: 0.0,
            };
            outcomes.push(Outcome::Face(Box::new(FaceFound {
                embedding,
                side: Side::PLAIN,
                quality,
                broken_rule: None,
            })));
            let name = format!("{person}/{photo}");
            photos.push(LabelledPhoto {
                file: "".into(),
                name: name.into(),
                source: 0,
                identity: person,
                group: Some(group),
            });
        }
    }
    let labelled = Labelled {
        photos,
        sources: vec!["made up".into()],
        groups: vec!["apart".into(), "alike".into()],
        identities_from: Some("folder names"),
        ..Labelled::default()
    };
    let measured =
        Measured { outcomes, wall: std::time::Duration::ZERO, mean: padan_inference::Timings::default() };
    (labelled, measured)
}

fn fit(persons: usize) -> Result<CalibrationFile, CalibrationError> {
    let (labelled, measured) = people(persons);
    let set = Catalogue::load(&[]).unwrap().set("sface").unwrap();
    let plain = (&ScoreTransformation::None, None);
    calibrate(&labelled, &measured, plain, &set, NaiveDate::from_ymd_opt(2026, 11, 26).unwrap())
}

#[test]
fn the_worst_group_sets_the_pass_mark_and_the_scale_increases() {
    let file = fit(150).unwrap();
    let PassMark { cosine, pooled_at_1_in_10000, worst_group_at_1_in_1000 } = file.pass_mark;
    assert_eq!(cosine, pooled_at_1_in_10000.max(worst_group_at_1_in_1000.unwrap()));
    let alike = file.groups.iter().find(|group| group.name == "alike").unwrap();
    assert!(alike.decides && alike.persons == 75, "{alike:?}");
    assert_eq!(alike.impostor_pairs, 75 * 74 / 2 * 16);
    assert_eq!(worst_group_at_1_in_1000, alike.cosine_at_1_in_1000);
    assert_eq!(file.impostor_pairs, 150 * 149 / 2 * 16);
    let anchors: Vec<_> =
        file.points.iter().filter(|point| point.anchor.is_some()).map(|p| p.percentage).collect();
    assert_eq!(anchors, [0.0, 50.0, 75.0, 90.0, 100.0]);
    let scale: Calibration = file.calibration().unwrap();
    assert_eq!(scale.pass_cosine(), cosine);
    assert!(file.points.windows(2).all(|pair| pair[0].fmr >= pair[1].fmr && pair[0].fnmr <= pair[1].fnmr));
    let ninety = file.points.iter().find(|point| point.percentage == 90.0).unwrap();
    assert!(ninety.extrapolated, "{ninety:?}");
    let seventy_five = &file.marks[1];
    assert!(
        seventy_five.fmr.low <= seventy_five.fmr.value && seventy_five.fmr.value <= seventy_five.fmr.high
    );
}

#[test]
fn between_anchors_the_scale_is_linear_in_the_logarithm_of_the_rate() {
    let file = fit(150).unwrap();
    let at = |percentage: f64| {
        -file.points.iter().find(|point| point.percentage == percentage).unwrap().fmr.log10()
    };
    let middle = f64::midpoint(at(50.0), at(75.0));
    assert!((at(62.5) - middle).abs() < 0.05, "{} {middle}", at(62.5));
}

#[test]
fn too_few_pairs_are_refused_with_the_required_number() {
    let error = fit(20).unwrap_err();
    assert_eq!(
        error.to_string(),
        "too little data: a pass mark at a false match rate of 1 in 10,000 requires 100000 pairs of two persons, found 3040"
    );
}
