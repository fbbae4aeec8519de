//! How well each measure tells a covering from bare faces.

use std::fmt::Write as _;

use padan_domain::ReasonCode;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::{
    covering::Covering,
    examination::Examined,
    measures::Measures,
    statistics::{RESAMPLES, median, percentiles},
};

/// Shares of the bare faces that a threshold may catch.
const FALSE_ALARMS: [f64; 2] = [0.002, 0.01];

/// For each measure a table with the area under the ROC curve, and the share of covered faces that a threshold catches.
/// Only photos that keep all other rules for selfies count.
pub(crate) fn tables(examined: &[Examined], coverings: &[Covering]) -> String {
    let mut text = String::new();
    for (measure, name) in Measures::NAMES.iter().enumerate() {
        let values = |covering: Covering| -> Vec<f64> {
            let covered = ReasonCode::FaceCovered.as_str();
            let kept = examined.iter().filter(|row| row.covering == covering);
            let kept = kept.filter(|row| row.rule.is_none_or(|rule| rule == covered));
            kept.filter_map(|row| row.face.as_ref()).map(|face| face.measures.0[measure]).collect()
        };
        let mut bare = values(Covering::Bare);
        bare.sort_by(f64::total_cmp);
        if bare.is_empty() {
            continue;
        }
        let marks = FALSE_ALARMS.map(|share| bare[(share * bare.len() as f64) as usize]);
        let _ = writeln!(
            text,
            "**{name}**: bare median {:.4}, least {:.4}, {} photos\n\n| covering | photos | median | AUC | below {:.4} \
             (0.2 % of the bare) | below {:.4} (1 %) |\n|---|---|---|---|---|---|",
            median(&bare),
            bare[0],
            bare.len(),
            marks[0],
            marks[1]
        );
        for covering in coverings.iter().filter(|covering| **covering != Covering::Bare) {
            let covered = values(*covering);
            if covered.is_empty() {
                continue;
            }
            let below = |mark: f64| {
                let count = covered.iter().filter(|value| **value < mark).count();
                100.0 * count as f64 / covered.len() as f64
            };
            let (low, high) = area_interval(&bare, &covered);
            let _ = writeln!(
                text,
                "| {} | {} | {:.4} | {:.4} ({low:.4} to {high:.4}) | {:.1} % | {:.1} % |",
                covering.name(),
                covered.len(),
                median(&covered),
                area(&bare, &covered),
                below(marks[0]),
                below(marks[1])
            );
        }
        text.push('\n');
    }
    text
}

/// The probability that a bare face has the larger value. `bare` is sorted.
fn area(bare: &[f64], covered: &[f64]) -> f64 {
    let count = bare.len() as f64;
    let larger = |value: &f64| {
        let (below, up_to) = (bare.partition_point(|b| b < value), bare.partition_point(|b| b <= value));
        (count - f64::midpoint(below as f64, up_to as f64)) / count
    };
    covered.iter().map(larger).sum::<f64>() / covered.len() as f64
}

fn area_interval(bare: &[f64], covered: &[f64]) -> (f64, f64) {
    let mut random = StdRng::seed_from_u64(2);
    let mut draw = |values: &[f64]| -> Vec<f64> {
        (0..values.len()).map(|_| values[random.random_range(0..values.len())]).collect()
    };
    let areas = (0..RESAMPLES).map(|_| {
        let mut bare = draw(bare);
        bare.sort_by(f64::total_cmp);
        area(&bare, &draw(covered))
    });
    percentiles(areas.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_counts_pairs_and_half_of_the_ties() {
        let bare = [1.0, 2.0, 3.0, 4.0];
        assert!((area(&bare, &[0.0, 0.5]) - 1.0).abs() < 1e-12);
        assert!(area(&bare, &[5.0]).abs() < 1e-12);
        assert!((area(&bare, &[2.0]) - 0.625).abs() < 1e-12, "two of four are larger, one is equal");
        let (low, high) = area_interval(&bare, &[2.0, 2.5]);
        assert!(low <= 0.5625 && 0.5625 <= high, "{low} to {high}");
    }
}
