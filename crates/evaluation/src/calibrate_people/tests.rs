use std::collections::BTreeSet;

use padan_inference::{Catalogue, PassMark};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use zeroize::Zeroizing;

use super::*;
use crate::population::PeopleGroup;

/// The number of components that are uniform on a sphere; a further one comes first.
const DIMENSIONS: usize = 47;

/// The true false match rates of made-up people at some cosines, by `tools/oracle/people_rates.py` with `SciPy` 1.17.1.
const TRUE_RATES: [(f64, f64); 3] =
    [(0.40, 8.496_342_916e-3), (0.50, 7.423_030_165e-4), (0.57, 7.636_500_628e-5)];
/// The true rate among the people of the group "alike".
const TRUE_RATE_ALIKE: (f64, f64) = (0.60, 4.137_014_559e-4);

const SEEDS: u64 = 20;

/// A number of a standard normal distribution, by Box and Muller.
fn normal(random: &mut StdRng) -> f64 {
    let (radius, angle): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// A vector of unit length in the direction of these components.
fn unit(values: &[f64]) -> Vec<f64> {
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    values.iter().map(|value| value / length).collect()
}

/// A made-up person: what is common to all is the first component. Returns its size, by which people are alike.
fn person(random: &mut StdRng) -> (f64, Vec<f64>) {
    let common = match random.random::<f64>() {
        share if share < 0.5 => 0.1,
        share if share < 0.8 => 0.3,
        _ => 0.5,
    };
    let own = unit(&(0..DIMENSIONS).map(|_| normal(random)).collect::<Vec<_>>());
    let rest = f64::sqrt(1.0 - common * common);
    (common, [common].into_iter().chain(own.iter().map(|value| value * rest)).collect())
}

/// People drawn from the distribution, and then copies of the first ones: another photo of each, whose cosine to the
/// first is about 0.86.
fn draw(seed: u64, people: usize, copies: usize) -> Population {
    let mut random = StdRng::seed_from_u64(1000 + seed);
    let mut templates: Vec<_> = (0..people).map(|_| person(&mut random)).collect();
    for at in 0..copies {
        let (common, template) = templates[at].clone();
        let noise = 0.6 / f64::sqrt((DIMENSIONS + 1) as f64);
        let other: Vec<_> = template.iter().map(|value| value + noise * normal(&mut random)).collect();
        templates.push((common, unit(&other)));
    }
    let members = |wanted: fn(f64) -> bool| {
        let of_group = templates.iter().enumerate().filter(|(_, (common, _))| wanted(*common));
        of_group.map(|(at, _)| at as u32).collect()
    };
    let groups = vec![
        PeopleGroup { name: "alike".to_owned(), members: members(|common| common > 0.4) },
        PeopleGroup { name: "others".to_owned(), members: members(|common| common < 0.4) },
    ];
    let components = templates.iter().flat_map(|(_, template)| template).map(|value| *value as f32);
    Population::new(Zeroizing::new(components.collect()), DIMENSIONS + 1, groups).unwrap()
}

/// How often the interval holds the true rate, and the widths of the intervals by what the measured rates really scatter.
struct Coverage {
    within: usize,
    relative_width: f64,
}

fn coverage(rates: &[Rate], truth: f64) -> Coverage {
    let within = rates.iter().filter(|rate| rate.low <= truth && truth <= rate.high).count();
    let count = rates.len() as f64;
    let scatter = (rates.iter().map(|rate| (rate.value - truth).powi(2)).sum::<f64>() / count).sqrt();
    let width = rates.iter().map(|rate| rate.high - rate.low).sum::<f64>() / count;
    Coverage { within, relative_width: width / (2.0 * 1.96 * scatter) }
}

#[test]
fn the_true_rate_lies_within_the_interval_and_the_interval_is_not_too_wide() {
    let surveys: Vec<_> = (0..SEEDS).map(|seed| PeopleSurvey::of(draw(seed, 1200, 0))).collect();
    for (cosine, truth) in TRUE_RATES {
        let rates: Vec<_> = surveys.iter().map(|survey| survey.fmr(cosine)).collect();
        let Coverage { within, relative_width } = coverage(&rates, truth);
        assert!(within >= 19, "{within} of {SEEDS} at {cosine}");
        // Resampling of persons overstates what single pairs add, at most by the square root of 3.
        assert!((0.8..2.2).contains(&relative_width), "{relative_width} at {cosine}");
    }
    let (cosine, truth) = TRUE_RATE_ALIKE;
    let of_group = |survey: &PeopleSurvey| survey.groups().next().unwrap().rates(cosine, &[]).at_pass_mark;
    let rates: Vec<_> = surveys.iter().map(of_group).collect();
    assert!(coverage(&rates, truth).within >= 19, "{rates:?}");
    assert!(surveys.iter().all(|survey| survey.left_out() == 0), "strangers were told apart");
}

/// 24 people of 1200 have two NIKs. Their pairs alone are a rate of 3.3e-5, nearly half of the true one at 0.57.
#[test]
fn two_photos_of_one_person_are_found_and_left_out() {
    let (cosine, truth) = TRUE_RATES[2];
    let (mut rates, mut strangers) = (Vec::new(), 0);
    for seed in 0..SEEDS {
        let survey = PeopleSurvey::of(draw(seed, 1176, 24));
        let pairs = survey.same_person().pairs.iter();
        let found: BTreeSet<_> = pairs.map(|pair| (pair.a.min(pair.b), pair.a.max(pair.b))).collect();
        let planted: BTreeSet<_> = (0..24).map(|at| (at, 1176 + at)).collect();
        assert!(found.is_superset(&planted), "seed {seed}: {found:?}");
        strangers += found.len() - planted.len();
        assert_eq!(survey.left_out(), survey.same_person().surplus_people().len());
        rates.push(survey.fmr(cosine));
    }
    assert!(
        strangers <= SEEDS as usize,
        "by the rule at most one pair of strangers is expected, found {strangers}"
    );
    let Coverage { within, .. } = coverage(&rates, truth);
    assert!(within >= 19, "{within} of {SEEDS}: {rates:?}");
}

/// The same figures if nobody were told apart: the check above would fail.
#[test]
fn one_person_among_the_impostors_would_be_noticed() {
    let (cosine, truth) = TRUE_RATES[2];
    let rates: Vec<_> = (0..SEEDS)
        .map(|seed| {
            let population = draw(seed, 1176, 24);
            PeoplePairs::compare(&population, (0..1200).collect()).rates(&[cosine]).remove(0)
        })
        .collect();
    assert!(coverage(&rates, truth).within < 19, "{rates:?}");
}

/// Where many pairs match, a resample sums shares. Both ways agree where both are possible.
#[test]
fn both_ways_to_resample_agree() {
    let population = draw(3, 1200, 0);
    let pairs = PeoplePairs::compare(&population, (0..1200).collect());
    let [whole, by_shares] = [pairs.rates(&[0.3]).remove(0), pairs.rates_by_shares(0.3)];
    assert!((whole.value - by_shares.value).abs() < 1e-12);
    let width = |rate: Rate| rate.high - rate.low;
    assert!((width(whole) / width(by_shares) - 1.0).abs() < 0.1, "{whole:?} {by_shares:?}");
}

fn calibrate(population: Population) -> Result<CalibrationFile, CalibrationError> {
    let catalogue = Catalogue::load(&[]).unwrap();
    let set = catalogue.set("sface").unwrap();
    let in_use = catalogue.calibration(&set).unwrap();
    let draw = Draw { drawn: population.people(), without_template: 7, seed: 5 };
    let made_on = NaiveDate::from_ymd_opt(2026, 11, 29).unwrap();
    PeopleSurvey::of(population).calibrate(&set, &in_use, draw, made_on)
}

#[test]
fn the_calibration_follows_the_rules_and_says_where_it_comes_from() {
    let file = calibrate(draw(1, 1176, 24)).unwrap();
    let PassMark { cosine, pooled_at_1_in_10000, worst_group_at_1_in_1000 } = file.pass_mark;
    let alike = &file.groups[0];
    assert!(alike.decides && file.groups[1].decides, "{:?}", file.groups);
    assert_eq!(worst_group_at_1_in_1000, alike.cosine_at_1_in_1000);
    assert_eq!(cosine, pooled_at_1_in_10000.max(worst_group_at_1_in_1000.unwrap()));
    assert_eq!(file.impostor_pairs, 1176 * 1175 / 2);
    let people = file.people.as_ref().unwrap();
    assert_eq!((people.drawn, people.left_out, people.pairs_told_apart, people.seed), (1200, 24, 24, 5));
    assert!(people.break_cosine.unwrap() > 0.65 && people.expected_strangers <= 1.0, "{people:?}");
    assert_eq!(file.sources[0].failures_to_acquire, 7);
    let last = file.points.last().unwrap();
    let shipped = Catalogue::load(&[]).unwrap();
    let shipped = shipped.calibration(&shipped.set("sface").unwrap()).unwrap();
    assert_eq!(last.cosine, shipped.points.last().unwrap().cosine);
    let id = shipped.id();
    assert_eq!(
        last.anchor.as_deref(),
        Some(&*format!("the 99th percentile of genuine pairs, kept from calibration {id}"))
    );
    assert_eq!(people.anchor_of_100_from, id);
    assert!(file.points.iter().all(|point| point.fnmr.is_none()), "no genuine pair is known");
    let with_interval: Vec<_> =
        file.points.iter().filter(|p| p.fmr_interval.is_some()).map(|p| p.percentage).collect();
    assert_eq!(with_interval, [50.0, 75.0, 90.0]);
    let set = Catalogue::load(&[]).unwrap().set("sface").unwrap();
    assert_eq!(CalibrationFile::parse("here", &file.to_toml().unwrap(), &set).unwrap(), file);
}

#[test]
fn too_few_people_and_too_many_with_one_face_are_refused() {
    let error = calibrate(draw(1, 447, 0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "too little data: a pass mark at a false match rate of 1 in 10,000 requires 100000 pairs of two persons, found \
         99681"
    );
    let error = calibrate(draw(1, 1000, 150)).unwrap_err();
    assert!(matches!(error, CalibrationError::SamePeople { surplus: 145..=153, people: 1150 }), "{error}");
}
