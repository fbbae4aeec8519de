//! Time and memory of an evaluation's figures for 100,000 photos, whose embeddings are made up:
//! `cargo bench -p padan-benches --bench evaluation`. What a photo costs in the face pipeline is in `pipeline`.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints, and ends at once when it cannot run"
)]

use std::{
    fmt::Write as _,
    fs,
    time::{Duration, Instant},
};

use padan_domain::{Anchor, Calibration, Embedding};
use padan_evaluation::{EvaluatedModel, Exclusions, FaceFound, Labelled, Measured, Outcome, evaluate};
use padan_inference::{Quality, Timings};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

const PERSONS: usize = 20_000;
const PHOTOS_OF_EACH: usize = 5;
const LENGTH: usize = 128;
/// Megabytes that the whole process may have taken at its worst.
const MOST_MEGABYTES: u64 = 1024;

fn main() {
    let folder = tempfile::tempdir().expect("a folder for the list");
    let list = folder.path().join("identity.csv");
    let mut text = "path,identity\n".to_owned();
    for (person, photo) in
        (0..PERSONS).flat_map(|person| (0..PHOTOS_OF_EACH).map(move |photo| (person, photo)))
    {
        writeln!(text, "{person}/{person}_{photo}.jpg,{person}").expect("text grows");
    }
    fs::write(&list, text).expect("a list");
    let labelled = Labelled::from_identities(&[list], 20_000, Exclusions::default()).expect("labels");
    let measured = Measured { outcomes: outcomes(), wall: Duration::from_secs(1), mean: Timings::default() };
    let anchors = [(0.05, 0.0), (0.3, 50.0), (0.44, 75.0), (0.52, 90.0), (0.87, 100.0)];
    let anchors = anchors.map(|(cosine, percentage)| Anchor { cosine, percentage }).to_vec();
    let calibration = Calibration::new(anchors).expect("increasing anchors");
    let named = |what: &str| what.to_owned();
    let model = EvaluatedModel {
        set: named("made up"),
        contract: named(""),
        embedder_sha256: named(""),
        calibration: named(""),
        device: named("none"),
        precision: named("none"),
    };
    let began = Instant::now();
    let evaluated = evaluate(&labelled, &measured, model, &calibration, false);
    let took = began.elapsed();
    let counts = &evaluated.evaluation.counts;
    let worst = most_megabytes();
    println!(
        "{} photos, {} pairs of one person, {:?} of two: {:.1} s, {worst} MB at most",
        counts.photos,
        counts.all_genuine,
        counts.all_impostor,
        took.as_secs_f64()
    );
    assert!(worst <= MOST_MEGABYTES, "an evaluation of 100,000 photos takes {worst} MB");
}

/// Persons far from each other, and each one's photos around them.
fn outcomes() -> Vec<Outcome> {
    let mut random = StdRng::seed_from_u64(1);
    let mut vector = move || (0..LENGTH).map(|_| random.random_range(-1.0..1.0)).collect::<Vec<f32>>();
    let quality = Quality {
        eye_distance: 60.0,
        sharpness: 0.02,
        brightness: 120.0,
        overexposed: 0.0,
        yaw: 0.0,
        pitch: 0.57,
        roll: 0.0,
    };
    let persons: Vec<_> = (0..PERSONS).map(|_| vector()).collect();
    let photos = persons.iter().flat_map(|own| std::iter::repeat_n(own, PHOTOS_OF_EACH));
    let faces = photos.map(|own| {
        let values: Vec<_> = own.iter().zip(vector()).map(|(own, noise)| own + 0.5 * noise).collect();
        let embedding = Embedding::from_output(&values).expect("a direction");
        Outcome::Face(Box::new(FaceFound { embedding, quality, broken_rule: None }))
    });
    faces.collect()
}

/// The most memory that this process ever held, as Linux counts it.
fn most_megabytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line VmHWM");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes / 1024
}
