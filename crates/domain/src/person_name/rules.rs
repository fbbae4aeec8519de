use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};

macro_rules! name_rules {
    ($($variant:ident => $word:literal, $doc:literal;)+) => {
        /// A rule by which two names that are written differently can count as the same.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum NameRule {
            $(#[doc = $doc] $variant,)+
        }

        impl NameRule {
            /// Every rule, in the order in which they are reported.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The rule's name in the settings and in the audit trail.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

name_rules! {
    Escapes => "escapes", "Undoes what programs did to a name: `&#39;`, `%27`, a backslash, `â€™`.";
    Titles => "titles", "Removes honorifics before a name and degrees behind it.";
    Spelling => "spelling", "Gives Muhammad and Abdul one spelling: `Moh.`, `Mohamed`, `M. Rizal`, `Abd.`";
    Apostrophes => "apostrophes", "Accepts a blank in the place of an apostrophe: `Ma ruf` is `Ma'ruf`.";
    SingleNames => "single_names", "Takes one name, doubled or filled up for a form, for itself: `Suparman LNU`.";
    JaroWinkler => "jaro_winkler", "Accepts names that are similar enough.";
}

/// The rules by which names are compared: the table `verification.names` of the settings.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each key of the settings is switched by itself")]
pub struct NameRules {
    /// Whether [`NameRule::Escapes`] applies.
    pub escapes: bool,
    /// Whether [`NameRule::Titles`] applies.
    pub titles: bool,
    /// Whether [`NameRule::Spelling`] applies.
    pub spelling: bool,
    /// Whether [`NameRule::Apostrophes`] applies.
    pub apostrophes: bool,
    /// Whether [`NameRule::SingleNames`] applies.
    pub single_names: bool,
    /// The lowest Jaro-Winkler similarity, in 0 to 1, at which the reduced names count as the same. `None`: they must
    /// agree letter by letter.
    pub jaro_winkler: Option<f64>,
}

/// A set of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct RuleSet(u8);

/// Two names match, and these rules were needed for it. `Display` writes their names, or `exact` if none was needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameMatch(pub(super) RuleSet);

impl NameRules {
    /// No rule: names must agree apart from case, accents, apostrophes and punctuation.
    pub const NONE: Self = Self {
        escapes: false,
        titles: false,
        spelling: false,
        apostrophes: false,
        single_names: false,
        jaro_winkler: None,
    };
    /// Every rule but similarity, as in the built-in settings.
    pub const DEFAULT: Self = Self {
        escapes: true,
        titles: true,
        spelling: true,
        apostrophes: true,
        single_names: true,
        jaro_winkler: None,
    };
}

impl RuleSet {
    pub(super) fn with(self, rule: NameRule) -> Self {
        Self(self.0 | (1 << rule as u8))
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn len(self) -> u32 {
        self.0.count_ones()
    }

    pub(super) fn rules(self) -> impl Iterator<Item = NameRule> {
        NameRule::ALL.iter().copied().filter(move |rule| self.0 & (1 << *rule as u8) != 0)
    }
}

impl NameMatch {
    /// The rules that were needed; none if the names agree without.
    pub fn rules(self) -> impl Iterator<Item = NameRule> {
        self.0.rules()
    }

    /// The names of the rules that were needed, or `exact`.
    pub fn words(self) -> Vec<&'static str> {
        let words: Vec<_> = self.rules().map(NameRule::as_str).collect();
        if words.is_empty() { vec!["exact"] } else { words }
    }
}

impl fmt::Display for NameMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().join(", "))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each key of the settings is switched by itself")]
struct Table {
    escapes: bool,
    titles: bool,
    spelling: bool,
    apostrophes: bool,
    single_names: bool,
    #[serde(default)]
    jaro_winkler: Option<JaroWinkler>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JaroWinkler {
    at_least: f64,
}

impl<'de> Deserialize<'de> for NameRules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AsTable;

        impl<'de> Visitor<'de> for AsTable {
            type Value = NameRules;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table with a key for each rule")
            }

            fn visit_str<E: serde::de::Error>(self, former: &str) -> Result<NameRules, E> {
                Err(E::custom(if former == "exact" {
                    "\"exact\" is the former form of this setting: it is now a table with a key for each rule. Remove \
                     the line for the defaults, or switch rules off, as in names = { titles = false }"
                } else {
                    "this setting is a table with a key for each rule, such as names = { titles = false }"
                }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<NameRules, A::Error> {
                let Table { escapes, titles, spelling, apostrophes, single_names, jaro_winkler } =
                    Table::deserialize(MapAccessDeserializer::new(map))?;
                let jaro_winkler = jaro_winkler.map(|JaroWinkler { at_least }| at_least);
                if let Some(wrong) = jaro_winkler.filter(|at_least| !(0.0..=1.0).contains(at_least)) {
                    return Err(A::Error::custom(format!(
                        "jaro_winkler.at_least: expected a number in 0 to 1, found {wrong}"
                    )));
                }
                Ok(NameRules { escapes, titles, spelling, apostrophes, single_names, jaro_winkler })
            }
        }

        deserializer.deserialize_any(AsTable)
    }
}
