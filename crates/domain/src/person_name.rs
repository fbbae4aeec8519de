use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{folding::fold, redacted::debug_as_name};

mod titles;

/// A name, normalised for comparison: `Hj. Siti Ma'rufah, S.Pd.` and `SITI MARUFAH` are the same.
///
/// The steps, in this order: apply Unicode NFKD, delete combining marks, convert to upper case, delete apostrophes of
/// all kinds, replace other punctuation by spaces, collapse spaces, remove academic and religious titles from both ends
/// (see below), and expand abbreviations of Muhammad and Abdul. Letters of every script are kept.
///
/// **Titles.** Only the spelling and the position of a word decide whether it is a title, because cards have titles
/// with and without dots. A `H` or `S E` in the middle is therefore kept, and so is a name that consists of a title
/// only. But a last word or last initials that are spelt like a title count as one: `Tan Se` compares as `TAN`, and
/// `Suparman S.H.` as `SUPARMAN`, whether he is a lawyer or has two initials. The error is on the side of a match and
/// affects both names equally; NIK, date of birth and face still distinguish two people. Degrees are removed at the end
/// only, so that initials before a name (`S. H. Mintardja`) are kept. Titles of nobility (Raden, Andi, Teuku, Cut, I
/// Gusti, Ni Putu) belong to the name.
///
/// ```
/// use padan_domain::{NameRule, PersonName};
/// let sent = PersonName::parse("Moh. Rizal Pratama")?;
/// let registered = PersonName::parse("DR. MUHAMMAD RIZAL PRATAMA, M.Kom")?;
/// assert!(sent.matches(&registered, NameRule::Exact));
/// # Ok::<(), padan_domain::InvalidPersonName>(())
/// ```
#[derive(Clone)]
pub struct PersonName(Box<str>);

debug_as_name!(PersonName);

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPersonName {
    /// The text has only spaces and punctuation.
    #[error("expected a name with at least one letter")]
    Empty,
    /// The text has more than 256 characters.
    #[error("expected a name of at most 256 characters")]
    TooLong,
}

/// The rule by which two normalised names count as the same.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NameRule {
    /// All characters are equal.
    Exact,
    /// Their Jaro-Winkler similarity is high enough. It tolerates a typing error and gives the beginning the most
    /// weight.
    JaroWinkler {
        /// The lowest similarity that counts as the same, in 0 to 1.
        #[serde(deserialize_with = "zero_to_one")]
        at_least: f64,
    },
}

impl PersonName {
    /// Parses a name of a request or of the registry.
    ///
    /// # Errors
    ///
    /// [`InvalidPersonName`] when the text has no letter or digit, or is too long.
    pub fn parse(text: &str) -> Result<Self, InvalidPersonName> {
        const MAX_CHARS: usize = 256;
        if text.chars().nth(MAX_CHARS).is_some() {
            return Err(InvalidPersonName::TooLong);
        }
        let normal = normalise(text);
        if normal.is_empty() { Err(InvalidPersonName::Empty) } else { Ok(Self(normal.into())) }
    }

    /// Whether two names are the same by a rule. The relation is symmetric.
    pub fn matches(&self, other: &Self, rule: NameRule) -> bool {
        self.0 == other.0
            || match rule {
                NameRule::Exact => false,
                NameRule::JaroWinkler { at_least } => {
                    // The algorithm pairs letters greedily from its first argument, so the order can change the result.
                    let (first, second) =
                        if self.0 < other.0 { (&self.0, &other.0) } else { (&other.0, &self.0) };
                    strsim::jaro_winkler(first, second) >= at_least
                }
            }
    }
}

fn zero_to_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(D::Error::custom(format!("expected a number in 0 to 1, found {value}")))
    }
}

fn normalise(text: &str) -> String {
    let folded = fold(text);
    let words: Vec<_> = folded.split(' ').filter(|word| !word.is_empty()).collect();
    let name: Vec<_> = titles::without_titles(&words).iter().map(|word| expand(word)).collect();
    name.join(" ")
}

/// Replaces variants and abbreviations of a name by one spelling.
fn expand(word: &str) -> &str {
    match word {
        "MOH" | "MOCH" | "MUH" | "MUCH" | "MHD" | "MOHD" | "MUHD" | "MOHAMAD" | "MOCHAMAD" | "MUHAMAD"
        | "MUCHAMAD" | "MOHAMMAD" | "MOCHAMMAD" | "MUCHAMMAD" => "MUHAMMAD",
        "ABD" => "ABDUL",
        other => other,
    }
}

#[cfg(test)]
mod tests;
