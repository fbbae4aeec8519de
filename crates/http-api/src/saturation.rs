use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Whether the service has been full for long: then a balancer should ask others for a while.
///
/// A second counts as full when at least as many requests were refused for it as were served. A second without requests
/// does not, so that a service that is not asked any more becomes ready again.
#[derive(Clone)]
pub(crate) struct Saturation(Arc<State>);

struct State {
    began: Instant,
    long: AtomicU64,
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
    /// From so many full seconds in a row on it is long.
    pub(crate) fn new(long: u64) -> Self {
        Self(Arc::new(State { began: Instant::now(), long: AtomicU64::new(long), count: Mutex::default() }))
    }

    /// From now on from so many on.
    pub(crate) fn change(&self, long: u64) {
        self.0.long.store(long, Ordering::Relaxed);
    }

    /// Notes that a client's request was served, or refused because the service is full.
    pub(crate) fn note(&self, was_refused: bool) {
        self.note_at(was_refused, self.0.began.elapsed());
    }

    /// Whether it has been full for long.
    pub(crate) fn is_long(&self) -> bool {
        self.is_long_at(self.0.began.elapsed())
    }

    fn note_at(&self, was_refused: bool, at: Duration) {
        let mut count = self.0.count.lock().unwrap_or_else(PoisonError::into_inner);
        count.turn_to(at.as_secs());
        let counted = if was_refused { &mut count.refused } else { &mut count.served };
        *counted = counted.saturating_add(1);
    }

    fn is_long_at(&self, at: Duration) -> bool {
        let mut count = self.0.count.lock().unwrap_or_else(PoisonError::into_inner);
        count.turn_to(at.as_secs());
        count.full >= self.0.long.load(Ordering::Relaxed)
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
    fn full_seconds_in_a_row_are_long_and_one_that_is_not_ends_them() {
        let saturation = Saturation::new(3);
        for second in 0..3 {
            assert!(!saturation.is_long_at(at(f64::from(second))));
            saturation.note_at(false, at(f64::from(second) + 0.1));
            saturation.note_at(true, at(f64::from(second) + 0.2));
        }
        assert!(saturation.is_long_at(at(3.0)));
        saturation.note_at(false, at(3.1));
        saturation.note_at(false, at(3.2));
        saturation.note_at(true, at(3.3));
        assert!(!saturation.is_long_at(at(4.0)), "most were served");
    }

    #[test]
    fn who_is_not_asked_any_more_is_not_full() {
        let saturation = Saturation::new(1);
        saturation.note_at(true, at(0.5));
        assert!(saturation.is_long_at(at(1.5)));
        assert!(!saturation.is_long_at(at(2.0)));
        saturation.note_at(true, at(2.5));
        assert!(!saturation.is_long_at(at(9.0)), "what was long ago does not count");
    }
}
