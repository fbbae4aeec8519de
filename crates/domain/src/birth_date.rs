use chrono::NaiveDate;

use crate::{clock::Clock, redacted::debug_as_name};

/// A date of birth: a day of the calendar that is not in the future.
///
/// ```
/// use padan_domain::{BirthDate, Clock};
/// let born = BirthDate::parse("14-03-1987", &Clock::System)?;
/// assert_eq!(born.as_date().to_string(), "1987-03-14");
/// # Ok::<(), padan_domain::InvalidBirthDate>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BirthDate(NaiveDate);

debug_as_name!(BirthDate);

/// The text is not `dd-mm-yyyy`, or the day does not exist or lies in the future.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a date of birth as dd-mm-yyyy that exists and is not in the future")]
pub struct InvalidBirthDate;

impl BirthDate {
    /// Parses `dd-mm-yyyy`, the form of the API, with leading zeros.
    ///
    /// # Errors
    ///
    /// [`InvalidBirthDate`] when the text has another form, the day does not exist, or it is later than today in
    /// Asia/Jakarta.
    pub fn parse(text: &str, clock: &Clock) -> Result<Self, InvalidBirthDate> {
        let bytes: [u8; 10] = text.as_bytes().try_into().map_err(|_| InvalidBirthDate)?;
        let number = |from: usize, to: usize| {
            bytes[from..to].iter().try_fold(0_u32, |sum, byte| {
                byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')).ok_or(InvalidBirthDate)
            })
        };
        if bytes[2] != b'-' || bytes[5] != b'-' {
            return Err(InvalidBirthDate);
        }
        let (day, month, year) = (number(0, 2)?, number(3, 5)?, number(6, 10)?);
        let year = i32::try_from(year).map_err(|_| InvalidBirthDate)?;
        if year == 0 {
            return Err(InvalidBirthDate);
        }
        let date = NaiveDate::from_ymd_opt(year, month, day).ok_or(InvalidBirthDate)?;
        if date > clock.today_in_jakarta() { Err(InvalidBirthDate) } else { Ok(Self(date)) }
    }

    /// Wraps a date of the registry. It is not compared with today's date.
    pub fn from_record(date: NaiveDate) -> Self {
        Self(date)
    }

    /// The calendar day.
    pub fn as_date(&self) -> NaiveDate {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: &str = "2026-11-23T05:00:00Z";

    fn parse(text: &str) -> Result<String, InvalidBirthDate> {
        BirthDate::parse(text, &Clock::Fixed(NOON.parse().unwrap())).map(|born| born.as_date().to_string())
    }

    #[test]
    fn days_that_exist_are_accepted() {
        assert_eq!(parse("14-03-1987").unwrap(), "1987-03-14");
        assert_eq!(parse("29-02-2000").unwrap(), "2000-02-29");
        assert_eq!(parse("23-11-2026").unwrap(), "2026-11-23", "born today");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "1987-03-14",
            "14/03/1987",
            "14-3-1987",
            "14-03-87",
            "31-02-1990",
            "29-02-1900",
            "00-01-1990",
            "01-00-1990",
            "01-13-1990",
            "14-03-1987 ",
            " 14-03-1987",
            "+4-03-1987",
            "14-03-+987",
            "24-11-2026",
            "14-03-0000",
            "١٤-٠٣-١٩٨٧",
            "aa-bb-cccc",
            "14-03-19870",
        ] {
            assert_eq!(parse(text), Err(InvalidBirthDate), "{text:?}");
        }
    }

    #[test]
    fn debug_shows_no_digit() {
        let born = BirthDate::parse("14-03-1987", &Clock::System).unwrap();
        assert_eq!(format!("{born:?}"), "BirthDate");
    }

    proptest! {
        #[test]
        fn every_day_of_the_calendar_round_trips(days in 1_i32..739_000) {
            let date = NaiveDate::from_num_days_from_ce_opt(days).unwrap();
            prop_assert_eq!(parse(&date.format("%d-%m-%Y").to_string()).unwrap(), date.to_string());
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,12}") {
            let _ = parse(&text);
        }
    }
}
