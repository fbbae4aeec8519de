use crate::{basic_field::BasicField, folding::fold, redacted::debug_as_name};

/// The text of a field, reduced to what is compared: folded as names are, with single spaces between words.
///
/// ```
/// use padan_domain::{BasicField, FieldText};
/// let sent = FieldText::parse(BasicField::Address, "jl kebon jeruk no 7")?;
/// assert!(sent.matches(BasicField::Address, "Jl. Kebon Jeruk No. 7"));
/// # Ok::<(), padan_domain::InvalidFieldText>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct FieldText(Box<str>);

debug_as_name!(FieldText);

/// Why a text is not a value of its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFieldText {
    /// The text has only spaces and punctuation.
    #[error("the field is empty")]
    Empty,
    /// The text is longer than 256 characters, or a family card's number that is not 16 digits.
    #[error("the field has more than 256 characters, or is not the 16 digits of a family card")]
    Malformed,
}

impl FieldText {
    const MAX_CHARS: usize = 256;

    /// Parses the value that a client sent for a field.
    ///
    /// # Errors
    ///
    /// [`InvalidFieldText`] when the text has no letter or digit, is too long, or is not of the field's form.
    pub fn parse(field: BasicField, text: &str) -> Result<Self, InvalidFieldText> {
        if text.chars().nth(Self::MAX_CHARS).is_some() {
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

    /// Whether the registry's value is the same after it is normalised in the same way.
    pub fn matches(&self, field: BasicField, recorded: &str) -> bool {
        *self.0 == *normalise(field, recorded)
    }
}

fn normalise(field: BasicField, text: &str) -> String {
    let folded = fold(text);
    let words = folded.split_whitespace();
    match field {
        // A card has `003`, while a form often has `3`.
        BasicField::Rt | BasicField::Rw => words
            .map(|word| match word.trim_start_matches('0') {
                "" => "0",
                significant => significant,
            })
            .collect::<Vec<_>>()
            .join(" "),
        BasicField::Gender => canonical_gender(&words.collect::<String>()),
        _ => words.collect::<Vec<_>>().join(" "),
    }
}

/// The card's word for a spelling that forms use.
fn canonical_gender(word: &str) -> String {
    match word {
        "LAKILAKI" | "LAKI" | "L" | "PRIA" | "MALE" => "LAKILAKI".to_owned(),
        "PEREMPUAN" | "P" | "WANITA" | "FEMALE" => "PEREMPUAN".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        folding::{APOSTROPHES, INVISIBLE},
        person_name::{NameRules, PersonName},
    };

    #[test]
    fn invalid_texts_are_refused() {
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

        #[test]
        fn fields_and_names_ignore_the_same_characters(before in "[a-z]{2,9}", after in "[a-z]{2,9}") {
            let plain = format!("{before}{after}");
            let name = PersonName::parse(&plain).unwrap();
            for character in [APOSTROPHES, INVISIBLE].into_iter().flatten().cloned().flatten() {
                let written = format!("{before}{character}{after}");
                let field = FieldText::parse(BasicField::Address, &written).unwrap();
                prop_assert!(field.matches(BasicField::Address, &plain), "{:?}", character);
                let same = PersonName::parse(&written).unwrap().compare(&name, &NameRules::NONE).is_some();
                prop_assert!(same, "{:?}", character);
            }
        }
    }
}
