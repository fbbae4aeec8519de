use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};

/// The source of the time: the system's clock, or an instant that a test sets.
#[derive(Debug, Clone, Copy)]
pub enum Clock {
    /// The system's clock.
    System,
    /// Always this instant.
    Fixed(DateTime<Utc>),
    /// An instant that a test moves, in microseconds since 1970.
    Moved(&'static AtomicI64),
}

/// The offset of Western Indonesian Time from UTC. There has been no daylight saving time since 1964.
const JAKARTA: TimeDelta = TimeDelta::hours(7);

/// The beginning of a day in Asia/Jakarta; `None` at the end of the calendar.
pub fn midnight_in_jakarta(day: NaiveDate) -> Option<DateTime<Utc>> {
    Some(day.and_time(NaiveTime::MIN).checked_sub_signed(JAKARTA)?.and_utc())
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
    pub fn today_in_jakarta(&self) -> NaiveDate {
        let now = self.now().naive_utc();
        // At the end of the calendar there is no later day.
        now.checked_add_signed(JAKARTA).unwrap_or(now).date()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_seventeen_hours_utc() {
        let day_at = |text: &str| Clock::Fixed(text.parse().unwrap()).today_in_jakarta().to_string();
        assert_eq!(day_at("2026-11-23T16:59:59Z"), "2026-11-23");
        assert_eq!(day_at("2026-11-23T17:00:00Z"), "2026-11-24");
    }
}
