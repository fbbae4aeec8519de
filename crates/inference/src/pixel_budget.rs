use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A limit of the decoded pixels that all workers hold together. Request bodies have a limit of their own.
#[derive(Clone)]
pub(crate) struct PixelBudget(Arc<Pixels>);

struct Pixels {
    limit: u64,
    reserved: AtomicU64,
}

/// A reservation, which ends when it is dropped.
#[must_use]
pub(crate) struct ReservedPixels {
    budget: Arc<Pixels>,
    pixels: u64,
}

impl PixelBudget {
    pub(crate) fn new(megapixels: f64) -> Self {
        Self(Arc::new(Pixels { limit: (megapixels * 1e6) as u64, reserved: AtomicU64::new(0) }))
    }

    /// Reserves the pixels of a photo; `None` when the other workers' reservations leave too few.
    pub(crate) fn reserve(&self, (width, height): (u32, u32)) -> Option<ReservedPixels> {
        let pixels = u64::from(width) * u64::from(height);
        let within = |reserved: u64| reserved.checked_add(pixels).filter(|sum| *sum <= self.0.limit);
        self.0.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).ok()?;
        Some(ReservedPixels { budget: Arc::clone(&self.0), pixels })
    }

    pub(crate) fn reserved(&self) -> u64 {
        self.0.reserved.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.0.limit
    }
}

impl Drop for ReservedPixels {
    fn drop(&mut self) {
        self.budget.reserved.fetch_sub(self.pixels, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_the_budget_and_return_what_they_reserved() {
        let budget = PixelBudget::new(1.0);
        let first = budget.reserve((1000, 600));
        assert!(first.is_some() && budget.reserve((1000, 401)).is_none());
        let second = budget.reserve((1000, 400));
        assert_eq!(budget.reserved(), budget.limit());
        drop((first, second));
        assert_eq!(budget.reserved(), 0);
        assert!(budget.reserve((u32::MAX, u32::MAX)).is_none());
    }
}
