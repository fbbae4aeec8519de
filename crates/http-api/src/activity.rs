use std::{
    array,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use padan_domain::Clock;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// When the process began, what it has answered lately, and when its last rows became durable: for `/status`.
#[derive(Clone)]
pub(crate) struct Activity(Arc<State>);

struct State {
    started_at: DateTime<Utc>,
    began: Instant,
    seconds: Mutex<Vec<Second>>,
    last_commit: Mutex<Option<LastCommit>>,
}

/// The last commit of the audit trail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastCommit {
    pub(crate) at: DateTime<Utc>,
    pub(crate) milliseconds: f64,
}

/// The answers of the endpoints for clients in the last minute, or since the start if that is shorter.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
pub struct LastMinute {
    /// The length of this time.
    pub seconds: f64,
    /// The number of answers.
    pub requests: u64,
    /// The mean rate of this time.
    pub requests_per_second: f64,
    /// Answers with 429.
    pub refused: u64,
    /// Answers with another 4xx.
    pub client_errors: u64,
    /// Answers with 5xx.
    pub server_errors: u64,
    /// The time in which half of the answers were given, at most 10 % too long; `None` without answers.
    pub p50_milliseconds: Option<f64>,
    /// The time in which nine of ten answers were given.
    pub p90_milliseconds: Option<f64>,
    /// The time in which 99 of 100 answers were given.
    pub p99_milliseconds: Option<f64>,
}

/// The answers of one second.
#[derive(Clone)]
struct Second {
    /// Its number since the start.
    number: u64,
    refused: u64,
    client_errors: u64,
    server_errors: u64,
    durations: [u32; BUCKETS],
}

/// How many seconds are kept.
const KEPT: u64 = 60;
/// Each bucket of durations ends 10 % above the one before it. The last one holds everything beyond three minutes.
const BUCKETS: usize = 128;
const RATIO: f64 = 1.1;

impl Activity {
    /// The activity of a process that starts now.
    pub(crate) fn starting() -> Self {
        Self(Arc::new(State {
            started_at: Clock::System.now(),
            began: Instant::now(),
            seconds: Mutex::new((0..KEPT).map(|_| Second::starting(u64::MAX)).collect()),
            last_commit: Mutex::default(),
        }))
    }

    pub(crate) fn started_at(&self) -> DateTime<Utc> {
        self.0.started_at
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// Records an answer of an endpoint for clients.
    pub(crate) fn answered(&self, status: u16, took: Duration) {
        self.answered_at(status, took, self.uptime());
    }

    /// Records a commit of the audit trail.
    pub(crate) fn committed(&self, took: Duration) {
        let commit = LastCommit { at: Clock::System.now(), milliseconds: took.as_secs_f64() * 1e3 };
        *self.0.last_commit.lock() = Some(commit);
    }

    pub(crate) fn last_commit(&self) -> Option<LastCommit> {
        *self.0.last_commit.lock()
    }

    pub(crate) fn last_minute(&self) -> LastMinute {
        self.last_minute_at(self.uptime())
    }

    fn answered_at(&self, status: u16, took: Duration, at: Duration) {
        let second = at.as_secs();
        let mut seconds = self.0.seconds.lock();
        let place = usize::try_from(second % KEPT).unwrap_or_default();
        let Some(kept) = seconds.get_mut(place) else { return };
        if kept.number != second {
            *kept = Second::starting(second);
        }
        kept.count(status, took);
    }

    fn last_minute_at(&self, now: Duration) -> LastMinute {
        let mut sum = Second::starting(0);
        for second in self.0.seconds.lock().iter() {
            if second.number <= now.as_secs() && now.as_secs() - second.number < KEPT {
                sum.add(second);
            }
        }
        sum.summary(now)
    }
}

impl Second {
    fn starting(number: u64) -> Self {
        Self { number, refused: 0, client_errors: 0, server_errors: 0, durations: [0; BUCKETS] }
    }

    fn count(&mut self, status: u16, took: Duration) {
        match status {
            429 => self.refused += 1,
            400..=499 => self.client_errors += 1,
            500.. => self.server_errors += 1,
            _ => {}
        }
        let bucket = bucket_of(took);
        self.durations[bucket] = self.durations[bucket].saturating_add(1);
    }

    fn add(&mut self, other: &Self) {
        self.refused += other.refused;
        self.client_errors += other.client_errors;
        self.server_errors += other.server_errors;
        self.durations =
            array::from_fn(|bucket| self.durations[bucket].saturating_add(other.durations[bucket]));
    }

    fn summary(&self, uptime: Duration) -> LastMinute {
        let requests = self.durations.iter().copied().map(u64::from).sum();
        // A process that has just started has no rate yet.
        let seconds = uptime.as_secs_f64().clamp(1.0, KEPT as f64);
        LastMinute {
            seconds,
            requests,
            requests_per_second: requests as f64 / seconds,
            refused: self.refused,
            client_errors: self.client_errors,
            server_errors: self.server_errors,
            p50_milliseconds: self.percentile(requests, 0.5),
            p90_milliseconds: self.percentile(requests, 0.9),
            p99_milliseconds: self.percentile(requests, 0.99),
        }
    }

    /// The end of the first bucket up to which there is this share of all durations.
    fn percentile(&self, requests: u64, share: f64) -> Option<f64> {
        let mut up_to = 0;
        let bucket = self.durations.iter().position(|count| {
            up_to += u64::from(*count);
            up_to > 0 && up_to as f64 >= share * requests as f64
        })?;
        Some(RATIO.powf(bucket as f64))
    }
}

/// The bucket whose end, in milliseconds, is the first that is not below the duration.
fn bucket_of(took: Duration) -> usize {
    let exponent = (took.as_secs_f64() * 1e3).max(1.0).ln() / RATIO.ln();
    (exponent.ceil() as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_last_minute_has_rates_errors_and_percentiles() {
        let activity = Activity::starting();
        for answer in 0..98 {
            activity.answered_at(200, ms(20), ms(1000 + answer));
        }
        activity.answered_at(429, ms(300), ms(2000));
        activity.answered_at(503, ms(8000), ms(3000));
        activity.answered_at(404, ms(20), ms(3500));
        let minute = activity.last_minute_at(ms(10_000));
        assert_eq!(
            (minute.requests, minute.refused, minute.client_errors, minute.server_errors),
            (101, 1, 1, 1)
        );
        assert!((minute.requests_per_second - 10.1).abs() < 1e-9);
        let within =
            |value: Option<f64>, exact: f64| value.is_some_and(|it| it >= exact && it <= exact * 1.1);
        assert!(within(minute.p50_milliseconds, 20.0), "{minute:?}");
        assert!(within(minute.p90_milliseconds, 20.0), "{minute:?}");
        assert!(within(minute.p99_milliseconds, 300.0), "{minute:?}");
    }

    #[test]
    fn what_is_older_than_a_minute_does_not_count() {
        let activity = Activity::starting();
        activity.answered_at(500, ms(1), ms(500));
        assert_eq!(activity.last_minute_at(ms(59_900)).server_errors, 1);
        let later = activity.last_minute_at(ms(60_000));
        assert_eq!((later.requests, later.server_errors, later.p50_milliseconds), (0, 0, None));
        activity.answered_at(200, ms(1), ms(60_100));
        let minute = activity.last_minute_at(ms(60_200));
        assert_eq!((minute.requests, minute.server_errors), (1, 0), "the place of a second is used again");
        assert!((minute.seconds - 60.0).abs() < 1e-9);
    }

    #[test]
    fn a_duration_of_hours_is_counted() {
        let activity = Activity::starting();
        activity.answered_at(200, Duration::from_hours(3), ms(10));
        assert!(activity.last_minute_at(ms(20)).p99_milliseconds.unwrap() > 100_000.0);
    }
}
