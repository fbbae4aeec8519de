use std::{collections::BTreeMap, time::Duration};

use padan_load::Usage;
use serde::Serialize;

use crate::connection::Failure;

/// Counts of the requests so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    statuses: BTreeMap<u16, u64>,
    errors: BTreeMap<&'static str, u64>,
    latencies: Vec<Duration>,
}

/// The printed figures.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Every request that was due or sent.
    requests: u64,
    /// Requests without an answer, or with a status other than 2xx.
    failed: u64,
    /// Answers by status.
    statuses: BTreeMap<u16, u64>,
    /// Requests without an answer, by kind.
    errors: BTreeMap<&'static str, u64>,
    /// From the first request to the last answer.
    seconds: f64,
    /// Answers with status 2xx per second.
    per_second: f64,
    /// Of all requests, including failed ones.
    latency_ms: Latency,
    /// The CPU time of this program during the measurement.
    pub(crate) own_cpu_seconds: f64,
    /// How long each processor was idle during the measurement.
    pub(crate) idle_seconds: Vec<f64>,
    /// The usage of the watched processes during the measurement.
    pub(crate) watched: Vec<Usage>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Tally {
    /// Counts one request.
    pub(crate) fn count(&mut self, outcome: Result<u16, Failure>, latency: Duration) {
        match outcome {
            Ok(status) => *self.statuses.entry(status).or_default() += 1,
            Err(failure) => *self.errors.entry(failure.name()).or_default() += 1,
        }
        self.latencies.push(latency);
    }

    /// The figures of a measurement of this duration.
    pub(crate) fn figures(mut self, duration: Duration) -> Figures {
        self.latencies.sort_unstable();
        let requests = self.latencies.len() as u64;
        let succeeded: u64 = self.statuses.range(200..300).map(|(_, count)| count).sum();
        let percentile = |share| milliseconds(percentile(&self.latencies, share));
        Figures {
            requests,
            failed: requests - succeeded,
            seconds: duration.as_secs_f64(),
            per_second: succeeded as f64 / duration.as_secs_f64(),
            latency_ms: Latency {
                p50: percentile(0.5),
                p90: percentile(0.9),
                p99: percentile(0.99),
                max: percentile(1.0),
            },
            statuses: self.statuses,
            errors: self.errors,
            own_cpu_seconds: 0.0,
            idle_seconds: Vec::new(),
            watched: Vec::new(),
        }
    }
}

/// The smallest value that at least this share of all values do not exceed (nearest rank); 0 for an empty list.
fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds_of(values: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        values.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let hundred = milliseconds_of(1..=100);
        let of = |share| percentile(&hundred, share).as_millis();
        assert_eq!([0.5, 0.9, 0.99, 1.0].map(of), [50, 90, 99, 100]);
        let five = milliseconds_of([15, 20, 35, 40, 50]);
        let of = |share| percentile(&five, share).as_millis();
        assert_eq!([0.05, 0.3, 0.4, 0.5, 1.0].map(of), [15, 20, 20, 35, 50]);
        assert_eq!(percentile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn every_request_is_counted_and_all_but_2xx_as_failed() {
        let mut tally = Tally::default();
        for (outcome, latency) in [(Ok(200), 10), (Ok(200), 20), (Ok(503), 30), (Err(Failure::TimedOut), 40)]
        {
            tally.count(outcome, Duration::from_millis(latency));
        }
        let figures = tally.figures(Duration::from_secs(4));
        assert_eq!((figures.requests, figures.failed, figures.per_second), (4, 2, 0.5));
        assert_eq!(figures.statuses, BTreeMap::from([(200, 2), (503, 1)]));
        assert_eq!(figures.errors, BTreeMap::from([("timed_out", 1)]));
        assert_eq!(figures.latency_ms, Latency { p50: 20.0, p90: 40.0, p99: 40.0, max: 40.0 });
    }
}
