use padan_domain::Side;
use padan_inference::{Quality, Rate, Timings};

use super::*;
use crate::{labelled::LabelledPhoto, measured::FaceFound};

const DIMENSIONS: usize = 24;
/// One person of so many is of the second group.
const SECOND_GROUP: usize = 8;

/// Two photos of each person: the person's direction, noise, and a share of a direction that faces have in common. `shares`
/// has that share for the first and the second group; it varies from person to person by 40 %.
fn people(persons: usize, shares: [f64; 2]) -> (Labelled, Measured) {
    let mut state = 5_u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24) - 0.5
    };
    let mut labelled = Labelled {
        sources: vec!["made up".into()],
        groups: vec!["many".into(), "few".into()],
        identities_from: Some("folder names"),
        ..Labelled::default()
    };
    let mut outcomes = Vec::new();
    for identity in 0..persons {
        let group = usize::from(identity.is_multiple_of(SECOND_GROUP));
        let share = shares[group] * (1.0 + 0.8 * random()) * f64::sqrt(DIMENSIONS as f64) / 2.0;
        let own: Vec<_> = (0..DIMENSIONS).map(|_| random() + random() + random()).collect();
        for photo in 0..2 {
            let mut values: Vec<_> =
                own.iter().map(|own| (own + 0.42 * (random() + random() + random())) as f32).collect();
            values[0] += share as f32;
            outcomes.push(found(&values));
            labelled.photos.push(LabelledPhoto {
                file: "".into(),
                name: format!("{identity}/{photo}").into(),
                source: 0,
                identity,
                group: Some(group),
            });
        }
    }
    (labelled, Measured { outcomes, wall: std::time::Duration::ZERO, mean: Timings::default() })
}

fn found(values: &[f32]) -> Outcome {
    let quality = Quality {
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
    let embedding = Embedding::from_output(values).unwrap();
    Outcome::Face(Box::new(FaceFound { embedding, side: Side::PLAIN, quality, broken_rule: None }))
}

/// The missed genuine pairs of persons, computed pair by pair in double precision, at the cosine that 1 in 10,000 of their
/// impostor pairs reach.
fn missed(labelled: &Labelled, measured: &Measured, persons: &HashSet<usize>, centre: &[f64]) -> f64 {
    let vectors: Vec<(usize, Vec<f64>)> = (labelled.photos.iter().zip(&measured.outcomes))
        .filter(|(photo, _)| persons.contains(&photo.identity))
        .map(|(photo, outcome)| {
            let values = outcome.embedding().unwrap().as_slice().iter().zip(centre);
            let values: Vec<_> = values.map(|(value, centre)| f64::from(*value) - centre).collect();
            let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
            (photo.identity, values.into_iter().map(|value| value / length).collect())
        })
        .collect();
    let (mut genuine, mut impostors) = (Vec::new(), Vec::new());
    for (at, (identity, a)) in vectors.iter().enumerate() {
        for (other, b) in &vectors[at + 1..] {
            let cosine: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
            if identity == other { genuine.push(cosine) } else { impostors.push(cosine) }
        }
    }
    impostors.sort_by(|a, b| b.total_cmp(a));
    let allowed = impostors.len() / 10_000;
    let threshold = f64::midpoint(impostors[allowed - 1], impostors[allowed]);
    genuine.iter().filter(|cosine| **cosine < threshold).count() as f64 / genuine.len() as f64
}

#[test]
fn a_centre_is_taken_where_it_pays_and_its_figures_are_those_of_a_plain_computation() {
    let (labelled, measured) = people(2000, [0.9, 0.9]);
    let search = find_transformation(&labelled, &measured, None);
    assert_eq!(search.refused, None, "{:?}", search.check);
    let Some(CalibrationTransformation::Centre(centre)) = search.taken else { panic!("no centre") };
    assert_eq!((centre.persons, centre.check.persons), (1000, 1000));
    let embeddings: Vec<_> = measured.outcomes.iter().map(Outcome::embedding).collect();
    let halves = Halves::of(&labelled, &embeddings);
    assert!(halves.first.is_disjoint(&halves.second));
    let few =
        |half: &HashSet<usize>| half.iter().filter(|person| person.is_multiple_of(SECOND_GROUP)).count();
    assert_eq!((few(&halves.first), few(&halves.second)), (125, 125));

    // The first photo of each person of the first half.
    let mut mean = vec![0.0; DIMENSIONS];
    for person in &halves.first {
        for (sum, value) in mean.iter_mut().zip(embeddings[2 * person].unwrap().as_slice()) {
            *sum += f64::from(*value) / 1000.0;
        }
    }
    assert!(mean.iter().zip(&centre.components).all(|(a, b)| (a - b).abs() < 1e-6));
    let before = missed(&labelled, &measured, &halves.second, &[0.0; DIMENSIONS]);
    let after = missed(&labelled, &measured, &halves.second, &mean);
    let BeforeAndAfter { change, before: shown_before, after: shown_after } = centre.check.fnmr;
    assert!((shown_before.value - before).abs() < 1.5e-3, "{shown_before:?} {before}");
    assert!((shown_after.value - after).abs() < 1.5e-3, "{shown_after:?} {after}");
    assert!(after < before && change[0] < after - before && after - before < change[1], "{change:?}");
}

#[test]
fn a_centre_that_helps_many_and_raises_the_false_matches_of_a_group_is_not_taken() {
    let (labelled, measured) = people(2000, [0.9, -0.1]);
    let search = find_transformation(&labelled, &measured, None);
    let check = search.check.unwrap();
    assert!(check.fnmr.after.value < check.fnmr.before.value, "pooled, it would pay: {check:?}");
    assert_eq!(search.refused, Some(NoTransformation::RaisesGroup("few".to_owned())));
    assert_eq!(search.taken, None);
}

#[test]
fn a_centre_that_does_not_lower_the_misses_is_not_taken() {
    let (labelled, measured) = people(2000, [0.0, 0.0]);
    let search = find_transformation(&labelled, &measured, None);
    assert_eq!(search.taken, None);
    assert!(search.refused.is_some());
}

#[test]
fn the_centre_of_too_few_persons_is_not_looked_for() {
    let (labelled, measured) = people(1999, [0.9, 0.9]);
    let search = find_transformation(&labelled, &measured, None);
    assert_eq!(search.refused, Some(NoTransformation::TooFewPersons { found: 1999, needed: 2000 }));
    assert_eq!((search.check, search.taken), (None, None));
}

#[test]
fn a_rate_rises_above_its_interval_or_by_a_difference_above_zero() {
    let rate = |value, low, high| Rate { value, low, high };
    let fmr = |after, change| BeforeAndAfter {
        change,
        before: rate(1e-3, 0.0, 3e-3),
        after: rate(after, 0.0, 1.0),
    };
    assert!(!rises(&fmr(2e-3, [-1e-3, 3e-3])), "within the interval, and the difference may be chance");
    assert!(rises(&fmr(4e-3, [-1e-3, 7e-3])), "above the interval");
    assert!(rises(&fmr(2e-3, [2e-4, 3e-3])), "surely higher than before");
    assert!(!rises(&fmr(0.0, [-2e-3, 0.0])));
}

#[test]
fn a_score_with_a_cohort_is_taken_where_it_pays_best() {
    // Faces that have a direction in common to different degrees: a centre takes only its mean away.
    let (labelled, measured) = people(2000, [1.3, 1.3]);
    let search = find_transformation(&labelled, &measured, Some(&CohortSource::Photos));
    assert_eq!(search.tried.len(), 4, "{:?}", search.tried);
    assert_eq!(search.refused, None, "{search:?}");
    let best = search.tried.iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    let taken = search.taken.unwrap();
    match taken.cohort() {
        None => assert_eq!((best.0.as_str(), search.cohort.len()), ("centre", 0)),
        Some(table) => {
            assert!(best.0.ends_with("of a cohort"), "{best:?}");
            assert_eq!((table.persons, search.cohort.len()), (1000, 1000));
            assert_eq!(table.cohort, "", "it has no id before it is sealed");
            assert!(table.same_person > 0.0 && table.same_person <= 1.0);
        }
    }
    let check = taken.what_changes();
    assert!(check.fnmr.after.value < check.fnmr.before.value, "{check:?}");
    assert_eq!(check.persons, 1000);
}

#[test]
fn a_cohort_of_other_people_may_be_given() {
    let (labelled, measured) = people(2000, [0.9, 0.9]);
    let (_, others) = people(2400, [0.9, 0.9]);
    let others: Vec<_> =
        others.outcomes[4400..].iter().map(|outcome| outcome.embedding().unwrap().clone()).collect();
    let source = CohortSource::People(others.clone());
    let search = find_transformation(&labelled, &measured, Some(&source));
    assert_eq!(search.tried.len(), 4);
    if search.taken.as_ref().is_some_and(|taken| taken.cohort().is_some()) {
        assert_eq!(search.cohort, others);
    }
}
