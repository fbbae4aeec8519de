use std::str::FromStr;

use serde::Deserialize;

use crate::redacted::debug_as_name;

/// The identity number on the card (NIK): exactly 16 ASCII digits.
///
/// Only the registry shows whether a number exists. The date and the region in its digits prove nothing: a NIK stays
/// the same when a birth date is corrected.
///
/// ```
/// use padan_domain::NationalId;
/// let nik: NationalId = "3174011403870000".parse()?;
/// assert_eq!(nik.as_str(), "3174011403870000");
/// assert!("317401140387000".parse::<NationalId>().is_err());
/// # Ok::<(), padan_domain::InvalidNationalId>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct NationalId(Box<str>);

debug_as_name!(NationalId);

/// The text is not exactly 16 ASCII digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a NIK of exactly 16 ASCII digits")]
pub struct InvalidNationalId;

impl NationalId {
    /// The 16 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the digits have the structure of issued numbers: a province of 11 to 99, a day of 1 to 31 (plus 40 for a
    /// woman) and a month of 1 to 12. Some numbers in use do not have it.
    pub fn is_well_structured(&self) -> bool {
        let two_digits = |at: usize| self.0[at..at + 2].parse::<u8>().unwrap_or(0);
        let day = two_digits(6);
        let day = if day > 40 { day - 40 } else { day };
        two_digits(0) >= 11 && (1..=31).contains(&day) && (1..=12).contains(&two_digits(8))
    }
}

impl FromStr for NationalId {
    type Err = InvalidNationalId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidNationalId)
        }
    }
}

impl TryFrom<String> for NationalId {
    type Error = InvalidNationalId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn other_digits_and_spaces_are_refused() {
        for text in [
            "",
            "٣١٧٤٠١١٤",
            " 3174011403870000",
            "3174011403870000\n",
            "317401140387000O",
            "31740114038700000",
        ] {
            assert_eq!(text.parse::<NationalId>(), Err(InvalidNationalId), "{text:?}");
        }
    }

    #[test]
    fn the_structure_is_checked_separately() {
        let structured = |text: &str| text.parse::<NationalId>().unwrap().is_well_structured();
        assert!(structured("3174011403870000"));
        assert!(structured("3273064211940000"), "a woman has her day plus 40");
        assert!(!structured("3174011413870000"), "month 13");
        assert!(!structured("3174013203870000"), "day 32");
        assert!(!structured("0174011403870000"), "province 01");
    }

    #[test]
    fn debug_shows_no_digit() {
        let nik: NationalId = "3174011403870000".parse().unwrap();
        assert_eq!(format!("{nik:?}"), "NationalId");
    }

    proptest! {
        #[test]
        fn sixteen_digits_round_trip(text in "[0-9]{16}") {
            let nik: NationalId = text.parse().unwrap();
            prop_assert_eq!(nik.as_str(), text);
        }

        #[test]
        fn anything_accepted_is_sixteen_digits(text in "\\PC{0,24}") {
            if let Ok(nik) = text.parse::<NationalId>() {
                prop_assert!(nik.as_str().len() == 16 && nik.as_str().bytes().all(|b| b.is_ascii_digit()));
            }
        }
    }
}
