use std::{str::FromStr, time::Duration};

use anyhow::{Error, Result, bail};

/// A length of time on the command line, of at most a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeSpan(pub(super) Duration);

impl FromStr for TimeSpan {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let seconds = match &text[digits.len()..] {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => bail!("expected a time such as 90s, 30m, 24h or 7d"),
        };
        // A secret must not stay valid for years by mistake.
        let count = digits.parse::<u32>().ok().filter(|count| u64::from(*count) * seconds <= 366 * 86_400);
        match count {
            Some(count) => Ok(Self(Duration::from_secs(u64::from(count) * seconds))),
            None => bail!("expected a time of at most 366d, such as 24h"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_span_needs_a_unit() {
        let seconds = |text: &str| text.parse::<TimeSpan>().unwrap().0.as_secs();
        assert_eq!([seconds("0s"), seconds("90s"), seconds("30m"), seconds("24h")], [0, 90, 1800, 86_400]);
        for wrong in ["", "24", "h", "-1h", "1w", "400d", "99999999999s"] {
            assert!(wrong.parse::<TimeSpan>().is_err(), "{wrong}");
        }
    }
}
