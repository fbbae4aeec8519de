//! How often covered faces match, at the pass mark.

use std::{collections::BTreeMap, fmt::Write as _};

use padan_domain::{Calibration, ReasonCode, Similarity};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    covering::Covering,
    examination::{Examined, MeasuredFace},
    statistics::{RESAMPLES, median, percentiles},
};

/// A table with a row for each covering. Intervals are 95 %, by drawing persons again.
pub(crate) fn table(examined: &[Examined], coverings: &[Covering], calibration: &Calibration) -> String {
    let mut table =
        "| probe | photos | no face | refused as FACE_COVERED | by another rule | length of the embedding, median | \
                     missed against bare, % | FMR against bare, 1e-4 | FMR covered against covered, 1e-4 |\n\
                     |---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    let bare = faces(examined, Covering::Bare);
    for covering in coverings {
        let all: Vec<_> = examined.iter().filter(|row| row.covering == *covering).collect();
        let probes = faces(examined, *covering);
        let lengths: Vec<_> = probes.iter().map(|(_, face)| face.measures.0[0]).collect();
        let found = all.iter().filter(|row| row.face.is_some());
        let rules: Vec<_> = found.filter_map(|row| row.rule).collect();
        let covered = rules.iter().filter(|rule| **rule == ReasonCode::FaceCovered.as_str()).count();
        let to_bare = Comparison::of(&probes, &bare, calibration);
        let both = Comparison::of(&probes, &probes, calibration);
        let _ = writeln!(
            table,
            "| {} | {} | {} | {covered} | {} | {:.1} | {} | {} | {} |",
            covering.name(),
            all.len(),
            all.iter().filter(|row| row.face.is_none()).count(),
            rules.len() - covered,
            median(&lengths),
            to_bare.missed().shown(100.0),
            to_bare.false_matches().shown(1e4),
            both.false_matches().shown(1e4),
        );
    }
    table
}

fn faces(examined: &[Examined], covering: Covering) -> Vec<(&Examined, &MeasuredFace)> {
    examined
        .iter()
        .filter(|row| row.covering == covering)
        .filter_map(|row| Some((row, row.face.as_ref()?)))
        .collect()
}

/// The matches of probes with references, counted by persons.
struct Comparison {
    /// For each person: genuine pairs, missed ones, probes, references.
    persons: Vec<[f64; 4]>,
    /// Matches of two persons, as indexes.
    matches: Vec<(usize, usize)>,
}

impl Comparison {
    fn of(
        probes: &[(&Examined, &MeasuredFace)],
        references: &[(&Examined, &MeasuredFace)],
        calibration: &Calibration,
    ) -> Self {
        let pass_mark = calibration.pass_cosine();
        let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
        for (row, _) in probes.iter().chain(references) {
            let next = numbers.len();
            numbers.entry(row.identity).or_insert(next);
        }
        let mut counted = Self { persons: vec![[0.0; 4]; numbers.len()], matches: Vec::new() };
        for (row, _) in probes {
            counted.persons[numbers[&row.identity]][2] += 1.0;
        }
        for (row, _) in references {
            counted.persons[numbers[&row.identity]][3] += 1.0;
        }
        for (probe, face) in probes {
            for (reference, other) in references.iter().filter(|(row, _)| row.photo != probe.photo) {
                let similarity = calibration.similarity(&other.embedding, &face.embedding);
                let cosine = similarity.map_or(-1.0, Similarity::cosine);
                let (a, b) = (numbers[&probe.identity], numbers[&reference.identity]);
                if a == b {
                    counted.persons[a][0] += 1.0;
                    counted.persons[a][1] += f64::from(u8::from(cosine < pass_mark));
                } else if probe.source == reference.source && cosine >= pass_mark {
                    counted.matches.push((a, b));
                }
            }
        }
        counted
    }

    fn missed(&self) -> Interval {
        let rate = |weights: &[f64]| {
            let sum = |column: usize| {
                self.persons.iter().zip(weights).map(|(person, weight)| person[column] * weight).sum::<f64>()
            };
            sum(1) / sum(0).max(1e-9)
        };
        self.interval(rate)
    }

    fn false_matches(&self) -> Interval {
        let rate = |weights: &[f64]| {
            // The sum of nothing is -0.
            let matches = 0.0 + self.matches.iter().map(|(a, b)| weights[*a] * weights[*b]).sum::<f64>();
            let (mut probes, mut references, mut own) = (0.0, 0.0, 0.0);
            for (person, weight) in self.persons.iter().zip(weights) {
                probes += person[2] * weight;
                references += person[3] * weight;
                own += person[2] * person[3] * weight * weight;
            }
            matches / (probes * references - own).max(1e-9)
        };
        self.interval(rate)
    }

    fn interval(&self, rate: impl Fn(&[f64]) -> f64) -> Interval {
        let persons = self.persons.len();
        let mut random = StdRng::seed_from_u64(1);
        let resampled = (0..RESAMPLES).map(|_| {
            let mut weights = vec![0.0; persons];
            for _ in 0..persons {
                weights[random.random_range(0..persons)] += 1.0;
            }
            rate(&weights)
        });
        let (low, high) = percentiles(resampled.collect());
        Interval { value: rate(&vec![1.0; persons]), low, high }
    }
}

struct Interval {
    value: f64,
    low: f64,
    high: f64,
}

impl Interval {
    fn shown(&self, unit: f64) -> String {
        format!("{:.2} ({:.2} to {:.2})", self.value * unit, self.low * unit, self.high * unit)
    }
}
