use padan_domain::{Embedding, SimilarityBins};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use super::*;

const PEOPLE: usize = 600;
const LENGTH: usize = 32;
const REQUESTS: usize = 3000;
const SAMPLE: usize = 16;
const PARTS: usize = 32;

/// People with a portrait and the noise of their selfies. Some resemble each other more than others do.
struct Site {
    portraits: Vec<Vec<f64>>,
    common: Vec<f64>,
}

/// What a simulated service compares a selfie with.
#[derive(Clone, Copy, PartialEq)]
enum Sampler {
    Uniform,
    /// Prefers one half of the people to the other, of whom it draws only a tenth.
    Biased,
    /// Also draws the person of the selfie, once in a thousand comparisons.
    Leaking,
}

fn noise(random: &mut StdRng) -> Vec<f64> {
    let mut number = || random.random::<f64>() + random.random::<f64>() + random.random::<f64>() - 1.5;
    (0..LENGTH).map(|_| number()).collect()
}

fn unit(values: &[f64]) -> Vec<f64> {
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    values.iter().map(|value| value / length).collect()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Site {
    fn new(random: &mut StdRng) -> Self {
        let common = noise(random);
        let portrait = |person: usize, own: Vec<f64>| {
            let share = if person.is_multiple_of(2) { 0.7 } else { 0.1 };
            unit(&own.iter().zip(&common).map(|(own, common)| own + share * common).collect::<Vec<_>>())
        };
        let portraits = (0..PEOPLE).map(|person| portrait(person, noise(random))).collect();
        Self { portraits, common }
    }

    fn selfie(&self, person: usize, random: &mut StdRng) -> Vec<f64> {
        let (own, noise) = (&self.portraits[person], noise(random));
        let bias = random.random::<f64>() * 0.1;
        let values = own.iter().zip(&noise).zip(&self.common);
        unit(&values.map(|((own, noise), common)| own + 0.12 * noise + bias * common).collect::<Vec<_>>())
    }

    /// The shares of all selfies and all templates of others that reach the thresholds, nearly.
    fn true_rates(&self, thresholds: [f64; 2], random: &mut StdRng) -> [f64; 2] {
        let mut matches = [0_u32; 2];
        for person in 0..PEOPLE {
            let selfie = self.selfie(person, random);
            for other in (0..PEOPLE).filter(|other| *other != person) {
                let cosine = cosine(&selfie, &self.portraits[other]);
                for (matches, threshold) in matches.iter_mut().zip(thresholds) {
                    *matches += u32::from(cosine >= threshold);
                }
            }
        }
        matches.map(|matches| f64::from(matches) / (PEOPLE * (PEOPLE - 1)) as f64)
    }

    /// What a service counts.
    fn served(&self, sampler: Sampler, random: &mut StdRng) -> LivePairs {
        let parts = || vec![vec![0; SimilarityBins::COUNT]; PARTS];
        let (mut by_probe, mut by_reference) = (parts(), parts());
        for _ in 0..REQUESTS {
            let person = random.random_range(0..PEOPLE);
            let selfie = self.selfie(person, random);
            for _ in 0..SAMPLE {
                let other = loop {
                    let other = random.random_range(0..PEOPLE);
                    let is_left_out =
                        sampler == Sampler::Biased && other % 2 == 1 && random.random_range(0..10) > 0;
                    if other != person && !is_left_out {
                        break other;
                    }
                };
                let leaks = sampler == Sampler::Leaking && random.random_range(0..1000) == 0;
                let other = if leaks { person } else { other };
                let similarity = Similarity::from_cosine(cosine(&selfie, &self.portraits[other]));
                by_probe[person % PARTS][SimilarityBins::index(similarity)] += 1;
                by_reference[other / 7 % PARTS][SimilarityBins::index(similarity)] += 1;
            }
        }
        LivePairs::new(by_probe, by_reference)
    }
}

/// How many of 20 sites have a true rate within the interval, at two thresholds.
fn covered(sampler: Sampler, thresholds: [f64; 2]) -> [usize; 2] {
    let mut covered = [0; 2];
    for seed in 0..20 {
        let mut random = StdRng::seed_from_u64(seed);
        let site = Site::new(&mut random);
        let pairs = site.served(sampler, &mut random);
        let rates = site.true_rates(thresholds, &mut random);
        for ((covered, threshold), rate) in covered.iter_mut().zip(thresholds).zip(rates) {
            let Rate { low, high, .. } = pairs.fmr(threshold);
            *covered += usize::from((low..=high).contains(&rate));
        }
    }
    covered
}

#[test]
fn the_true_rate_of_a_site_lies_in_the_interval() {
    let covered = covered(Sampler::Uniform, [0.45, 0.62]);
    assert!(covered.iter().all(|count| *count >= 19), "{covered:?} of 20");
}

#[test]
fn a_biased_sampler_and_a_leak_of_the_same_person_do_not_pass() {
    let biased = covered(Sampler::Biased, [0.45, 0.62]);
    assert!(biased[0] < 5, "{biased:?} of 20");
    // No stranger is that similar.
    let leaking = covered(Sampler::Leaking, [0.45, 0.8]);
    assert!(leaking[1] < 5, "{leaking:?} of 20");
}

#[test]
fn the_interval_of_independent_comparisons_would_be_too_narrow() {
    let mut random = StdRng::seed_from_u64(1);
    let site = Site::new(&mut random);
    let pairs = site.served(Sampler::Uniform, &mut random);
    assert!(pairs.design_effect(0.45) > 1.5, "{}", pairs.design_effect(0.45));
}

#[test]
fn counts_in_intervals_give_the_rate_that_the_cosines_give() {
    let mut random = StdRng::seed_from_u64(3);
    let site = Site::new(&mut random);
    let mut counted = vec![0; SimilarityBins::COUNT];
    let mut cosines = Vec::new();
    for person in 0..PEOPLE {
        for other in 0..person {
            let cosine = cosine(&site.portraits[person], &site.portraits[other]);
            counted[SimilarityBins::index(Similarity::from_cosine(cosine))] += 1;
            cosines.push(cosine);
        }
    }
    let pairs = LivePairs::new(vec![counted.clone()], vec![counted]);
    assert_eq!(pairs.comparisons(), (PEOPLE * (PEOPLE - 1) / 2) as u64);
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    assert!((pairs.cross().mean() - mean).abs() < 1e-3, "{} {mean}", pairs.cross().mean());
    for threshold in [0.1, 0.2515, 0.3333, 0.4265, 0.5] {
        let expected = cosines.iter().filter(|cosine| **cosine >= threshold).count() as f64;
        let found = pairs.fmr(threshold).value * cosines.len() as f64;
        assert!((found - expected).abs() <= 0.03 * expected + 3.0, "{threshold}: {found} of {expected}");
    }
}

#[test]
fn shares_of_genuine_comparisons_have_the_interval_of_their_people() {
    // Each part has one person who fails always or never, in 50 comparisons.
    let part = |fails: bool| {
        let mut counted = vec![0; SimilarityBins::COUNT];
        let cosine = Similarity::from_cosine(if fails { 0.3 } else { 0.7 });
        counted[SimilarityBins::index(cosine)] = 50;
        counted
    };
    let pairs = GenuinePairs::new((0..32).map(|person| part(person % 8 == 0)).collect());
    let Rate { value, low, high } = pairs.below(0.5);
    assert!((value - 0.125).abs() < 1e-9, "{value}");
    // Clopper and Pearson for 4 of 32 people: 0.0351 to 0.2899; the 1,600 comparisons alone would give 0.109 to 0.142.
    assert!((0.02..0.05).contains(&low) && (0.25..0.35).contains(&high), "{low} to {high}");
    let none = GenuinePairs::new(Vec::new()).below(0.5);
    assert_eq!((none.low, none.high), (0.0, 1.0));
    let embedding = Embedding::from_output(&[1.0, 0.0]).unwrap();
    assert_eq!(SimilarityBins::index(embedding.similarity(&embedding).unwrap()), SimilarityBins::COUNT - 1);
}
