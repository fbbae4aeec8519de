use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// How long after all processors were busy another such moment is expected.
const QUIET: Duration = Duration::from_millis(100);

/// How many workers process a photo, and whether as many as there are processors did so a moment ago.
#[derive(Debug)]
pub(crate) struct Occupancy {
    processors: usize,
    busy: AtomicUsize,
    start: Instant,
    /// When all processors were busy last, in microseconds after the start; `u64::MAX` for never.
    last_full: AtomicU64,
}

impl Occupancy {
    pub(crate) fn new(processors: usize) -> Self {
        let (busy, last_full) = (AtomicUsize::new(0), AtomicU64::new(u64::MAX));
        Self { processors, busy, start: Instant::now(), last_full }
    }

    /// Counts a worker as busy until the value is dropped, also by unwinding.
    pub(crate) fn enter(&self) -> Busy<'_> {
        let busy = self.busy.fetch_add(1, Relaxed) + 1;
        self.note_if_full(busy);
        Busy(self)
    }

    /// The workers that process a photo now.
    pub(crate) fn busy(&self) -> usize {
        self.busy.load(Relaxed)
    }

    /// Whether a processor is idle, and one has been for a while.
    pub(crate) fn has_idle_processor(&self) -> bool {
        self.has_idle_processor_at(Instant::now())
    }

    fn has_idle_processor_at(&self, now: Instant) -> bool {
        let last_full = match self.last_full.load(Relaxed) {
            u64::MAX => None,
            micros => Some(self.start + Duration::from_micros(micros)),
        };
        let was_full = last_full.is_some_and(|last_full| now.saturating_duration_since(last_full) < QUIET);
        self.busy() < self.processors && !was_full
    }

    fn note_if_full(&self, busy: usize) {
        if busy >= self.processors {
            self.last_full.store(self.start.elapsed().as_micros() as u64, Relaxed);
        }
    }
}

/// A worker that processes a photo.
pub(crate) struct Busy<'a>(&'a Occupancy);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let busy = self.0.busy.fetch_sub(1, Relaxed);
        self.0.note_if_full(busy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_counts_as_idle_a_while_after_all_were_busy() {
        let occupancy = Occupancy::new(2);
        assert!(occupancy.has_idle_processor());
        let first = occupancy.enter();
        assert!(occupancy.has_idle_processor(), "one of two is idle");
        let second = occupancy.enter();
        let later = || Instant::now() + QUIET;
        assert!(!occupancy.has_idle_processor_at(later()), "both are busy");
        let before = Instant::now();
        drop(second);
        assert!(!occupancy.has_idle_processor_at(before), "both were busy just now");
        assert!(occupancy.has_idle_processor_at(later()));
        drop(first);
        assert_eq!(occupancy.busy(), 0);
        assert!(occupancy.has_idle_processor_at(later()));
    }
}
