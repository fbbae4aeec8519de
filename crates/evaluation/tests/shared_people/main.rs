//! Simulated sites of real faces, whose photos are not part of the project. `make test-shared` runs these tests where the
//! photos lie in `../shared` beside the checkout.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed, and the panic names the line"
)]

mod live;
mod splits;
mod transformations;

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
};

use padan_domain::{Embedding, Side};
use padan_evaluation::{
    CrossPairs, Face, Labelled, LabelledPhoto, Measured, Outcome, PeopleSurvey, Population, measure,
};
use padan_inference::{Config, DeviceChoice, load_uncalibrated};
use rand::{SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use zeroize::Zeroizing;

const SEEDS: u64 = 20;

/// Faces of people of different sex and origin, one photo each. Some people are there twice, which a list names.
struct Faces {
    embeddings: Vec<Embedding>,
    /// Pairs of one person by the list.
    listed: BTreeSet<(u32, u32)>,
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn config() -> Config {
    #[derive(serde::Deserialize)]
    struct Shipped {
        inference: Config,
    }
    let shipped = fs::read_to_string(project().join("config/default.toml")).unwrap();
    let mut config = toml::from_str::<Shipped>(&shipped).unwrap().inference;
    config.device = DeviceChoice::Cpu;
    config.model_folder = Some(project().join(".deps/models"));
    config.runtime_library = Some(project().join(".deps/onnxruntime/libonnxruntime.so"));
    config
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn photo(file: PathBuf, name: String, identity: usize) -> LabelledPhoto {
    LabelledPhoto { file, name: name.into(), source: 0, identity, group: None }
}

fn measured(photos: &[LabelledPhoto]) -> Measured {
    let loaded = load_uncalibrated(&config());
    let pipelines = loaded.unwrap_or_else(|error| panic!("{error}\nThis test needs `make deps`.")).pipelines;
    measure(photos, pipelines, &|_| ()).unwrap()
}

/// Writes embeddings, and how many of their pairs reach each threshold, for `tools/oracle/people_curve.py`, which counts by
/// itself.
fn write_curve(embeddings: &[Embedding]) {
    let photos = (0..embeddings.len()).map(|at| photo(PathBuf::new(), at.to_string(), at)).collect();
    let mut labelled = Labelled::default();
    (labelled.photos, labelled.sources) = (photos, vec!["faces".to_owned()]);
    let face = |embedding| Some(Face { embedding, side: Side::PLAIN });
    let cross = CrossPairs::compute(&labelled, &embeddings.iter().map(face).collect::<Vec<_>>(), |_| true);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let bytes = embeddings.iter().flat_map(|it| it.as_slice()).flat_map(|value| value.to_le_bytes());
    fs::write(folder.join("people.f32"), bytes.collect::<Vec<u8>>()).unwrap();
    let counts = (0..=60).map(|step| f64::from(step) / 100.0);
    let lines = counts.map(|threshold| format!("{threshold} {}\n", cross.reaching(threshold)));
    fs::write(folder.join("people.curve"), lines.collect::<String>()).unwrap();
}

impl Faces {
    fn read() -> Self {
        let folder = project().join("../shared/faces/utk");
        let mut photos = Vec::new();
        for group in names_in(&folder).into_iter().filter(|name| folder.join(name).is_dir()) {
            for file in names_in(&folder.join(&group)) {
                let name = format!("{group}/{file}");
                photos.push(photo(folder.join(&name), name, photos.len()));
            }
        }
        let measured = measured(&photos);
        let (mut embeddings, mut numbers) = (Vec::new(), HashMap::new());
        for (photo, outcome) in photos.iter().zip(measured.outcomes) {
            if let Outcome::Face(face) = outcome {
                numbers.insert(photo.name.to_string(), embeddings.len() as u32);
                embeddings.push(face.embedding);
            }
        }
        let list = fs::read_to_string(folder.join("duplicates.csv")).unwrap();
        let listed = list.lines().skip(1).filter_map(|line| {
            let mut files = line.split(',').filter_map(|name| numbers.get(name).copied());
            let (a, b) = (files.next()?, files.next()?);
            Some((a.min(b), a.max(b)))
        });
        Self { listed: listed.collect(), embeddings }
    }

    /// Some of the people.
    fn population(&self, people: &[u32]) -> Population {
        let components = people.iter().flat_map(|at| self.embeddings[*at as usize].as_slice()).copied();
        let length = self.embeddings[0].as_slice().len();
        Population::new(Zeroizing::new(components.collect()), length, Vec::new()).unwrap()
    }

    /// The share of the pairs of two different people that reach a cosine, by the labels.
    fn true_rate(&self, cosine: f64) -> f64 {
        let (mut pairs, mut matches) = (0_u64, 0_u64);
        for (a, one) in self.embeddings.iter().enumerate() {
            for (b, other) in self.embeddings.iter().enumerate().skip(a + 1) {
                if !self.listed.contains(&(a as u32, b as u32)) {
                    pairs += 1;
                    matches += u64::from(one.similarity(other).unwrap().cosine() >= cosine);
                }
            }
        }
        matches as f64 / pairs as f64
    }
}

/// Half of the people are drawn each time. The rate among all of them is known by the labels.
#[test]
fn the_rate_by_labels_lies_within_the_interval_of_templates_alone() {
    let faces = Faces::read();
    let everybody: Vec<_> = (0..faces.embeddings.len() as u32).collect();
    assert!(everybody.len() > 1500, "only {} faces", everybody.len());
    write_curve(&faces.embeddings);
    let found = PeopleSurvey::of(faces.population(&everybody));
    let pairs: BTreeSet<_> =
        found.same_person().pairs.iter().map(|pair| (pair.a.min(pair.b), pair.a.max(pair.b))).collect();
    let known = pairs.intersection(&faces.listed).count();
    println!("{} pairs told apart, {known} of the {} that are listed", pairs.len(), faces.listed.len());
    assert!(known * 10 >= pairs.len() * 9, "most pairs that were told apart are known to be of one person");
    assert!(known * 2 >= faces.listed.len(), "at least half of the known pairs are told apart");
    let cosines = [0.30, 0.36, 0.40];
    let truths = cosines.map(|cosine| faces.true_rate(cosine));
    let mut within = [0; 3];
    for seed in 0..SEEDS {
        let mut people = everybody.clone();
        people.shuffle(&mut StdRng::seed_from_u64(seed));
        people.truncate(everybody.len() / 2);
        let survey = PeopleSurvey::of(faces.population(&people));
        for (at, cosine) in cosines.into_iter().enumerate() {
            let rate = survey.fmr(cosine);
            within[at] += usize::from(rate.low <= truths[at] && truths[at] <= rate.high);
        }
    }
    println!("rates {truths:?}, within the interval in {within:?} of {SEEDS}");
    assert!(within.iter().all(|within| *within >= 19), "{within:?}");
}
