use chrono::Datelike;
use padan_domain::{BirthDate, NationalId};

/// What the digits of a NIK suggest. It is kept for whoever looks into a case and never decides one: a NIK
/// stays the same when a birth date is corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NikHint {
    /// Whether the digits have the structure by which numbers are issued.
    well_structured: bool,
    /// Whether the digits agree with the date of birth that was sent.
    agrees_with_date_of_birth: bool,
}

impl NikHint {
    /// Reads the digits: day (a woman's plus 40), month and two-digit year stand at positions 7 to 12.
    pub(crate) fn of(nik: &NationalId, date_of_birth: BirthDate) -> Self {
        let date = date_of_birth.as_date();
        let month_and_year = format!("{:02}{:02}", date.month(), date.year().rem_euclid(100));
        let agrees = [date.day(), date.day() + 40]
            .iter()
            .any(|day| nik.as_str().get(6..12) == Some(&format!("{day:02}{month_and_year}")));
        Self { well_structured: nik.is_well_structured(), agrees_with_date_of_birth: agrees }
    }

    /// Writes it to the log of the request, where there is something to be looked into.
    pub(crate) fn note(self) {
        let Self { well_structured, agrees_with_date_of_birth } = self;
        if !(well_structured && agrees_with_date_of_birth) {
            tracing::info!(well_structured, agrees_with_date_of_birth, "a NIK whose digits are unusual");
        }
    }
}

#[cfg(test)]
mod tests {
    use padan_domain::Clock;

    use super::*;

    fn agrees(nik: &str, born: &str) -> bool {
        let born = BirthDate::parse(born, &Clock::System).unwrap();
        NikHint::of(&nik.parse().unwrap(), born).agrees_with_date_of_birth
    }

    #[test]
    fn a_day_may_be_a_mans_or_a_womans() {
        assert!(agrees("3174011403870000", "14-03-1987"));
        assert!(agrees("3273064211940000", "02-11-1994"));
        assert!(agrees("3273060101070000", "01-01-2007"), "the century is not written");
        assert!(!agrees("3174011403870000", "15-03-1987"));
        assert!(!agrees("3174011403870000", "14-03-1988"));
    }
}
