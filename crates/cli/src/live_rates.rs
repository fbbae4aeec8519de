//! Rates from what the live measurement counted.

use chrono::NaiveDate;
use padan_evaluation::{Counted, LivePairs};
use padan_inference::Rate;
use padan_store::{Compared, LIVE_PARTS, LiveCell, LiveCounts};
use padan_verification::{LiveMarks, LivePoint, LiveRates};

/// The rates of these marks, for the management interface.
pub(crate) fn measure_live(counts: &LiveCounts, marks: &LiveMarks, from: NaiveDate) -> LiveRates {
    let of = |compared: Compared| counted_parts(counts, compared);
    let pairs = LivePairs::new(of(Compared::ImpostorByProbe), of(Compared::ImpostorByReference));
    let points = marks.percentages.iter().zip(&marks.cosines).map(|(&percentage, &cosine)| {
        let Rate { value: rate, low, high } = pairs.fmr(cosine);
        LivePoint { percentage, rate, low, high }
    });
    LiveRates { from, comparisons: pairs.comparisons(), points: points.collect() }
}

/// The counts of each part of the people.
pub(crate) fn counted_parts(counts: &LiveCounts, compared: Compared) -> Vec<Counted> {
    let part = |part: u8| counts.get(&LiveCell { compared, part });
    let whole = |counts: &Vec<i64>| counts.iter().map(|count| u64::try_from(*count).unwrap_or(0)).collect();
    (0..LIVE_PARTS).filter_map(part).map(whole).collect()
}
