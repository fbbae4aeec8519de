use std::time::{Duration, Instant};

/// The time that looks beyond the necessary ones may take, for one photo. It begins with the first of them.
#[derive(Debug)]
pub struct Retries {
    budget: Option<Duration>,
    end: Option<Instant>,
}

impl Retries {
    /// A time that all retries share, which ends at the deadline at the latest.
    pub(crate) fn within(budget: Duration, deadline: Instant) -> Self {
        Self { budget: Some(budget), end: Some(deadline) }
    }

    /// As long as it takes: what is found is kept, so it must not depend on how busy the machine was.
    pub fn unhurried() -> Self {
        Self { budget: None, end: None }
    }

    /// Whether there is time for one more.
    pub(crate) fn may_go_on(&mut self) -> bool {
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
        assert!(!Retries::within(Duration::ZERO, later).may_go_on());
        assert!(Retries::within(hour, later).may_go_on());
        assert!(!Retries::within(hour, Instant::now()).may_go_on());
        let mut short = Retries::within(Duration::from_millis(30), later);
        std::thread::sleep(Duration::from_millis(40));
        assert!(short.may_go_on(), "nothing was retried before");
        std::thread::sleep(Duration::from_millis(40));
        assert!(!short.may_go_on());
        let mut unhurried = Retries::unhurried();
        assert!(unhurried.may_go_on() && unhurried.may_go_on());
    }
}
