use chrono::Datelike;
use padan_domain::{BirthDate, NationalId};

/// Whether the digits of a NIK have the structure of issued numbers and agree with a date of birth: positions 7 to 12
/// contain the day (plus 40 for a woman), the month and the two-digit year.
///
/// The result is recorded to help an investigation. It does not affect a decision, because a NIK stays the same when a
/// birth date is corrected.
pub(crate) fn is_plausible(nik: &NationalId, date_of_birth: BirthDate) -> bool {
    nik.is_well_structured() && agrees(nik, date_of_birth)
}

fn agrees(nik: &NationalId, date_of_birth: BirthDate) -> bool {
    let date = date_of_birth.as_date();
    let month_and_year = format!("{:02}{:02}", date.month(), date.year().rem_euclid(100));
    [date.day(), date.day() + 40]
        .iter()
        .any(|day| nik.as_str().get(6..12) == Some(&format!("{day:02}{month_and_year}")))
}

#[cfg(test)]
mod tests {
    use padan_domain::Clock;

    use super::*;

    fn agrees(nik: &str, born: &str) -> bool {
        let born = BirthDate::parse(born, &Clock::System).unwrap();
        super::agrees(&nik.parse().unwrap(), born)
    }

    #[test]
    fn the_day_in_a_nik_is_the_day_of_birth_or_forty_more() {
        assert!(agrees("3174011403870000", "14-03-1987"));
        assert!(agrees("3273064211940000", "02-11-1994"));
        assert!(agrees("3273060101070000", "01-01-2007"), "a NIK does not have the century");
        assert!(!agrees("3174011403870000", "15-03-1987"));
        assert!(!agrees("3174011403870000", "14-03-1988"));
    }

    #[test]
    fn a_nik_without_the_structure_of_issued_numbers_is_not_plausible() {
        let plausible = |nik: &str| {
            let born = BirthDate::parse("14-03-1987", &Clock::System).unwrap();
            is_plausible(&nik.parse().unwrap(), born)
        };
        assert!(plausible("3174011403870001"));
        assert!(!plausible("0074011403870001"), "no province has this number");
    }
}
