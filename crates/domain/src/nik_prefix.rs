use std::str::FromStr;

use crate::{national_id::NationalId, redacted::debug_as_name};

/// The first eight digits of a NIK: the region and the day of birth. Several hundred people share a prefix.
///
/// An enrolment stores its position in the registry as a prefix, because a prefix does not identify a person.
///
/// ```
/// use padan_domain::{NationalId, NikPrefix};
/// let nik: NationalId = "3174011403870000".parse()?;
/// assert_eq!(NikPrefix::of(&nik).as_str(), "31740114");
/// # Ok::<(), padan_domain::InvalidNationalId>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NikPrefix(Box<str>);

debug_as_name!(NikPrefix);

/// The text is not exactly eight ASCII digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a prefix of a NIK of exactly 8 ASCII digits")]
pub struct InvalidNikPrefix;

/// All NIKs from one prefix to another, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NikRange {
    /// The lowest prefix.
    pub first: NikPrefix,
    /// The highest prefix; equal to `first` in a range of one prefix.
    pub last: NikPrefix,
}

const DIGITS: usize = 8;

impl NikPrefix {
    /// The prefix of a NIK.
    pub fn of(nik: &NationalId) -> Self {
        Self(nik.as_str()[..DIGITS].into())
    }

    /// The eight digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The highest possible NIK with this prefix.
    pub fn highest_nik(&self) -> String {
        format!("{}99999999", self.0)
    }
}

impl FromStr for NikPrefix {
    type Err = InvalidNikPrefix;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidNikPrefix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nik_of_a_prefix_lies_between_the_prefix_and_its_highest_nik() {
        let prefix: NikPrefix = "31740114".parse().unwrap();
        for nik in ["3174011400000000", "3174011403870000", "3174011499999999"] {
            assert_eq!(NikPrefix::of(&nik.parse().unwrap()), prefix);
            assert!(prefix.as_str() < nik && nik <= prefix.highest_nik().as_str());
        }
        assert!(prefix.highest_nik().as_str() < "3174011500000000");
    }

    #[test]
    fn other_texts_than_eight_digits_are_refused() {
        for text in ["", "3174011", "317401140", "3174011x", "٣١٧٤"] {
            assert_eq!(text.parse::<NikPrefix>(), Err(InvalidNikPrefix), "{text:?}");
        }
    }

    #[test]
    fn debug_shows_no_digit() {
        assert_eq!(format!("{:?}", "31740114".parse::<NikPrefix>().unwrap()), "NikPrefix");
    }
}
