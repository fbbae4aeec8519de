//! The parts of a verification outside the face pipeline, in memory: `cargo bench -p padan-benches --bench decision`.
#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up panics with a message")]

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use padan_domain::{
    Anchor, BirthDate, Calibration, Centre, Clock, Cohort, CohortScore, CohortScoreKind, Embedding,
    NameRules, NationalId, PersonName, ScoreTransformation,
};

fn names(criterion: &mut Criterion) {
    let recorded = PersonName::parse("Dr. Ni Putu Ayu Lestari").expect("a name");
    criterion.bench_function("name: parse and compare", |b| {
        b.iter(|| {
            let sent = PersonName::parse(black_box("NI PUTU AYU LESTARI, S.Kom."));
            sent.is_ok_and(|sent| sent.compare(&recorded, &NameRules::DEFAULT).is_some())
        });
    });
}

fn parsing(criterion: &mut Criterion) {
    criterion
        .bench_function("nik: parse", |b| b.iter(|| black_box("3174011403870000").parse::<NationalId>()));
    criterion.bench_function("date of birth: parse", |b| {
        b.iter(|| BirthDate::parse(black_box("14-03-1987"), &Clock::System));
    });
}

fn similarity(criterion: &mut Criterion) {
    let values = |phase: f32| (0..128).map(|i| (i as f32 * 0.7 + phase).sin()).collect::<Vec<_>>();
    let probe = Embedding::from_output(&values(0.0)).expect("a direction");
    let reference = Embedding::from_output(&values(0.4)).expect("a direction");
    let anchors = [(0.05, 0.0), (0.3, 50.0), (0.44, 75.0), (0.52, 90.0), (0.87, 100.0)];
    let anchors = anchors.map(|(cosine, percentage)| Anchor { cosine, percentage }).to_vec();
    let calibration = Calibration::new(anchors).expect("increasing anchors");
    criterion.bench_function("similarity and percentage", |b| {
        b.iter(|| calibration.similarity(&reference, black_box(&probe)).map(|s| calibration.percentage(s)));
    });
    let centre = values(0.9).iter().map(|value| f64::from(*value) / 30.0).collect();
    let centre = Centre::new(centre).expect("the mean of different faces");
    let centred = calibration.clone().with(ScoreTransformation::Centre(centre));
    criterion.bench_function("similarity and percentage without a centre", |b| {
        b.iter(|| centred.similarity(&reference, black_box(&probe)).map(|s| centred.percentage(s)));
    });
}

/// Both sides of a score, and one of them, as for each further face that is compared with the same one.
fn cohorts(criterion: &mut Criterion) {
    let values = |phase: f32| (0..128).map(|i| (i as f32 * 0.7 + phase).sin()).collect::<Vec<_>>();
    let face = |phase: f32| Embedding::from_output(&values(phase)).expect("a direction");
    let (probe, reference) = (face(0.0), face(0.4));
    for people in [250_u16, 1000, 2000] {
        let faces: Vec<_> = (0..people).map(|at| face(f32::from(at) * 0.37)).collect();
        let cohort = Arc::new(Cohort::new(&faces).expect("a cohort"));
        let score = CohortScore::fitted(cohort, CohortScoreKind::Symmetric, 200, 0.9);
        criterion.bench_function(&format!("similarity beside a cohort of {people}"), |b| {
            b.iter(|| score.similarity(&reference, black_box(&probe)));
        });
        criterion.bench_function(&format!("one side beside a cohort of {people}"), |b| {
            b.iter(|| score.side(black_box(&probe).as_slice()));
        });
    }
}

criterion_group!(benches, names, parsing, similarity, cohorts);
criterion_main!(benches);
