use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};

/// Where the time comes from: the machine, or an instant that a test fixes or moves.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// Always this instant.
    Fixed(DateTime<Utc>),
    /// An instant that a test moves, in microseconds since 1970.
    Moved(&'static AtomicI64),
}

impl Clock {
    /// The current instant.
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System => Utc::now(),
            Self::Fixed(instant) => *instant,
            Self::Moved(instant) => {
                DateTime::from_timestamp_micros(instant.load(Relaxed)).unwrap_or_default()
            }
        }
    }

    /// The current date in Asia/Jakarta, which decides whether a date of birth lies in the future.
    ///
    /// Western Indonesian Time has been UTC+7 without daylight saving since 1964.
    pub fn today_in_jakarta(&self) -> NaiveDate {
        const SECONDS_EAST: i32 = 7 * 3600;
        let now = self.now();
        FixedOffset::east_opt(SECONDS_EAST)
            .map_or(now.date_naive(), |jakarta| now.with_timezone(&jakarta).date_naive())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_turns_at_seventeen_hours_utc() {
        let day_at = |text: &str| Clock::Fixed(text.parse().unwrap()).today_in_jakarta().to_string();
        assert_eq!(day_at("2026-11-23T16:59:59Z"), "2026-11-23");
        assert_eq!(day_at("2026-11-23T17:00:00Z"), "2026-11-24");
    }
}
