//! The false match rates that services measured on the people whom they verified, for the health page.

use std::time::{Duration, Instant};

use chrono::{Days, NaiveDate};
use padan_store::{LiveCounts, Store, StoreError};
use tokio::sync::Mutex;

use crate::live_marks::LiveMarks;

/// What was measured in the last days.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveRates {
    /// The first day, in Asia/Jakarta.
    pub from: NaiveDate,
    /// Comparisons of selfies with templates of other people.
    pub comparisons: u64,
    /// The rate of each percentage.
    pub points: Vec<LivePoint>,
}

/// A percentage and how many comparisons of two people reach it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LivePoint {
    /// The percentage.
    pub percentage: f64,
    /// The share of comparisons that reach it.
    pub rate: f64,
    /// The lower end of the 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Computes the rates of these marks from counts that were made since a day.
pub type MeasureLive = fn(&LiveCounts, &LiveMarks, NaiveDate) -> LiveRates;

/// The rates that were computed last: reading a month of counts takes a moment, and pages ask every few seconds.
#[derive(Default)]
pub(super) struct LastRates(Mutex<Option<Held>>);

struct Held {
    marks: LiveMarks,
    at: Instant,
    rates: Option<LiveRates>,
}

const DAYS: u64 = 30;
const HELD_FOR: Duration = Duration::from_mins(1);

impl LastRates {
    /// The rates of the last 30 days under the scale in use, at most a minute old. `None` when nothing was counted.
    pub(super) async fn of(
        &self,
        store: &Store,
        marks: LiveMarks,
        measure: MeasureLive,
        today: NaiveDate,
    ) -> Result<Option<LiveRates>, StoreError> {
        let mut last = self.0.lock().await;
        if let Some(held) = &*last
            && held.marks == marks
            && held.at.elapsed() < HELD_FOR
        {
            return Ok(held.rates.clone());
        }
        let from = today.checked_sub_days(Days::new(DAYS - 1)).unwrap_or(today);
        let counts = store.live_counts(&marks.scale, from).await?;
        let rates = measure(&counts, &marks, from);
        let rates = (rates.comparisons > 0).then_some(rates);
        *last = Some(Held { marks, at: Instant::now(), rates: rates.clone() });
        Ok(rates)
    }
}
