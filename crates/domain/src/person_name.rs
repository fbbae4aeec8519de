use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{folding::fold, redacted::debug_as_name};

mod titles;

/// A name, reduced to what is compared: `Hj. Siti Ma'rufah, S.Pd.` and `SITI MARUFAH` are the same.
///
/// In this order: Unicode NFKD, combining marks dropped, upper case, apostrophes of all kinds deleted, other
/// punctuation to spaces, spaces collapsed, academic and religious titles taken off both ends (see below),
/// abbreviations of Muhammad and Abdul written out. Letters of every script are kept.
///
/// **Titles.** A word is a title by its spelling and its place alone, because cards carry titles with and
/// without dots. Hence a `H` or `S E` in the middle stays, and so does a name that is nothing but a title,
/// but a last word or last initials that are spelt like a title are taken for one: `Tan Se` compares as
/// `TAN`, and `Suparman S.H.` as `SUPARMAN`, be it a lawyer or somebody with two initials. This errs on the
/// side of a match, on both names alike; NIK, date of birth and face remain to tell two people apart.
/// Degrees are looked for at the end only, so that initials before a name (`S. H. Mintardja`) stay. Words
/// of nobility (Raden, Andi, Teuku, Cut, I Gusti, Ni Putu) belong to the name.
///
/// ```
/// use padan_domain::{NameRule, PersonName};
/// let asked = PersonName::parse("Moh. Rizal Pratama")?;
/// let registered = PersonName::parse("DR. MUHAMMAD RIZAL PRATAMA, M.Kom")?;
/// assert!(asked.matches(&registered, NameRule::Exact));
/// # Ok::<(), padan_domain::InvalidPersonName>(())
/// ```
#[derive(Clone)]
pub struct PersonName(Box<str>);

debug_as_name!(PersonName);

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPersonName {
    /// Nothing but spaces and punctuation.
    #[error("a name has at least one letter")]
    Empty,
    /// More than 256 characters.
    #[error("a name has at most 256 characters")]
    TooLong,
}

/// When two names are the same, once both are reduced.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NameRule {
    /// Letter by letter.
    Exact,
    /// By the Jaro-Winkler similarity, which forgives a typing error and weighs the beginning most.
    JaroWinkler {
        /// The least similarity that counts as the same, in 0 to 1.
        #[serde(deserialize_with = "zero_to_one")]
        at_least: f64,
    },
}

impl PersonName {
    /// Reduces a name as it was typed or registered.
    pub fn parse(text: &str) -> Result<Self, InvalidPersonName> {
        const MOST_CHARACTERS: usize = 256;
        if text.chars().nth(MOST_CHARACTERS).is_some() {
            return Err(InvalidPersonName::TooLong);
        }
        let reduced = reduce(text);
        if reduced.is_empty() { Err(InvalidPersonName::Empty) } else { Ok(Self(reduced.into())) }
    }

    /// Whether two names are the same by a rule. It does not matter which is asked about which.
    pub fn matches(&self, other: &Self, rule: NameRule) -> bool {
        self.0 == other.0
            || match rule {
                NameRule::Exact => false,
                NameRule::JaroWinkler { at_least } => {
                    // The algorithm pairs letters greedily from its first argument, which can make a
                    // difference.
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
        Err(D::Error::custom(format!("{value} does not lie in 0 to 1")))
    }
}

fn reduce(text: &str) -> String {
    let folded = fold(text);
    let words: Vec<_> = folded.split(' ').filter(|word| !word.is_empty()).collect();
    let name: Vec<_> = titles::without_titles(&words).iter().map(|word| written_out(word)).collect();
    name.join(" ")
}

/// Spellings and abbreviations that stand for one name.
fn written_out(word: &str) -> &str {
    match word {
        "MOH" | "MOCH" | "MUH" | "MUCH" | "MHD" | "MOHD" | "MUHD" | "MOHAMAD" | "MOCHAMAD" | "MUHAMAD"
        | "MUCHAMAD" | "MOHAMMAD" | "MOCHAMMAD" | "MUCHAMMAD" => "MUHAMMAD",
        "ABD" => "ABDUL",
        other => other,
    }
}

#[cfg(test)]
mod tests;
