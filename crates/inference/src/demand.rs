use std::{sync::Weak, time::Instant};

/// How long a result is wanted. By default without a limit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Demand {
    /// When it is too late.
    pub(crate) deadline: Option<Instant>,
    /// Dropped by the caller when it stops waiting.
    pub(crate) waiter: Option<Weak<()>>,
}

impl Demand {
    /// Whether the deadline has passed or nobody waits any more.
    pub(crate) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
            || self.waiter.as_ref().is_some_and(|waiter| waiter.strong_count() == 0)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;

    #[test]
    fn a_demand_ends_with_its_deadline_or_its_waiter() {
        assert!(!Demand::default().is_over());
        let waiter = Arc::new(());
        let until = |deadline| Demand { deadline: Some(deadline), waiter: Some(Arc::downgrade(&waiter)) };
        let (late, in_time) = (until(Instant::now()), until(Instant::now() + Duration::from_hours(1)));
        assert!(late.is_over() && !in_time.is_over());
        drop(waiter);
        assert!(in_time.is_over());
    }
}
