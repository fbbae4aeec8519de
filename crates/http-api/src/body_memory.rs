use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use prometheus::IntGauge;

/// Limits the memory that the bodies of all requests take together. Decoded photos have a limit of their own: the pixel
/// budget of the inference engine.
#[derive(Clone)]
pub(crate) struct BodyMemory(Arc<Budget>);

struct Budget {
    limit: AtomicUsize,
    held: AtomicUsize,
    shown: IntGauge,
}

/// Bytes that are reserved until this is dropped.
#[must_use]
pub(crate) struct HeldMemory {
    budget: Arc<Budget>,
    bytes: usize,
}

impl BodyMemory {
    /// Limits to `limit` bytes. `shown` is the metric of the bytes that are reserved.
    pub(crate) fn new(limit: usize, shown: IntGauge) -> Self {
        Self(Arc::new(Budget { limit: AtomicUsize::new(limit), held: AtomicUsize::new(0), shown }))
    }

    /// Replaces the limit. Bodies in memory keep their bytes.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.0.limit.store(limit, Ordering::Relaxed);
    }

    /// An empty reservation, for a body that is about to be read.
    pub(crate) fn reservation(&self) -> HeldMemory {
        HeldMemory { budget: Arc::clone(&self.0), bytes: 0 }
    }
}

impl HeldMemory {
    /// Grows the reservation to `bytes` in total. Returns false and changes nothing when the limit does not allow it.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let limit = self.budget.limit.load(Ordering::Relaxed);
        let taken = self.budget.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            held.checked_add(more).filter(|held| more == 0 || *held <= limit)
        });
        if taken.is_ok() {
            self.bytes += more;
            self.budget.shown.add(i64::try_from(more).unwrap_or(i64::MAX));
        }
        taken.is_ok()
    }
}

impl Drop for HeldMemory {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
        self.budget.shown.sub(i64::try_from(self.bytes).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_the_limit_and_release_their_bytes() {
        let shown = IntGauge::new("shown", "reserved bytes").unwrap();
        let memory = BodyMemory::new(100, shown.clone());
        let (mut one, mut other) = (memory.reservation(), memory.reservation());
        assert!(one.grow_to(60) && other.grow_to(40));
        assert!(!other.grow_to(41), "one byte too many");
        assert!(other.grow_to(30), "it has more than that already");
        assert_eq!(shown.get(), 100);
        drop(one);
        assert!(other.grow_to(100));
        memory.set_limit(50);
        assert!(other.grow_to(100) && !memory.reservation().grow_to(1), "reserved bytes stay");
        drop(other);
        assert!(memory.reservation().grow_to(50) && !memory.reservation().grow_to(51));
        assert_eq!(shown.get(), 0);
        assert!(!memory.reservation().grow_to(usize::MAX));
    }
}
