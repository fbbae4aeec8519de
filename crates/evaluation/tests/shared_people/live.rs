//! The live measurement of a simulated site: selfies against portraits of other people, both of them real photos.

use std::collections::BTreeMap;

use padan_domain::{Embedding, SimilarityBins};
use padan_evaluation::{LivePairs, Outcome};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{measured, names_in, photo, project};

/// Enough to tell an interval that holds the true rate in 19 cases of 20 from one that does not: with 20 seeds, an interval
/// that is right would fail in one run of four.
const SEEDS: u64 = 200;
const REQUESTS: usize = 3000;
const SAMPLE: usize = 16;
const PARTS: usize = 32;
/// Cosines that about 1 in 100, 300 and 1,000 comparisons reach.
const COSINES: [f64; 3] = [0.30, 0.34, 0.37];

/// A person with a portrait and another photo of another day.
struct Person {
    portrait: Embedding,
    selfie: Embedding,
}

/// What is drawn to compare a selfie with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sampler {
    Uniform,
    /// Prefers people who resemble many.
    Biased,
    /// Draws the person of the selfie, too, once in two hundred comparisons.
    Leaking,
}

/// The people of a collection with at least two photos.
fn people() -> Vec<Person> {
    let folder = project().join("../shared/faces/lfw-dev/images");
    let mut photos = Vec::new();
    for (identity, person) in names_in(&folder).into_iter().enumerate() {
        let files = names_in(&folder.join(&person));
        if files.len() >= 2 {
            for file in &files[..2] {
                let name = format!("{person}/{file}");
                photos.push(photo(folder.join(&name), name, identity));
            }
        }
    }
    let mut found: BTreeMap<usize, Vec<Embedding>> = BTreeMap::new();
    for (photo, outcome) in photos.iter().zip(measured(&photos).outcomes) {
        if let Outcome::Face(face) = outcome {
            found.entry(photo.identity).or_default().push(face.embedding);
        }
    }
    let person = |mut faces: Vec<Embedding>| {
        let (selfie, portrait) = (faces.pop()?, faces.pop()?);
        Some(Person { portrait, selfie })
    };
    found.into_values().filter_map(person).collect()
}

fn cosine(people: &[Person], probe: usize, other: usize) -> f64 {
    people[probe].selfie.similarity(&people[other].portrait).unwrap().cosine()
}

/// The share of all selfies and all portraits of others that reach a cosine.
fn true_rate(people: &[Person], threshold: f64) -> f64 {
    let all = (0..people.len()).flat_map(|probe| (0..people.len()).map(move |other| (probe, other)));
    let matches = all.filter(|(probe, other)| probe != other && cosine(people, *probe, *other) >= threshold);
    matches.count() as f64 / (people.len() * (people.len() - 1)) as f64
}

/// The people in the order of how many others they resemble.
fn by_resemblance(people: &[Person]) -> Vec<usize> {
    let matches = |other: usize| {
        (0..people.len())
            .filter(|probe| *probe != other && cosine(people, *probe, other) >= COSINES[0])
            .count()
    };
    let mut order: Vec<_> = (0..people.len()).map(|other| (matches(other), other)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, other)| other).collect()
}

/// What services count.
fn served(people: &[Person], order: &[usize], sampler: Sampler, seed: u64) -> LivePairs {
    let mut random = StdRng::seed_from_u64(seed);
    let parts = || vec![vec![0; SimilarityBins::COUNT]; PARTS];
    let (mut by_probe, mut by_reference) = (parts(), parts());
    for _ in 0..REQUESTS {
        let probe = random.random_range(0..people.len());
        for _ in 0..SAMPLE {
            let other = match sampler {
                Sampler::Leaking if random.random_range(0..200) == 0 => probe,
                Sampler::Biased => order[random.random_range(order.len() / 2..order.len())],
                Sampler::Uniform | Sampler::Leaking => random.random_range(0..people.len()),
            };
            if other == probe && sampler != Sampler::Leaking {
                continue;
            }
            let similarity = people[probe].selfie.similarity(&people[other].portrait).unwrap();
            by_probe[probe % PARTS][SimilarityBins::index(similarity)] += 1;
            by_reference[other * 7 % 1009 % PARTS][SimilarityBins::index(similarity)] += 1;
        }
    }
    LivePairs::new(by_probe, by_reference)
}

#[test]
fn the_rate_by_labels_lies_within_the_interval_of_live_traffic() {
    let people = people();
    assert!(people.len() > 800, "only {} people", people.len());
    let (truths, order) = (COSINES.map(|cosine| true_rate(&people, cosine)), by_resemblance(&people));
    let within = |sampler: Sampler| {
        let mut within = [0_u64; COSINES.len()];
        for seed in 0..SEEDS {
            let pairs = served(&people, &order, sampler, seed);
            for ((within, cosine), truth) in within.iter_mut().zip(COSINES).zip(truths) {
                let rate = pairs.fmr(cosine);
                *within += u64::from(rate.low <= truth && truth <= rate.high);
            }
        }
        within
    };
    let found = [Sampler::Uniform, Sampler::Biased, Sampler::Leaking].map(within);
    println!("{} people, rates {truths:?}, within the interval in {found:?} of {SEEDS}", people.len());
    assert!(found[0].iter().all(|within| *within >= SEEDS * 19 / 20), "{found:?}");
    assert!(found[1].iter().all(|within| *within <= SEEDS / 4), "a biased draw is noticed: {found:?}");
    assert!(
        found[2].iter().all(|within| *within <= SEEDS / 4),
        "a leak of the same person is noticed: {found:?}"
    );
}
