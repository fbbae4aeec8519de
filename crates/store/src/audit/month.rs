use std::fmt;

use chrono::{DateTime, Datelike as _, Months, NaiveDate, NaiveTime, Utc};

/// A calendar month in UTC: the rows of one partition of the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Month {
    first_day: NaiveDate,
}

impl Month {
    pub(super) fn of(moment: DateTime<Utc>) -> Self {
        Self::of_day(moment.date_naive())
    }

    pub(super) fn of_day(day: NaiveDate) -> Self {
        Self { first_day: day.with_day(1).unwrap_or(day) }
    }

    /// The month whose rows a partition has; `None` when the name is not one that Padan gives.
    pub(super) fn of_partition(name: &str) -> Option<Self> {
        let (year, month) = name.strip_prefix("audit_event_")?.split_once('_')?;
        let first_day = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, 1)?;
        let parsed = Self { first_day };
        (parsed.partition() == name).then_some(parsed)
    }

    pub(super) fn partition(self) -> String {
        self.first_day.format("audit_event_%Y_%m").to_string()
    }

    pub(super) fn first_day(self) -> NaiveDate {
        self.first_day
    }

    /// The first moment of the month.
    pub(super) fn begin(self) -> DateTime<Utc> {
        self.first_day.and_time(NaiveTime::MIN).and_utc()
    }

    /// The first moment of the next month.
    pub(super) fn end(self) -> DateTime<Utc> {
        let next = self.first_day.checked_add_months(Months::new(1)).unwrap_or(self.first_day);
        next.and_time(NaiveTime::MIN).and_utc()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first_day.format("%Y-%m"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_from_the_name_of_its_partition_and_has_its_bounds() {
        let month = Month::of_partition("audit_event_2024_12").unwrap();
        assert_eq!((month.to_string(), month.partition()), ("2024-12".into(), "audit_event_2024_12".into()));
        assert_eq!(month.begin().to_rfc3339(), "2024-12-01T00:00:00+00:00");
        assert_eq!(month.end().to_rfc3339(), "2025-01-01T00:00:00+00:00");
        assert_eq!(Month::of("2024-12-31T23:59:59.999999Z".parse().unwrap()), month);
        assert_eq!(Month::of("2025-01-01T00:00:00Z".parse().unwrap()).begin(), month.end());
        for name in
            ["audit_event_2024_13", "audit_event_2024_1", "audit_event_+2024_01", "audit_event_2024_12_old"]
        {
            assert_eq!(Month::of_partition(name), None, "{name}");
        }
    }
}
