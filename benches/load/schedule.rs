use std::time::Duration;

/// The times at which requests are due, at equal intervals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    rate: f64,
}

impl Schedule {
    /// A schedule of `rate` requests per second, which must be above 0.
    pub(crate) fn new(rate: f64) -> Self {
        Self { rate }
    }

    /// When a request is due after the start. The first has the number 0.
    pub(crate) fn due(self, number: u64) -> Duration {
        // Computed from the number and not from the request before, so that rounding errors do not add up.
        Duration::from_secs_f64(number as f64 / self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_equal_intervals() {
        let schedule = Schedule::new(4.0);
        let due: Vec<_> = (0..4).map(|number| schedule.due(number).as_millis()).collect();
        assert_eq!(due, [0, 250, 500, 750]);
    }

    #[test]
    fn an_uneven_rate_does_not_drift() {
        assert_eq!(Schedule::new(3.0).due(3_000_000), Duration::from_secs(1_000_000));
    }
}
