use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix_web::web::Bytes;
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

/// Memory that is reserved until this is dropped, or until the data that took it is.
#[must_use]
pub(crate) struct HeldMemory {
    /// `None`: nothing is counted.
    budget: Option<Arc<Budget>>,
    bytes: usize,
}

/// Data and the memory that was reserved for it. The data is dropped first.
struct HeldData {
    data: Vec<u8>,
    _memory: HeldMemory,
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

    /// An empty reservation, for data that is about to be read or decoded.
    pub(crate) fn reservation(&self) -> HeldMemory {
        HeldMemory { budget: Some(Arc::clone(&self.0)), bytes: 0 }
    }
}

impl HeldMemory {
    /// A reservation that is not counted, for a body that shares no memory.
    pub(crate) fn uncounted() -> Self {
        Self { budget: None, bytes: 0 }
    }

    /// Grows the reservation to `bytes` in total. Returns false and changes nothing when the limit does not allow it.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> bool {
        let Some(budget) = &self.budget else { return true };
        let more = bytes.saturating_sub(self.bytes);
        let limit = budget.limit.load(Ordering::Relaxed);
        let taken = budget.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |held| {
            held.checked_add(more).filter(|held| more == 0 || *held <= limit)
        });
        if taken.is_ok() {
            self.bytes += more;
            budget.shown.add(i64::try_from(more).unwrap_or(i64::MAX));
        }
        taken.is_ok()
    }

    /// Gives back what exceeds `bytes` in total.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        if let Some(budget) = &self.budget {
            self.bytes -= less;
            budget.held.fetch_sub(less, Ordering::Relaxed);
            budget.shown.sub(i64::try_from(less).unwrap_or(i64::MAX));
        }
    }

    /// Binds the reservation to the data that took it: it lasts until the last clone or slice of the returned bytes is
    /// dropped, wherever that is. A photo may wait in the queue of the workers although its request has ended.
    pub(crate) fn holding(self, data: Vec<u8>) -> Bytes {
        Bytes::from_owner(HeldData { data, _memory: self })
    }
}

impl Drop for HeldMemory {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

impl AsRef<[u8]> for HeldData {
    fn as_ref(&self) -> &[u8] {
        &self.data
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

    #[test]
    fn the_reservation_lasts_as_long_as_a_slice_of_its_data() {
        let shown = IntGauge::new("shown", "reserved bytes").unwrap();
        let memory = BodyMemory::new(100, shown.clone());
        let mut held = memory.reservation();
        assert!(held.grow_to(80));
        held.shrink_to(90);
        assert_eq!(shown.get(), 80, "nothing exceeds that");
        held.shrink_to(60);
        let whole = held.holding(vec![7; 60]);
        let slice = whole.slice(10..20);
        drop(whole);
        assert_eq!(shown.get(), 60, "the slice keeps all of the data");
        assert!(!memory.reservation().grow_to(41) && memory.reservation().grow_to(40));
        let elsewhere = std::thread::spawn(move || slice.len());
        assert_eq!(elsewhere.join().unwrap(), 10);
        assert_eq!(shown.get(), 0);
    }
}
