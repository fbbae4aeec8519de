use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Whether the service has been full for some seconds, so that a balancer should send requests elsewhere.
///
/// A second counts as full when at least as many requests were refused as were served. A second without requests does
/// not, so that a service that gets no more requests becomes ready again.
#[derive(Clone)]
pub(crate) struct Saturation(Arc<State>);

struct State {
    began: Instant,
    threshold_seconds: AtomicU64,
    count: Mutex<Count>,
}

#[derive(Default)]
struct Count {
    second: u64,
    served: u32,
    refused: u32,
    /// Full seconds in a row before this one.
    full: u64,
}

impl Saturation {
    /// The service is saturated after `threshold_seconds` full seconds in a row.
    pub(crate) fn new(threshold_seconds: u64) -> Self {
        let threshold_seconds = AtomicU64::new(threshold_seconds);
        Self(Arc::new(State { began: Instant::now(), threshold_seconds, count: Mutex::default() }))
    }

    /// Replaces the number of full seconds in a row after which the service is saturated.
    pub(crate) fn set_threshold(&self, seconds: u64) {
        self.0.threshold_seconds.store(seconds, Ordering::Relaxed);
    }

    /// Records that a client's request was served, or refused because the service is full.
    pub(crate) fn record(&self, was_refused: bool) {
        self.record_at(was_refused, self.0.began.elapsed());
    }

    /// Whether the service is saturated now.
    pub(crate) fn is_saturated(&self) -> bool {
        self.is_saturated_at(self.0.began.elapsed())
    }

    fn record_at(&self, was_refused: bool, at: Duration) {
        let mut count = self.0.count.lock();
        count.turn_to(at.as_secs());
        let counted = if was_refused { &mut count.refused } else { &mut count.served };
        *counted = counted.saturating_add(1);
    }

    fn is_saturated_at(&self, at: Duration) -> bool {
        let mut count = self.0.count.lock();
        count.turn_to(at.as_secs());
        count.full >= self.0.threshold_seconds.load(Ordering::Relaxed)
    }
}

impl Count {
    fn turn_to(&mut self, second: u64) {
        if second <= self.second {
            return;
        }
        let was_full = self.refused > 0 && self.refused >= self.served;
        let follows = second == self.second + 1;
        let full = if was_full && follows { self.full + 1 } else { 0 };
        *self = Self { second, full, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn full_seconds_in_a_row_are_saturation_and_another_second_ends_it() {
        let saturation = Saturation::new(3);
        for second in 0..3 {
            assert!(!saturation.is_saturated_at(at(f64::from(second))));
            saturation.record_at(false, at(f64::from(second) + 0.1));
            saturation.record_at(true, at(f64::from(second) + 0.2));
        }
        assert!(saturation.is_saturated_at(at(3.0)));
        saturation.record_at(false, at(3.1));
        saturation.record_at(false, at(3.2));
        saturation.record_at(true, at(3.3));
        assert!(!saturation.is_saturated_at(at(4.0)), "most were served");
    }

    #[test]
    fn a_service_without_requests_is_not_saturated() {
        let saturation = Saturation::new(1);
        saturation.record_at(true, at(0.5));
        assert!(saturation.is_saturated_at(at(1.5)));
        assert!(!saturation.is_saturated_at(at(2.0)));
        saturation.record_at(true, at(2.5));
        assert!(!saturation.is_saturated_at(at(9.0)), "an old full second does not count");
    }
}
