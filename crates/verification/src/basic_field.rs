use std::fmt;

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

macro_rules! basic_fields {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal;)+) => {
        /// A field of basic verification besides the NIK, in the order in which differences are told.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum BasicField {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl BasicField {
            /// Every field, in the documented order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The field's name in forms and answers.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

basic_fields! {
    /// The name.
    Name => "name";
    /// The date of birth.
    DateOfBirth => "date_of_birth";
    /// The number of the family card, 16 digits.
    FamilyCard => "no_kk";
    /// The mother's maiden name.
    MotherMaidenName => "mother_maiden_name";
    /// The place of birth.
    PlaceOfBirth => "place_of_birth";
    /// The street address.
    Address => "address";
    /// The sex, as the card writes it.
    Gender => "gender";
    /// The marital status.
    MaritalStatus => "marital_status";
    /// The occupation.
    JobType => "job_type";
    /// The province.
    Province => "province";
    /// The city or regency.
    City => "city";
    /// The district (kecamatan).
    District => "district";
    /// The subdistrict (kelurahan).
    Subdistrict => "subdistrict";
    /// The neighbourhood (rukun tetangga).
    Rt => "rt";
    /// The community (rukun warga).
    Rw => "rw";
}

/// The text of a field, written so that what people write differently compares as equal: upper case, no
/// accents, punctuation or doubled spaces.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldText(Box<str>);

/// Why a text is no value of its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFieldText {
    /// Nothing but spaces and punctuation.
    #[error("the field is empty")]
    Empty,
    /// Longer than 256 characters, or not of the field's form.
    #[error("the field is not of its form")]
    Malformed,
}

impl FieldText {
    const MAX_CHARS: usize = 256;

    /// Reads what a client sent for a field.
    pub fn parse(field: BasicField, text: &str) -> Result<Self, InvalidFieldText> {
        if text.chars().count() > Self::MAX_CHARS {
            return Err(InvalidFieldText::Malformed);
        }
        let normal = normalise(field, text);
        if normal.is_empty() {
            return Err(InvalidFieldText::Empty);
        }
        let is_number = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_digit());
        if field == BasicField::FamilyCard && !is_number {
            return Err(InvalidFieldText::Malformed);
        }
        Ok(Self(normal.into()))
    }

    /// Whether the registry's value says the same. It is normalised in the same way and never refused.
    pub(crate) fn matches(&self, field: BasicField, recorded: &str) -> bool {
        *self.0 == *normalise(field, recorded)
    }
}

impl fmt::Debug for FieldText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FieldText")
    }
}

/// The letters and digits of a text in upper case, words parted by one space.
fn normalise(field: BasicField, text: &str) -> String {
    let plain: String = text
        .nfkd()
        .filter(|c| !is_combining_mark(*c) && !is_apostrophe(*c))
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .flat_map(char::to_uppercase)
        .collect();
    let words = plain.split_whitespace();
    match field {
        // A card writes 003, a form often 3.
        BasicField::Rt | BasicField::Rw => words
            .map(|word| match word.trim_start_matches('0') {
                "" => "0",
                significant => significant,
            })
            .collect::<Vec<_>>()
            .join(" "),
        BasicField::Gender => canonical_gender(&words.collect::<String>()),
        BasicField::Name
        | BasicField::DateOfBirth
        | BasicField::FamilyCard
        | BasicField::MotherMaidenName
        | BasicField::PlaceOfBirth
        | BasicField::Address
        | BasicField::MaritalStatus
        | BasicField::JobType
        | BasicField::Province
        | BasicField::City
        | BasicField::District
        | BasicField::Subdistrict => words.collect::<Vec<_>>().join(" "),
    }
}

/// The two words of the card for the ways in which forms write them.
fn canonical_gender(word: &str) -> String {
    match word {
        "LAKILAKI" | "LAKI" | "L" | "PRIA" | "MALE" => "LAKILAKI".to_owned(),
        "PEREMPUAN" | "P" | "WANITA" | "FEMALE" => "PEREMPUAN".to_owned(),
        other => other.to_owned(),
    }
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '`' | '\u{2018}' | '\u{2019}' | '\u{02BC}' | '\u{00B4}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_that_are_no_value_are_refused() {
        let parse = FieldText::parse;
        assert_eq!(parse(BasicField::City, " . "), Err(InvalidFieldText::Empty));
        assert_eq!(parse(BasicField::City, &"x".repeat(257)), Err(InvalidFieldText::Malformed));
        assert_eq!(parse(BasicField::FamilyCard, "317401"), Err(InvalidFieldText::Malformed));
        assert!(parse(BasicField::FamilyCard, "3174012002050001").is_ok());
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing(sent in "\\PC{0,40}") {
            for field in BasicField::ALL {
                let once = normalise(*field, &sent);
                prop_assert_eq!(normalise(*field, &once), once);
            }
        }
    }
}
