pub use self::rules::{NameMatch, NameRule, NameRules};
use self::{
    rules::RuleSet,
    word::{Word, words},
};
use crate::{folding::fold, redacted::debug_as_name};

mod common_names;
mod degrees;
mod escapes;
mod fields;
mod rules;
mod shape;
mod spelling;
mod title_words;
mod titles;
mod word;

/// A name of a request or of the registry, for comparison: `Hj. Siti Ma'rufah, S.Pd.` and `SITI MARUFAH` are the same.
///
/// Case, accents, punctuation, spaces and apostrophes never matter: names are compared after Unicode NFKD, without
/// combining marks, in upper case, without apostrophes of all kinds, and with a space for other punctuation. Letters of
/// every script are kept. Each further [`NameRule`] can be switched off.
///
/// **Titles.** Behind the first comma, each word that has the form of a degree is removed: abbreviations with full stops
/// or capitals, and words without the form of a name. What has the form of a name is kept, so `Siti Aminah, Sari` is
/// another person than `Siti Aminah`. Without a comma, known degrees are removed at the end, and honorifics always at the
/// beginning. A title within a name is a name, and a name is never reduced to nothing. Titles of nobility (Raden, Andi,
/// Teuku, Cut, I Gusti, Ni Putu) belong to the name.
///
/// Last initials that are spelt like a degree count as one: `Suparman S.H.` compares as `SUPARMAN`, whether he is a lawyer
/// or has two initials. The error is on the side of a match and affects both names equally; NIK, date of birth and face
/// still distinguish two people.
///
/// ```
/// use padan_domain::{NameRules, PersonName};
/// let sent = PersonName::parse("Moh. Rizal Pratama")?;
/// let registered = PersonName::parse("DR. MUHAMMAD RIZAL PRATAMA, M.Kom")?;
/// let matched = sent.compare(&registered, &NameRules::DEFAULT);
/// assert_eq!(matched.unwrap().to_string(), "titles, spelling");
/// assert!(sent.compare(&registered, &NameRules::NONE).is_none());
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

/// A name after all rules that are switched on.
#[derive(Clone, PartialEq, Eq)]
pub struct ReducedName {
    words: Vec<String>,
    rules: RuleSet,
}

debug_as_name!(ReducedName);

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
        let is_empty = fold(text).chars().all(char::is_whitespace);
        if is_empty { Err(InvalidPersonName::Empty) } else { Ok(Self(text.into())) }
    }

    /// The name after all rules that are switched on.
    pub fn reduced(&self, rules: &NameRules) -> ReducedName {
        let base = self.base(rules);
        let titles = rules.titles.then(|| titles::without_titles(&base.words));
        base.reading(titles.as_deref(), rules.spelling, rules.single_names)
    }

    /// The rules by which two names match; `None` if they differ. The relation is symmetric.
    ///
    /// A rule is reported only if the names differ without it.
    pub fn compare(&self, other: &Self, rules: &NameRules) -> Option<NameMatch> {
        if words_of(&self.0) == words_of(&other.0) {
            return Some(NameMatch(RuleSet::default()));
        }
        let (ours, theirs) = (self.readings(rules), other.readings(rules));
        let pairs = ours.iter().flat_map(|one| theirs.iter().map(move |another| (one, another)));
        pairs
            .filter_map(|(one, another)| one.rules_to_match(another, rules))
            .min_by_key(|rules| (rules.len(), *rules))
            .or_else(|| self.reduced(rules).rules_to_be_similar(&other.reduced(rules), rules))
            .map(NameMatch)
    }

    /// The ways to read the name: with each rule applied or not. Different readings let a comparison report the fewest
    /// rules, and recognise a name whose end is a degree by its form in one of two spellings only.
    fn readings(&self, rules: &NameRules) -> Vec<ReducedName> {
        let base = self.base(rules);
        let without_titles = rules.titles.then(|| titles::without_titles(&base.words));
        let choices = |is_on: bool| -> &'static [bool] { if is_on { &[false, true] } else { &[false] } };
        let mut readings = Vec::new();
        for titles in [None, without_titles.as_deref()] {
            for spelling in choices(rules.spelling) {
                for single_names in choices(rules.single_names) {
                    let reading = base.reading(titles, *spelling, *single_names);
                    if !readings.contains(&reading) {
                        readings.push(reading);
                    }
                }
            }
        }
        readings
    }

    fn base(&self, rules: &NameRules) -> Base {
        let unescaped = Some(&*self.0).filter(|_| rules.escapes).and_then(escapes::undo);
        // An escape may be all that a name consists of.
        let unescaped = unescaped.filter(|unescaped| Self::parse(unescaped).is_ok());
        let words = words(unescaped.as_deref().unwrap_or(&self.0), rules.apostrophes);
        let rules = RuleSet::default();
        Base { words, rules: if unescaped.is_some() { rules.with(NameRule::Escapes) } else { rules } }
    }
}

/// The words of a name before rules about words are applied.
struct Base {
    words: Vec<Word>,
    rules: RuleSet,
}

impl Base {
    /// One reading. `without_titles`: the words that are left without titles, if titles are removed.
    fn reading(&self, without_titles: Option<&[Word]>, spelling: bool, single_names: bool) -> ReducedName {
        let kept = without_titles.unwrap_or(&self.words);
        let mut reading =
            ReducedName { words: kept.iter().map(|word| word.text.clone()).collect(), rules: self.rules };
        if kept.len() < self.words.len() {
            reading.rules = reading.rules.with(NameRule::Titles);
        }
        let unified = spelling::unified(&reading.words);
        if spelling && unified != reading.words {
            reading = ReducedName { words: unified, rules: reading.rules.with(NameRule::Spelling) };
        }
        match spelling::single_name(&reading.words) {
            Some(words) if single_names => {
                ReducedName { words, rules: reading.rules.with(NameRule::SingleNames) }
            }
            _ => reading,
        }
    }
}

impl ReducedName {
    /// The name in upper case, without apostrophes.
    pub fn text(&self) -> String {
        self.words.join(" ").replace('\'', "")
    }

    /// The rules that changed the name.
    pub fn rules(&self) -> impl Iterator<Item = NameRule> {
        self.rules.rules()
    }

    fn rules_to_match(&self, other: &Self, rules: &NameRules) -> Option<RuleSet> {
        let applied = self.rules.and(other.rules);
        if self.text() == other.text() {
            // Without a rule, only a character in the place of an apostrophe can make names equal that were not.
            return Some(if applied.len() == 0 { applied.with(NameRule::Apostrophes) } else { applied });
        }
        let blank_for_apostrophe = rules.apostrophes && match_up_to_apostrophes(&self.words, &other.words);
        blank_for_apostrophe.then(|| applied.with(NameRule::Apostrophes))
    }

    fn rules_to_be_similar(&self, other: &Self, rules: &NameRules) -> Option<RuleSet> {
        let (one, another) = (self.text(), other.text());
        // The algorithm pairs letters greedily from its first argument, so the order can change the result.
        let (first, second) = if one < another { (one, another) } else { (another, one) };
        (strsim::jaro_winkler(&first, &second) >= rules.jaro_winkler?)
            .then(|| self.rules.and(other.rules).with(NameRule::JaroWinkler))
    }
}

/// The words in upper case without apostrophes, to which no rule was applied.
fn words_of(text: &str) -> Vec<String> {
    words(text, false).iter().map(Word::letters).collect()
}

/// Whether names agree if an apostrophe in one may be an apostrophe, a blank or nothing in the other.
fn match_up_to_apostrophes(one: &[String], other: &[String]) -> bool {
    let (one, other) = (one.join(" "), other.join(" "));
    let (mut one, mut other) = (one.chars().peekable(), other.chars().peekable());
    loop {
        match (one.peek().copied(), other.peek().copied()) {
            (None, None) => return true,
            (Some('\''), Some('\'' | ' ')) | (Some(' '), Some('\'')) => {
                one.next();
                other.next();
            }
            (Some('\''), _) => drop(one.next()),
            (_, Some('\'')) => drop(other.next()),
            (a, b) if a == b => {
                one.next();
                other.next();
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests;
