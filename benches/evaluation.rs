//! Time and memory to evaluate 100,000 photos with generated embeddings: `cargo bench -p padan-benches --bench
//! evaluation`. The benchmark `pipeline` measures the cost of a photo in the face pipeline.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and panics when it cannot be set up"
)]

use std::{
    fmt::Write as _,
    fs,
    time::{Duration, Instant},
};

use chrono::NaiveDate;
use padan_domain::{Anchor, Calibration, Embedding, Side};
use padan_evaluation::{EvaluatedModel, Exclusions, FaceFound, Labelled, Made, Measured, Outcome, evaluate};
use padan_inference::{Quality, Timings};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

const PERSONS: usize = 20_000;
const PHOTOS_PER_PERSON: usize = 5;
const LENGTH: usize = 128;
/// The limit of the process's peak memory.
const MAX_MEGABYTES: u64 = 1024;

fn main() {
    let folder = tempfile::tempdir().expect("a folder for the list");
    let list = folder.path().join("identity.csv");
    let mut text = "path,identity\n".to_owned();
    for (person, photo) in
        (0..PERSONS).flat_map(|person| (0..PHOTOS_PER_PERSON).map(move |photo| (person, photo)))
    {
        writeln!(text, "{person}/{person}_{photo}.jpg,{person}").expect("text grows");
    }
    fs::write(&list, text).expect("a list");
    let labelled = Labelled::from_identities(&[list], 20_000, Exclusions::default()).expect("labels");
    let measured = Measured { outcomes: outcomes(), wall: Duration::from_secs(1), mean: Timings::default() };
    let anchors = [(0.05, 0.0), (0.3, 50.0), (0.44, 75.0), (0.52, 90.0), (0.87, 100.0)];
    let anchors = anchors.map(|(cosine, percentage)| Anchor { cosine, percentage }).to_vec();
    let calibration = Calibration::new(anchors).expect("increasing anchors");
    let named = |name: &str| name.to_owned();
    let model = EvaluatedModel {
        set: named("made up"),
        contract: named(""),
        embedder_sha256: named(""),
        calibration: named(""),
        device: named("none"),
        precision: named("none"),
    };
    let made = Made { on: NaiveDate::default(), by: named("") };
    let began = Instant::now();
    let evaluated = evaluate(&labelled, &measured, model, made, &calibration, false);
    let elapsed = began.elapsed();
    let counts = &evaluated.evaluation.counts;
    let peak = peak_megabytes();
    println!(
        "{} photos, {} pairs of one person, {:?} pairs of two: {:.1} s, peak memory {peak} MB",
        counts.photos,
        counts.all_genuine,
        counts.all_impostor,
        elapsed.as_secs_f64()
    );
    assert!(peak <= MAX_MEGABYTES, "an evaluation of 100,000 photos takes {peak} MB");
}

/// Random embeddings of persons, and of photos that are similar to their person's.
fn outcomes() -> Vec<Outcome> {
    let mut random = StdRng::seed_from_u64(1);
    let mut vector = move || (0..LENGTH).map(|_| random.random_range(-1.0..1.0)).collect::<Vec<f32>>();
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
    let persons: Vec<_> = (0..PERSONS).map(|_| vector()).collect();
    let photos = persons.iter().flat_map(|own| std::iter::repeat_n(own, PHOTOS_PER_PERSON));
    let faces = photos.map(|own| {
        let values: Vec<_> = own.iter().zip(vector()).map(|(own, noise)| own + 0.5 * noise).collect();
        let embedding = Embedding::from_output(&values).expect("a direction");
        Outcome::Face(Box::new(FaceFound { embedding, side: Side::PLAIN, quality, broken_rule: None }))
    });
    faces.collect()
}

/// The peak memory of this process.
fn peak_megabytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line with VmHWM");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes / 1024
}
