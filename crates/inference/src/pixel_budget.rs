use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// The pixels that all workers may have decoded at a time.
#[derive(Clone)]
pub(crate) struct PixelBudget(Arc<Pixels>);

struct Pixels {
    limit: u64,
    held: AtomicU64,
}

/// Pixels of the budget, free again when this is dropped.
#[must_use]
pub(crate) struct HeldPixels {
    budget: Arc<Pixels>,
    pixels: u64,
}

impl PixelBudget {
    pub(crate) fn new(megapixels: f64) -> Self {
        Self(Arc::new(Pixels { limit: (megapixels * 1e6) as u64, held: AtomicU64::new(0) }))
    }

    /// `None` when the other workers hold what is missing.
    pub(crate) fn take(&self, (width, height): (u32, u32)) -> Option<HeldPixels> {
        let pixels = u64::from(width) * u64::from(height);
        let within = |held: u64| held.checked_add(pixels).filter(|held| *held <= self.0.limit);
        self.0.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).ok()?;
        Some(HeldPixels { budget: Arc::clone(&self.0), pixels })
    }

    pub(crate) fn held(&self) -> u64 {
        self.0.held.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.0.limit
    }
}

impl Drop for HeldPixels {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.pixels, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_the_budget_and_give_it_back() {
        let budget = PixelBudget::new(1.0);
        let first = budget.take((1000, 600));
        assert!(first.is_some() && budget.take((1000, 401)).is_none());
        let second = budget.take((1000, 400));
        assert_eq!(budget.held(), budget.limit());
        drop((first, second));
        assert_eq!(budget.held(), 0);
        assert!(budget.take((u32::MAX, u32::MAX)).is_none());
    }
}
