use std::time::{Duration, Instant};

/// The time that the optional detector runs on one photo may take. It starts with the first of them.
#[derive(Debug)]
pub struct RetryBudget {
    budget: Option<Duration>,
    end: Option<Instant>,
}

impl RetryBudget {
    /// All retries share `budget`, and none starts after the deadline.
    pub(crate) fn within(budget: Duration, deadline: Instant) -> Self {
        Self { budget: Some(budget), end: Some(deadline) }
    }

    /// No limit. For results that are stored, which must not depend on the load of the machine.
    pub fn unlimited() -> Self {
        Self { budget: None, end: None }
    }

    /// Whether another retry may start. The first call starts the budget.
    pub(crate) fn has_time_left(&mut self) -> bool {
        let now = Instant::now();
        if let Some(budget) = self.budget.take() {
            let own_end = now + budget;
            self.end = Some(self.end.map_or(own_end, |deadline| deadline.min(own_end)));
        }
        self.end.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_begins_with_the_first_retry_and_ends_with_the_deadline() {
        let hour = Duration::from_hours(1);
        let later = Instant::now() + hour;
        assert!(!RetryBudget::within(Duration::ZERO, later).has_time_left());
        assert!(RetryBudget::within(hour, later).has_time_left());
        assert!(!RetryBudget::within(hour, Instant::now()).has_time_left());
        let mut short = RetryBudget::within(Duration::from_millis(30), later);
        std::thread::sleep(Duration::from_millis(40));
        assert!(short.has_time_left(), "nothing was retried before");
        std::thread::sleep(Duration::from_millis(40));
        assert!(!short.has_time_left());
        let mut unlimited = RetryBudget::unlimited();
        assert!(unlimited.has_time_left() && unlimited.has_time_left());
    }
}
