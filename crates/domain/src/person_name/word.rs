use crate::{folding::plain, redacted::debug_as_name};

/// A word of a name: letters and digits without anything else between them, apart from apostrophes.
#[derive(Clone)]
pub(super) struct Word {
    /// The word in upper case. Apostrophes within it are kept as `'`.
    pub(super) text: String,
    /// The case of its letters as they were written.
    pub(super) case: Case,
    /// The parts between its capitals, in upper case: `SPd` has `S` and `PD`. One part if its case says nothing.
    pub(super) parts: Vec<String>,
    /// The number of capitals with which it was written at its beginning: 4 for `ACIArb`.
    pub(super) leading_capitals: usize,
    /// A full stop follows directly.
    pub(super) dot: bool,
    /// What separates it from the word before.
    pub(super) after: Separator,
    /// It is in parentheses.
    pub(super) in_parentheses: bool,
}

debug_as_name!(Word);

/// The case in which a word was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// `SKOM`, `S`
    Upper,
    /// `Skom`
    Capitalised,
    /// `skom`
    Lower,
    /// `SKom`, `PhD`
    Mixed,
}

/// What separates two words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    /// Punctuation without a blank, such as the full stop in `S.Kom`; or nothing, for the first word.
    Punctuation,
    /// A blank.
    Blank,
    /// A comma.
    Comma,
}

/// Splits a name into words. With `repairs`, a character that a program put in the place of an apostrophe counts as one.
pub(super) fn words(text: &str, repairs: bool) -> Vec<Word> {
    let characters: Vec<char> = plain(text).chars().collect();
    let letter_at = |position: usize| characters.get(position).is_some_and(|c| c.is_alphanumeric());
    let mut words = Vec::new();
    let (mut written, mut after, mut depth) = (String::new(), Separator::Punctuation, 0_u32);
    for (position, c) in characters.iter().copied().chain(['\n']).enumerate() {
        let replaces_apostrophe = repairs && matches!(c, '?' | '\u{fffd}' | '"' | '\u{201c}' | '\u{201d}');
        let is_apostrophe =
            c == '\'' || (replaces_apostrophe && !written.is_empty() && letter_at(position + 1));
        if c.is_alphanumeric() || is_apostrophe {
            written.push(if is_apostrophe { '\'' } else { c });
            continue;
        }
        // An apostrophe between two blanks, or at the end of a word, separates nothing.
        if let Some(word) = Word::new(&std::mem::take(&mut written), c == '.', after, depth > 0) {
            words.push(word);
            after = Separator::Punctuation;
        }
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            ',' | ';' | '\u{60c}' | '\u{3001}' | '\u{ff0c}' => after = Separator::Comma,
            c if c.is_whitespace() && after == Separator::Punctuation => after = Separator::Blank,
            _ => {}
        }
    }
    words
}

impl Word {
    fn new(written: &str, dot: bool, after: Separator, in_parentheses: bool) -> Option<Self> {
        let written = written.trim_matches('\'');
        let mut text = String::with_capacity(written.len());
        for c in written.chars().flat_map(char::to_uppercase).filter(|c| c.is_alphanumeric() || *c == '\'') {
            if c != '\'' || !text.ends_with('\'') {
                text.push(c);
            }
        }
        if text.is_empty() {
            return None;
        }
        let case = Case::of(written);
        let parts = if case == Case::Mixed { parts_between_capitals(written) } else { vec![text.clone()] };
        let leading_capitals = written.chars().take_while(|c| c.is_uppercase()).count();
        Some(Self { text, case, parts, leading_capitals, dot, after, in_parentheses })
    }

    /// Whether the word is one letter.
    pub(super) fn is_initial(&self) -> bool {
        self.text.chars().count() == 1
    }

    /// The text without apostrophes.
    pub(super) fn letters(&self) -> String {
        self.text.replace('\'', "")
    }
}

impl Case {
    fn of(written: &str) -> Self {
        let is_lower = |c: char| c.is_lowercase();
        let mut letters = written.chars().filter(|c| c.is_alphabetic());
        match letters.next() {
            Some(first) if is_lower(first) => {
                if letters.all(is_lower) {
                    Self::Lower
                } else {
                    Self::Mixed
                }
            }
            _ => {
                let rest: Vec<_> = letters.collect();
                match (rest.iter().any(|c| is_lower(*c)), rest.iter().all(|c| is_lower(*c))) {
                    (false, _) => Self::Upper,
                    (true, true) => Self::Capitalised,
                    (true, false) => Self::Mixed,
                }
            }
        }
    }
}

/// `MEngSc` as `M`, `ENG` and `SC`; `LLM` would be one part. The last capital of several begins a new part: `SKom` as
/// `S` and `KOM`.
fn parts_between_capitals(written: &str) -> Vec<String> {
    let characters: Vec<char> = written.chars().filter(|c| *c != '\'').collect();
    let mut parts: Vec<String> = Vec::new();
    for (position, c) in characters.iter().enumerate() {
        let begins_part = c.is_uppercase()
            && (characters.get(position + 1).is_some_and(|next| next.is_lowercase())
                || position.checked_sub(1).is_some_and(|before| characters[before].is_lowercase()));
        if begins_part || parts.is_empty() {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.extend(c.to_uppercase());
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        words(text, true).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn names_are_split_at_everything_but_apostrophes() {
        assert_eq!(split("Ma'ruf  Abdul-Rahman, S.Kom."), ["MA'RUF", "ABDUL", "RAHMAN", "S", "KOM"]);
        assert_eq!(split("'Aisyah ' Nur''ain'"), ["AISYAH", "NUR'AIN"]);
        assert_eq!(split("Ma?ruf Ma\u{fffd}ruf Ma\"ruf Budi?"), ["MA'RUF", "MA'RUF", "MA'RUF", "BUDI"]);
        assert_eq!(words("Ma?ruf", false).len(), 2);
    }

    #[test]
    fn case_dots_and_separators_are_recorded() {
        let parsed = words("Budi santoso SE, MEngSc. M.Kom (K)", true);
        let cases: Vec<_> = parsed.iter().map(|word| word.case).collect();
        assert_eq!(
            cases,
            [
                Case::Capitalised,
                Case::Lower,
                Case::Upper,
                Case::Mixed,
                Case::Upper,
                Case::Capitalised,
                Case::Upper
            ]
        );
        assert_eq!(parsed[3].parts, ["M", "ENG", "SC"]);
        assert_eq!((parsed[3].after, parsed[3].dot), (Separator::Comma, true));
        assert_eq!((parsed[5].after, parsed[6].after), (Separator::Punctuation, Separator::Blank));
        assert!(parsed[6].in_parentheses && !parsed[5].in_parentheses);
        for (written, parts) in [("SpRad", ["SP", "RAD"]), ("PhD", ["PH", "D"]), ("BAHons", ["BA", "HONS"])] {
            assert_eq!(words(written, true)[0].parts, parts);
        }
    }
}
