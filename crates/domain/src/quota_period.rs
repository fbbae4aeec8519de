use std::time::Duration;

use chrono::{Datelike as _, Days, Months, NaiveDate};

use crate::clock::{Clock, midnight_in_jakarta};

/// The period of a quota, by the calendar of Asia/Jakarta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuotaPeriod {
    /// A day, from midnight to midnight.
    Day,
    /// A calendar month.
    Month,
}

/// A certain day or month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaSpan {
    /// Whether it is a day or a month.
    pub period: QuotaPeriod,
    /// Its first day in Asia/Jakarta.
    pub starts_on: NaiveDate,
}

impl QuotaPeriod {
    /// Both periods, the shorter one first.
    pub const ALL: [Self; 2] = [Self::Day, Self::Month];

    /// The name in the database and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The current day or month.
    pub fn current(self, clock: &Clock) -> QuotaSpan {
        let today = clock.today_in_jakarta();
        let starts_on = match self {
            Self::Day => today,
            Self::Month => today.with_day(1).unwrap_or(today),
        };
        QuotaSpan { period: self, starts_on }
    }
}

impl QuotaSpan {
    /// The time until it ends, at least a second. At the end of the calendar, where no next day exists, it is a day.
    pub fn remaining(&self, clock: &Clock) -> Duration {
        const A_DAY: Duration = Duration::from_hours(24);
        let next = match self.period {
            QuotaPeriod::Day => self.starts_on.checked_add_days(Days::new(1)),
            QuotaPeriod::Month => self.starts_on.checked_add_months(Months::new(1)),
        };
        let midnight = next.and_then(midnight_in_jakarta);
        let left = midnight.map(|midnight| midnight.signed_duration_since(clock.now()));
        left.map_or(A_DAY, |left| left.to_std().unwrap_or_default().max(Duration::from_secs(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(text: &str) -> Clock {
        Clock::Fixed(text.parse().unwrap())
    }

    #[test]
    fn a_day_ends_at_midnight_in_jakarta() {
        let before = clock("2026-11-23T16:59:50Z");
        let today = QuotaPeriod::Day.current(&before);
        assert_eq!(today.starts_on.to_string(), "2026-11-23");
        assert_eq!(today.remaining(&before), Duration::from_secs(10));
        let after = clock("2026-11-23T17:00:00Z");
        assert_eq!(QuotaPeriod::Day.current(&after).starts_on.to_string(), "2026-11-24");
        assert_eq!(QuotaPeriod::Day.current(&after).remaining(&after), Duration::from_hours(24));
    }

    #[test]
    fn a_month_ends_at_midnight_after_its_last_day() {
        let last = clock("2027-02-28T16:00:00Z");
        let month = QuotaPeriod::Month.current(&last);
        assert_eq!(month.starts_on.to_string(), "2027-02-01");
        assert_eq!(month.remaining(&last), Duration::from_hours(1));
        let next = clock("2027-02-28T17:00:00Z");
        assert_eq!(QuotaPeriod::Month.current(&next).starts_on.to_string(), "2027-03-01");
        let december = clock("2026-12-31T16:59:59Z");
        assert_eq!(QuotaPeriod::Month.current(&december).remaining(&december), Duration::from_secs(1));
    }

    #[test]
    fn extreme_times_and_jumps_of_the_clock_are_handled() {
        for now in [chrono::DateTime::<chrono::Utc>::MIN_UTC, chrono::DateTime::<chrono::Utc>::MAX_UTC] {
            let clock = Clock::Fixed(now);
            for period in QuotaPeriod::ALL {
                assert!(period.current(&clock).remaining(&clock) >= Duration::from_secs(1));
            }
        }
        let today = QuotaPeriod::Day.current(&clock("2026-11-23T05:00:00Z"));
        assert_eq!(today.remaining(&clock("2030-01-01T00:00:00Z")), Duration::from_secs(1));
    }
}
