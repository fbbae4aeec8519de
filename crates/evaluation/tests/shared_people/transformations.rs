//! What a centre and scores with a cohort change, on people whose faces made neither. Everything that `NumPy` needs to compute
//! the same figures is written for `tools/oracle/transformations.py`.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fmt::Write as _,
    fs,
    path::Path,
    sync::Arc,
};

use chrono::NaiveDate;
use padan_domain::{
    Anchor, Calibration, Centre, Cohort, CohortScore, CohortScoreKind, Embedding, ScoreTransformation,
};
use padan_evaluation::{
    Evaluated, EvaluatedModel, Exclusions, Labelled, LabelledPhoto, Made, Measured, Outcome, evaluate,
};
use padan_inference::Rate;

use super::{measured, names_in, photo, project, splits::compare_in_splits};

/// The cosine that 1 in 1,000,000 impostor pairs reach, by the built-in scale.
const SAME_PERSON: f64 = 0.509;

/// Photos with their faces.
pub(super) struct Collection {
    pub(super) labelled: Labelled,
    pub(super) measured: Measured,
}

impl Collection {
    /// A list of pairs of LFW.
    fn of_pairs(list: &str) -> Self {
        let folder = project().join("../shared/faces/lfw-dev");
        let labelled = Labelled::from_pairs(&folder.join(list), &folder, Exclusions::default()).unwrap();
        let measured = measured(&labelled.photos);
        Self { labelled, measured }
    }

    /// Every second person of `UTKFace`, by group. Of two photos that are of one person, by the collection's list, one is left
    /// out.
    fn of_utk(parity: usize) -> Self {
        let folder = project().join("../shared/faces/utk");
        let list = fs::read_to_string(folder.join("duplicates.csv")).unwrap();
        let left_out: HashSet<_> = list.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
        let groups: Vec<_> =
            names_in(&folder).into_iter().filter(|name| folder.join(name).is_dir()).collect();
        let mut photos = Vec::new();
        for (number, group) in groups.iter().enumerate() {
            let names = names_in(&folder.join(group)).into_iter().map(|file| format!("{group}/{file}"));
            let names = names.filter(|name| !left_out.contains(name.as_str()));
            for name in names.skip(parity).step_by(2) {
                let (file, identity) = (folder.join(&name), photos.len());
                photos.push(LabelledPhoto {
                    file,
                    name: name.into(),
                    source: 0,
                    identity,
                    group: Some(number),
                });
            }
        }
        let (sources, identities_from) = (vec!["UTKFace".to_owned()], Some("folders"));
        let measured = measured(&photos);
        let mut labelled = Labelled::default();
        (labelled.photos, labelled.sources) = (photos, sources);
        (labelled.groups, labelled.identities_from) = (groups, identities_from);
        Self { labelled, measured }
    }

    /// The London set: people with two photos of one sitting.
    fn of_london() -> Self {
        let folder = project().join("../shared/faces/london");
        let mut photos = Vec::new();
        let mut numbers = HashMap::new();
        for kind in ["neutral", "smiling"] {
            for name in names_in(&folder.join(kind)).into_iter().filter(|name| name.ends_with(".jpg")) {
                let person = name.split('_').next().unwrap().to_owned();
                let people = numbers.len();
                let identity = *numbers.entry(person).or_insert(people);
                photos.push(photo(folder.join(kind).join(&name), format!("{kind}/{name}"), identity));
            }
        }
        let measured = measured(&photos);
        let mut labelled = Labelled::default();
        (labelled.photos, labelled.sources) = (photos, vec!["London".to_owned()]);
        Self { labelled, measured }
    }

    /// One face of each person.
    fn people(&self) -> Vec<Embedding> {
        let mut seen = BTreeSet::new();
        let photos = self.labelled.photos.iter().zip(&self.measured.outcomes);
        let one = photos.filter_map(|(photo, outcome)| {
            outcome.embedding().filter(|_| seen.insert(photo.identity)).cloned()
        });
        one.collect()
    }

    /// The figures under a transformation, with a pass mark.
    fn evaluated(&self, transformation: &ScoreTransformation, pass_mark: f64) -> Evaluated {
        let anchor = |cosine, percentage| Anchor { cosine, percentage };
        let anchors = vec![anchor(-1.0, 0.0), anchor(pass_mark, 75.0), anchor(1.0, 100.0)];
        let scale = Calibration::new(anchors).unwrap().with(transformation.clone());
        let text = String::new;
        let model = EvaluatedModel {
            set: text(),
            contract: text(),
            embedder_sha256: text(),
            calibration: text(),
            device: text(),
            precision: text(),
        };
        let made = Made { on: NaiveDate::default(), by: text() };
        evaluate(&self.labelled, &self.measured, model, made, &scale, false)
    }

    /// The faces, as `NumPy` reads them: part, person and group of each, and the components.
    fn write(&self, part: &str, labels: &mut String, components: &mut Vec<u8>) {
        for (photo, outcome) in self.labelled.photos.iter().zip(&self.measured.outcomes) {
            let group = photo.group.map_or("-", |group| &self.labelled.groups[group]);
            let has_face = outcome.embedding().is_some();
            writeln!(labels, "{part} {} {} {}", photo.identity, group.replace(' ', "_"), u8::from(has_face))
                .unwrap();
            if let Some(face) = outcome.embedding() {
                components.extend(face.as_slice().iter().flat_map(|value| value.to_le_bytes()));
            }
        }
    }
}

pub(super) fn centre(people: &[Embedding]) -> ScoreTransformation {
    let mut sum = vec![0.0; people[0].as_slice().len()];
    for face in people {
        sum.iter_mut().zip(face.as_slice()).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let mean = sum.into_iter().map(|sum| sum / people.len() as f64).collect();
    ScoreTransformation::Centre(Centre::new(mean).unwrap())
}

pub(super) fn score(people: &[Embedding], kind: CohortScoreKind, top: usize) -> ScoreTransformation {
    let cohort = Arc::new(Cohort::new(&people[..people.len().min(Cohort::MAX_PEOPLE)]).unwrap());
    ScoreTransformation::Cohort(CohortScore::fitted(cohort, kind, top, SAME_PERSON))
}

fn show(Rate { value, low, high }: Rate, unit: f64) -> String {
    format!("{:.2} ({:.2} to {:.2})", value * unit, low * unit, high * unit)
}

#[test]
fn what_transformations_change_on_other_people() {
    let (test, train) = (Collection::of_pairs("pairsDevTest.csv"), Collection::of_pairs("pairsDevTrain.csv"));
    let (made_of, told_of) = (Collection::of_utk(0), Collection::of_utk(1));
    let (lfw, utk) = (train.people(), made_of.people());
    let mixed: Vec<_> = lfw.iter().take(1000).chain(&utk).cloned().collect();
    let (top, symmetric) = (CohortScoreKind::TopMean, CohortScoreKind::Symmetric);
    let tried = [
        ("plain", ScoreTransformation::None),
        ("centre train", centre(&lfw)),
        ("centre utk", centre(&utk)),
        ("centre mixed", centre(&mixed)),
        ("top-mean 50 train", score(&lfw, top, 50)),
        ("top-mean 50 utk", score(&utk, top, 50)),
        ("top-mean 50 mixed", score(&mixed, top, 50)),
        ("symmetric 100 train", score(&lfw, symmetric, 100)),
        ("symmetric 200 utk", score(&utk, symmetric, 200)),
        ("symmetric 100 mixed", score(&mixed, symmetric, 100)),
        ("symmetric 200 mixed", score(&mixed, symmetric, 200)),
    ];
    let mut figures = String::new();
    for (name, transformation) in &tried {
        let found = test.evaluated(transformation, 0.5);
        let points = &found.evaluation.figures.fnmr_at_fmr;
        let missed: Vec<_> = points.iter().map(|point| show(point.all_genuine, 100.0)).collect();
        for point in points {
            writeln!(figures, "{name},fnmr,{:e},{}", point.fmr, point.all_genuine.value).unwrap();
        }
        let mark = points.iter().find(|point| point.fmr == 1e-4).unwrap().cosine;
        let groups = told_of.evaluated(transformation, mark).evaluation.groups;
        let matches: Vec<_> = (groups.iter())
            .map(|group| format!("{} {}", group.name, show(group.fmr_at_pass_mark, 1e4)))
            .collect();
        for group in &groups {
            let group_name = group.name.replace(' ', "_");
            writeln!(figures, "{name},fmr,{group_name},{}", group.fmr_at_pass_mark.value).unwrap();
        }
        println!("| {name} | {} | {} |", missed.join(" | "), matches.join(" | "));
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (mut labels, mut components) = (String::new(), Vec::new());
    for (part, collection) in
        [("test", &test), ("train", &train), ("made_of", &made_of), ("told_of", &told_of)]
    {
        collection.write(part, &mut labels, &mut components);
    }
    let london = Collection::of_london();
    let london_row = labels.lines().count();
    london.write("london", &mut labels, &mut components);
    let utk: Vec<_> = utk.into_iter().chain(told_of.people()).collect();
    compare_in_splits([&test, &train], &utk, (&london, london_row), folder);
    fs::write(folder.join("transformations.labels"), labels).unwrap();
    fs::write(folder.join("transformations.f32"), components).unwrap();
    fs::write(folder.join("transformations.csv"), figures).unwrap();
    let has_face = |outcome: &&Outcome| outcome.embedding().is_some();
    assert!(test.measured.outcomes.iter().filter(has_face).count() > 1500);
}
