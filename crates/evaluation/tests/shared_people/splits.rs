//! What a centre and scores with a cohort change in small splits of a collection: 250 persons at a time, with a cohort of 250
//! others of the collection. `tools/oracle/splits.py` computes the same figures from the faces and the members that are
//! written here.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use padan_domain::{CohortScoreKind, Embedding, ScoreTransformation, Side};
use padan_evaluation::{LabelledPhoto, Outcome};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

use super::{
    project,
    transformations::{Collection, centre, score},
};

const SPLITS: u64 = 6;
const PERSONS: usize = 250;
const RATES: [f64; 4] = [1e-2, 1e-3, 1e-4, 1e-5];
const RESAMPLES: u64 = 1000;
/// What is compared: a centre of the split's cohort, of the persons of LFW who have one photo, or of `UTKFace`; and scores
/// with the split's cohort.
const SCORES: [&str; 6] =
    ["plain", "centre own", "centre alone", "centre utk", "top-mean 50 own", "symmetric 100 own"];
/// The score of a pair of which a photo has no face.
const FAILED: f64 = -1.0;

/// A photo, by its row in the file of all faces.
#[derive(Clone, Copy)]
struct Photo<'a> {
    row: usize,
    person: usize,
    face: Option<&'a Embedding>,
}

/// The photos of the persons of a split, and one face of each of others.
struct Split<'a> {
    tested: Vec<Photo<'a>>,
    cohort: Vec<Photo<'a>>,
}

/// All pairs of a split by a score.
struct Scored {
    genuine: Vec<(f64, usize)>,
    /// The highest, highest first.
    impostors: Vec<(f64, [usize; 2])>,
    /// Photos with a face of each person.
    faces: BTreeMap<usize, f64>,
}

/// A rate of each split, and their mean with its interval.
struct Figures {
    of_splits: Vec<f64>,
    mean: f64,
    resampled: Vec<f64>,
}

impl Scored {
    fn of(split: &Split, transformation: &ScoreTransformation) -> Self {
        let side = |face: &Embedding| match transformation {
            ScoreTransformation::None => (face.clone(), Side::PLAIN),
            ScoreTransformation::Centre(centre) => (centre.remove_from(face).unwrap(), Side::PLAIN),
            ScoreTransformation::Cohort(score) => (face.clone(), score.side(face.as_slice()).unwrap()),
        };
        let sides: Vec<_> = split.tested.iter().map(|photo| photo.face.map(side)).collect();
        let (mut genuine, mut impostors, mut faces) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (at, one) in split.tested.iter().enumerate() {
            *faces.entry(one.person).or_insert(0.0) += f64::from(u8::from(one.face.is_some()));
            for (other_at, other) in split.tested.iter().enumerate().skip(at + 1) {
                let found = sides[at].as_ref().zip(sides[other_at].as_ref());
                let found =
                    found.map(|((a, of_a), (b, of_b))| of_a.score(*of_b, a.similarity(b).unwrap().cosine()));
                match found {
                    _ if one.person == other.person => genuine.push((found.unwrap_or(FAILED), one.person)),
                    Some(score) => impostors.push((score, [one.person, other.person])),
                    None => {}
                }
            }
        }
        impostors.sort_by(|a, b| b.0.total_cmp(&a.0));
        // A resample may need more than 1 in 100.
        impostors.truncate(impostors.len() / 20);
        Self { genuine, impostors, faces }
    }

    fn impostor_weight(&self, weight: impl Fn(usize) -> f64) -> f64 {
        let counts = self.faces.iter().map(|(person, count)| weight(*person) * count);
        let (all, own) = counts.fold((0.0, 0.0), |(all, own), count| (all + count, own + count * count));
        (all * all - own) / 2.0
    }

    /// The share of genuine pairs below the score that a share of the impostor pairs reach: in the middle of two scores.
    fn missed(&self, fmr: f64) -> f64 {
        let allowed = (fmr * self.impostor_weight(|_| 1.0) + 1e-9) as usize;
        let threshold = f64::midpoint(self.impostors[allowed - 1].0, self.impostors[allowed].0);
        let missed = self.genuine.iter().filter(|(score, _)| *score < threshold).count();
        missed as f64 / self.genuine.len() as f64
    }

    /// The same of a resample.
    fn resampled(&self, fmr: f64, weights: &[f64]) -> f64 {
        let allowed = fmr * self.impostor_weight(|person| weights[person]);
        let mut reached = 0.0;
        let first_below = self.impostors.iter().find(|(_, [a, b])| {
            reached += weights[*a] * weights[*b];
            reached > allowed
        });
        let threshold = first_below.expect("the highest impostors are enough").0;
        let (missed, all) = self.genuine.iter().fold((0.0, 0.0), |(missed, all), (score, person)| {
            let weight = weights[*person];
            (missed + if *score < threshold { weight } else { 0.0 }, all + weight)
        });
        if all > 0.0 { missed / all } else { 0.0 }
    }
}

impl Figures {
    /// Each resample draws persons once for all splits, since these share persons.
    fn of(splits: &[Scored], fmr: f64, persons: usize) -> Self {
        let of_splits: Vec<_> = splits.iter().map(|scored| scored.missed(fmr)).collect();
        let resampled = |seed| {
            let mut random = StdRng::seed_from_u64(seed);
            let mut weights = vec![0.0; persons];
            for _ in 0..persons {
                weights[random.random_range(0..persons)] += 1.0;
            }
            mean(&splits.iter().map(|scored| scored.resampled(fmr, &weights)).collect::<Vec<_>>())
        };
        Self { mean: mean(&of_splits), of_splits, resampled: (0..RESAMPLES).map(resampled).collect() }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The middle 95 %.
fn interval(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_by(f64::total_cmp);
    [0.025, 0.975].map(|share| values[(share * (values.len() - 1) as f64).round() as usize])
}

/// The names in a column of a list of known errors.
fn listed(list: &str, column: usize) -> HashSet<String> {
    let text = fs::read_to_string(project().join("tools/evaluation").join(list)).unwrap();
    text.lines().skip(1).filter_map(|line| line.split(',').nth(column)).map(str::to_owned).collect()
}

/// The photos of a collection whose labels are not known to be wrong. `row` and `person` are those of its first.
fn photos<'a>(collection: &'a Collection, row: usize, person: usize) -> Vec<Photo<'a>> {
    let (wrong, aliases) = (listed("lfw_errata.csv", 0), listed("lfw_aliases.csv", 1));
    let rows = collection.labelled.photos.iter().zip(&collection.measured.outcomes).enumerate();
    let known = rows.filter(|(_, (photo, _))| {
        let file = Path::new(&*photo.name);
        let [photo, person] = [file.file_stem(), file.parent().and_then(Path::file_name)]
            .map(|name| name.unwrap().to_str().unwrap());
        !wrong.contains(photo) && !aliases.contains(person)
    });
    let photo = |(at, (photo, outcome)): (usize, (&LabelledPhoto, &'a Outcome))| Photo {
        row: row + at,
        person: person + photo.identity,
        face: outcome.embedding(),
    };
    known.map(photo).collect()
}

/// One photo with a face of each person.
fn one_of_each<'a>(photos: impl Iterator<Item = Photo<'a>>) -> Vec<Photo<'a>> {
    let mut seen = HashSet::new();
    photos.filter(|photo| photo.face.is_some() && seen.insert(photo.person)).collect()
}

fn faces(photos: &[Photo]) -> Vec<Embedding> {
    photos.iter().filter_map(|photo| photo.face.cloned()).collect()
}

/// Writes and prints the figures of splits of LFW, of which `test` and `train` are the first photos in the file of all faces,
/// and of the whole London set.
pub(super) fn compare_in_splits(
    [test, train]: [&Collection; 2],
    utk: &[Embedding],
    (london, london_row): (&Collection, usize),
    folder: &Path,
) {
    let people_of_test = 1 + test.labelled.photos.iter().map(|photo| photo.identity).max().unwrap();
    let mut lfw = photos(test, 0, 0);
    lfw.extend(photos(train, test.labelled.photos.len(), people_of_test));
    let persons = 1 + lfw.iter().map(|photo| photo.person).max().unwrap();
    let mut counts = vec![0; persons];
    lfw.iter().for_each(|photo| counts[photo.person] += 1);
    let several: Vec<_> = (0..persons).filter(|person| counts[*person] >= 2).collect();
    let alone = one_of_each(lfw.iter().filter(|photo| counts[photo.person] == 1).copied());
    assert!(several.len() > 1000 && alone.len() > 1500, "{} {}", several.len(), alone.len());

    let mut members = format!("alone {}\n", rows(&alone));
    let mut splits = Vec::new();
    for seed in 0..SPLITS {
        let mut drawn = several.clone();
        drawn.shuffle(&mut StdRng::seed_from_u64(seed));
        let of = |people: &[usize]| {
            let people: HashSet<_> = people.iter().collect();
            lfw.iter().filter(|photo| people.contains(&photo.person)).copied().collect::<Vec<_>>()
        };
        let tested = of(&drawn[..PERSONS]);
        let cohort = one_of_each(of(&drawn[PERSONS..2 * PERSONS]).into_iter());
        writeln!(members, "tested {}\ncohort {}", rows(&tested), rows(&cohort)).unwrap();
        splits.push(Split { tested, cohort });
    }
    let alone = faces(&alone);
    let make = |name: &str, own: &[Embedding]| match name {
        "plain" => ScoreTransformation::None,
        "centre own" => centre(own),
        "centre alone" => centre(&alone),
        "centre utk" => centre(utk),
        "top-mean 50 own" => score(own, CohortScoreKind::TopMean, 50),
        "symmetric 100 own" => score(own, CohortScoreKind::Symmetric, 100),
        other => panic!("{other}"),
    };
    let mut lines = String::new();
    let mut plain: Vec<Figures> = Vec::new();
    for name in SCORES {
        let scored: Vec<_> =
            splits.iter().map(|split| Scored::of(split, &make(name, &faces(&split.cohort)))).collect();
        let figures = RATES.map(|fmr| Figures::of(&scored, fmr, persons));
        let mut shown = Vec::new();
        for (fmr, found) in RATES.iter().zip(&figures) {
            let [low, high] = interval(found.resampled.clone());
            let of_splits: Vec<_> = found.of_splits.iter().map(ToString::to_string).collect();
            writeln!(lines, "{name},{fmr:e},{},{low},{high},{}", found.mean, of_splits.join(",")).unwrap();
            shown.push(format!("{:.2} ({:.2} to {:.2})", found.mean * 100.0, low * 100.0, high * 100.0));
        }
        let Some(before) = plain.get(2) else {
            println!("| {name} | {} | | |", shown.join(" | "));
            plain = figures.into();
            continue;
        };
        let after = &figures[2];
        let change = after.resampled.iter().zip(&before.resampled).map(|(after, before)| after - before);
        let [low, high] = interval(change.collect());
        let better = after.of_splits.iter().zip(&before.of_splits).filter(|(after, before)| after < before);
        writeln!(lines, "{name},change,{low},{high}").unwrap();
        let (shown, better) = (shown.join(" | "), better.count());
        println!("| {name} | {shown} | {:.2} to {:.2} | {better} |", low * 100.0, high * 100.0);
    }

    // Photos of one sitting, among people without a cohort of their own: none is missed.
    let london = Split { tested: photos(london, london_row, 0), cohort: Vec::new() };
    for (name, transformation) in
        [("plain", ScoreTransformation::None), ("centre alone", make("centre alone", &[]))]
    {
        let scored = Scored::of(&london, &transformation);
        for fmr in &RATES[..3] {
            writeln!(lines, "london {name},{fmr:e},{}", scored.missed(*fmr)).unwrap();
        }
        let lowest = scored.genuine.iter().map(|(score, _)| *score).fold(1.0, f64::min);
        println!("London, {name}: the lowest of {} genuine scores is {lowest:.3}", scored.genuine.len());
    }
    writeln!(members, "london {}", rows(&london.tested)).unwrap();
    fs::write(folder.join("splits.members"), members).unwrap();
    fs::write(folder.join("splits.csv"), lines).unwrap();
}

fn rows(photos: &[Photo]) -> String {
    photos.iter().map(|photo| photo.row.to_string()).collect::<Vec<_>>().join(" ")
}
