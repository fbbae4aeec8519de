use std::ops::RangeInclusive;

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// Apostrophes, and the quotes, primes, accents and modifier letters that are typed instead of one.
pub(crate) const APOSTROPHES: &[RangeInclusive<char>] = &[
    '\''..='\'',
    '`'..='`',
    '\u{b4}'..='\u{b4}',
    '\u{2b9}'..='\u{2bf}',
    '\u{2c8}'..='\u{2c8}',
    '\u{2ca}'..='\u{2cb}',
    '\u{55a}'..='\u{55a}',
    '\u{5f3}'..='\u{5f3}',
    '\u{1fbd}'..='\u{1fbd}',
    '\u{1fbf}'..='\u{1fbf}',
    '\u{1fef}'..='\u{1fef}',
    '\u{1ffd}'..='\u{1ffe}',
    '\u{2018}'..='\u{201b}',
    '\u{2032}'..='\u{2032}',
    '\u{2035}'..='\u{2035}',
    '\u{a78b}'..='\u{a78c}',
    '\u{ff07}'..='\u{ff07}',
    '\u{ff40}'..='\u{ff40}',
];

/// Soft hyphens, joiners, direction marks and the byte order mark, which copied text often contains.
pub(crate) const INVISIBLE: &[RangeInclusive<char>] = &[
    '\u{ad}'..='\u{ad}',
    '\u{61c}'..='\u{61c}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{2064}',
    '\u{2066}'..='\u{206f}',
    '\u{feff}'..='\u{feff}',
];

/// Folds a text for comparison: upper-case letters and digits, with a space in place of each other character.
/// Accents, apostrophes and invisible characters are deleted, because they occur within words.
///
/// The result is blank only when the text has neither letter nor digit. Some letters, such as the Arabic presentation
/// forms of a vowel sign, decompose into marks alone; a text of only such letters keeps them unchanged.
pub(crate) fn fold(text: &str) -> String {
    let plain = plain(text);
    plain.chars().filter(|c| *c != '\'').flat_map(char::to_uppercase).map(letter_or_space).collect()
}

/// The text after Unicode NFKD, without combining marks and invisible characters. Case and punctuation are kept, and
/// every kind of apostrophe is `'`. A text whose letters all decompose into marks is not decomposed.
pub(crate) fn plain(text: &str) -> String {
    let visible: String = text.chars().filter_map(simplified).collect();
    let plain: String = visible.nfkd().filter(|c| !is_combining_mark(*c)).filter_map(simplified).collect();
    if plain.chars().any(char::is_alphanumeric) { plain } else { visible }
}

/// The character, with `'` for each apostrophe; `None` for an invisible one.
fn simplified(c: char) -> Option<char> {
    let is_in = |ranges: &[RangeInclusive<char>]| ranges.iter().any(|range| range.contains(&c));
    match c {
        _ if is_in(APOSTROPHES) => Some('\''),
        _ if is_in(INVISIBLE) => None,
        other => Some(other),
    }
}

fn letter_or_space(c: char) -> char {
    if c.is_alphanumeric() { c } else { ' ' }
}
