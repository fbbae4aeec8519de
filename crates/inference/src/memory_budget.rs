use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A limit of the memory that the photos of all workers take together. Request bodies have a limit of their own.
#[derive(Clone)]
pub(crate) struct MemoryBudget(Arc<Bytes>);

struct Bytes {
    limit: u64,
    reserved: AtomicU64,
}

/// A reservation, which ends when it is dropped.
#[must_use]
pub(crate) struct ReservedMemory {
    budget: Arc<Bytes>,
    bytes: u64,
}

impl MemoryBudget {
    pub(crate) fn new(limit: u64) -> Self {
        Self(Arc::new(Bytes { limit, reserved: AtomicU64::new(0) }))
    }

    /// Reserves the memory of a photo; `None` when the other workers' reservations leave too little.
    pub(crate) fn reserve(&self, bytes: u64) -> Option<ReservedMemory> {
        let within = |reserved: u64| reserved.checked_add(bytes).filter(|sum| *sum <= self.0.limit);
        self.0.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).ok()?;
        Some(ReservedMemory { budget: Arc::clone(&self.0), bytes })
    }

    /// In bytes.
    pub(crate) fn reserved(&self) -> u64 {
        self.0.reserved.load(Ordering::Relaxed)
    }

    /// In bytes.
    pub(crate) fn limit(&self) -> u64 {
        self.0.limit
    }
}

impl Drop for ReservedMemory {
    fn drop(&mut self) {
        self.budget.reserved.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_the_budget_and_return_what_they_reserved() {
        let budget = MemoryBudget::new(1_000_000);
        let first = budget.reserve(600_000);
        assert!(first.is_some() && budget.reserve(400_001).is_none());
        let second = budget.reserve(400_000);
        assert_eq!(budget.reserved(), budget.limit());
        drop((first, second));
        assert_eq!(budget.reserved(), 0);
        assert!(budget.reserve(u64::MAX).is_none());
    }
}
