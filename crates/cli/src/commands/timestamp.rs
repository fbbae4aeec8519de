use std::str::FromStr;

use anyhow::{Error, bail};
use chrono::{DateTime, NaiveDate, Utc};
use padan_domain::midnight_in_jakarta;

/// A time on the command line: RFC 3339, or the beginning of a day in Asia/Jakarta as `yyyy-mm-dd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp(DateTime<Utc>);

impl Timestamp {
    pub(crate) fn into_inner(self) -> DateTime<Utc> {
        self.0
    }
}

/// A day on the command line, as `yyyy-mm-dd`. It begins at midnight in Asia/Jakarta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Day(DateTime<Utc>);

impl Day {
    /// When it begins.
    pub(crate) fn start(self) -> DateTime<Utc> {
        self.0
    }
}

impl FromStr for Day {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match midnight_of(text) {
            Some(midnight) => Ok(Self(midnight)),
            None => bail!("expected a day such as 2026-11-24"),
        }
    }
}

/// The beginning of a day in Asia/Jakarta.
fn midnight_of(text: &str) -> Option<DateTime<Utc>> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10);
    day.and_then(midnight_in_jakarta)
}

impl FromStr for Timestamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self(time.to_utc()));
        }
        match midnight_of(text) {
            Some(midnight) => Ok(Self(midnight)),
            None => bail!("expected a day such as 2026-11-24 or a time such as 2026-11-24T08:30:00+07:00"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_jakarta() {
        let utc = |text: &str| text.parse::<Timestamp>().unwrap().into_inner().to_rfc3339();
        assert_eq!(utc("2026-11-24"), "2026-11-23T17:00:00+00:00");
        assert_eq!(utc("2026-11-24T08:30:00+07:00"), "2026-11-24T01:30:00+00:00");
        for wrong in ["", "24-11-2026", "2026-11-24T08:30:00", "2026-11-241", "2026-02-30"] {
            assert!(wrong.parse::<Timestamp>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_day_has_no_time() {
        assert_eq!("2026-11-24".parse::<Day>().unwrap().start().to_rfc3339(), "2026-11-23T17:00:00+00:00");
        for wrong in ["x", "2026-11-24T08:30:00+07:00", "2026-02-30"] {
            let error = wrong.parse::<Day>().unwrap_err().to_string();
            assert_eq!(error, "expected a day such as 2026-11-24", "{wrong}");
        }
    }
}
