//! The grammar of degrees, which follow a name.
//!
//! Behind the first comma, every word that has the form of a degree is one. Without a comma, only degrees whose words are
//! known are, because names end with abbreviations too.

use super::{
    common_names::is_common_name,
    fields::{is_field, is_preposition, opens_degree},
    shape::is_speakable,
    spelling::is_abbreviated_name,
    title_words::{ALONE, DECEASED, DEGREES, HONORIFICS, MARKS, PARTS, WITHIN, length_of, longest},
    word::{Case, Separator, Word},
};

/// The most words that a degree of [`DEGREES`] has.
const MOST_WORDS: usize = 6;

/// Words with which a degree begins if its other parts are known.
const BEGINNINGS: &[&str] = &[
    "A", "AMD", "B", "D", "DIP", "DIPL", "DR", "LIC", "LL", "M", "NS", "PH", "S", "SP", "SST", "STR",
    "SUBSP", "TH",
];

/// Beginnings behind which a field follows in any abbreviation, also behind a blank: `A.Md. Nau.`, `Subsp. Rino.`. The
/// longer ones are followed by initials too, so that the field needs a full stop.
const BEFORE_FIELD: &[&str] =
    &["SP", "SUBSP", "DIP", "DIPL", "LIC", "CAND", "A MD", "A -MA", "S TR", "M TR", "S S T"];

/// Degrees of two parts that are written as one word without capitals in it, such as `Skom`: the second part.
const SECOND_PARTS: &[&str] = &[
    "ARS", "BIO", "BIOMED", "BIOTEK", "EPID", "FARM", "FIL", "GEO", "HUM", "HUT", "IKOM", "KEB", "KED",
    "KEL", "KEP", "KES", "KESOS", "KOM", "KRIM", "LING", "POL", "PSI", "PUST", "SOS", "STAT",
];

/// What the name before the first comma says about the words behind it.
#[derive(Debug, Clone, Copy)]
struct NameBefore {
    case_tells: bool,
    has_several_words: bool,
    /// A degree ends at the comma before.
    ends_with_degree: bool,
}

/// Whether capitals tell something: the name before the first comma is not in capitals only.
pub(super) fn case_tells(words: &[Word]) -> bool {
    let mut until_comma =
        words.iter().enumerate().take_while(|(at, word)| *at == 0 || word.after != Separator::Comma);
    until_comma.any(|(_, word)| word.text.len() > 2 && matches!(word.case, Case::Capitalised | Case::Lower))
        && words.iter().any(|word| word.case != Case::Lower)
}

/// For each word, whether it is part of a degree or a title behind the first comma.
pub(super) fn behind_comma(words: &[Word], case_tells: bool) -> Vec<bool> {
    let before = words.iter().skip(1).take_while(|word| word.after != Separator::Comma).chain(words.first());
    let has_several_words = before.filter(|word| !word.is_initial()).count() > 1;
    let mut is_degree = vec![false; words.len()];
    let mut begins: Vec<_> = words
        .iter()
        .enumerate()
        .skip(1)
        .filter(|(_, word)| word.after == Separator::Comma)
        .map(|(at, _)| at)
        .collect();
    begins.push(words.len());
    for bounds in begins.windows(2) {
        let (mut at, end) = (bounds[0], bounds[1]);
        let name = NameBefore { case_tells, has_several_words, ends_with_degree: is_degree[at - 1] };
        if end == at + 1 {
            let length = length_over_comma(&words[at..]);
            is_degree[at..at + length].fill(true);
        }
        let mut continues = false;
        while at < end {
            let length = length_behind_comma(&words[at..end], continues, name);
            is_degree[at..at + length].fill(true);
            continues = length > 0;
            at += length.max(1);
        }
    }
    is_degree
}

/// The number of words of the degree with which the words begin; 0 if there is none. `continues`: a degree precedes them.
fn length_behind_comma(words: &[Word], continues: bool, name: NameBefore) -> usize {
    let first = &words[0];
    if opens_degree(words) || (continues && is_preposition(first)) {
        return words.len();
    }
    let with_field = length_with_field(words);
    if with_field > 0 {
        return with_field;
    }
    let honorific = longest(HONORIFICS, words);
    let known = honorific.max(longest(DEGREES, words));
    let run = run_length(words);
    // `H.Rizal` is a title and a name.
    let has_name_behind_title = (honorific..run).any(|at| honorific > 0 && !is_part(&words[at]));
    if known > run || (has_name_behind_title && known == honorific) {
        return known;
    }
    if run > 1 && is_degree_run(&words[..run]) {
        return run + length_of_rest(&words[run..]);
    }
    if known == 1 && !is_name_by_case(first, name.case_tells) {
        return 1 + length_of_rest(&words[1..]);
    }
    if known > 1 { known } else { length_by_form(words, continues, name) }
}

/// The number of words of a degree that is recognised by its form only.
fn length_by_form(words: &[Word], continues: bool, name: NameBefore) -> usize {
    let NameBefore { case_tells, has_several_words, ends_with_degree } = name;
    let first = &words[0];
    // `Pratama, M. Rizal` has the surname first. Behind a name of several words, `M. Sosio` is a degree.
    let is_degree_after_dot = |next: &Word| {
        has_several_words
            && first.is_initial()
            && first.dot
            && !next.text.contains('\'')
            && next.text.len() < 9
    };
    let next = words
        .get(1)
        .filter(|next| !is_kept_name(&next.text) && (follows(next, case_tells) || is_degree_after_dot(next)))
        .map_or(0, |_| run_length(&words[1..]));
    if first.is_initial() || (next > 0 && first.dot && is_known_part(&first.text)) {
        return if next > 0 || continues { 1 + next } else { 0 };
    }
    let is_within = || {
        let text = &*first.text;
        [WITHIN, ALONE].iter().any(|words| words.contains(&text)) || is_part(first) || is_field(text)
    };
    // `CEng MICE`, and `S.E., CERA`: behind a degree, capitals are another one.
    let is_in_capitals = case_tells && first.case == Case::Upper && first.text.len() < 7;
    let continues = continues && (first.in_parentheses || is_within() || is_in_capitals);
    let is_next = ends_with_degree && is_in_capitals;
    if continues || is_next || is_degree_alone(first, words.get(1), case_tells) {
        return 1 + length_of_rest(&words[1..]);
    }
    0
}

/// The number of words that full stops join, without blanks: 3 for `A.Md.Kom`.
fn run_length(words: &[Word]) -> usize {
    1 + words.windows(2).take_while(|pair| pair[0].dot && pair[1].after == Separator::Punctuation).count()
}

/// The number of words of a degree with a field of any form; 0 if there is none: `Sp. Ger.`, `A. Md. Nau.`, `Sp.OT(K)Spine`,
/// `K-Spine`.
fn length_with_field(words: &[Word]) -> usize {
    let joined =
        |from: usize| words[from..].iter().take_while(|word| word.after == Separator::Punctuation).count();
    let first = &words[0];
    if first.text == "K" && !first.dot {
        let joined = joined(1);
        return if joined > 0 { 1 + joined } else { 0 };
    }
    let beginning = longest(BEFORE_FIELD, words);
    let Some(field) = words.get(beginning).filter(|_| beginning > 0) else { return 0 };
    let is_joined = field.after == Separator::Punctuation;
    let is_specialist = beginning == 1 && first.text.len() > 1;
    let is_separated = words[beginning - 1].dot || (is_specialist && is_joined);
    let may_be_field = !is_abbreviated_name(&field.text) && (field.dot || is_specialist || is_joined);
    if is_separated && may_be_field { beginning + 1 + joined(beginning + 1) } else { 0 }
}

/// The number of words of a degree in which a comma stands in the place of the first full stop: 2 for `S,Kom`; 0 if there is
/// none. `S, ST` is an initial and a degree.
pub(super) fn length_over_comma(words: &[Word]) -> usize {
    let [initial, next, ..] = words else { return 0 };
    let is_letter = initial.is_initial() && !initial.dot;
    let may_continue = next.text.len() > 1 && longest(DEGREES, &words[1..]) == 0;
    if is_letter && may_continue { longest(DEGREES, words) } else { 0 }
}

/// The number of words that other punctuation joins to a degree: 1 for `(K)` in `Sp.A(K)`, and for `KGH` in `Sp.PD-KGH`.
fn length_of_rest(words: &[Word]) -> usize {
    let joined = |word: &&Word| {
        word.after == Separator::Punctuation && (word.in_parentheses || word.is_initial() || is_part(word))
    };
    words.iter().take_while(joined).count()
}

/// Whether words that full stops join are a degree: almost always, unless the first one is a name or its abbreviation.
fn is_degree_run(run: &[Word]) -> bool {
    let (first, others) = (&run[0], &run[1..]);
    if run.iter().any(|word| word.text.contains('\'')) {
        return false;
    }
    if others.iter().any(|word| is_kept_name(&word.text)) {
        return false;
    }
    let has_name = others.iter().any(|word| !is_part(word));
    let is_known = is_part(first) || ALONE.contains(&&*first.text);
    let is_name = is_abbreviated_name(&first.text) || (first.text.len() > 2 && !is_known);
    !(is_name && has_name) && (first.text.len() < 4 || is_known)
}

/// Whether a word can be a part of a degree after its beginning: it is known, short, or not speakable.
fn is_part(word: &Word) -> bool {
    let text = &*word.text;
    text.len() < 3 || is_known_part(text) || (!text.contains('\'') && !is_speakable(text))
}

/// Whether a word behind a blank continues the degree that an abbreviation with a full stop began: `M. AKes`.
fn follows(word: &Word, case_tells: bool) -> bool {
    is_part(word)
        || (word.case == Case::Mixed && word.parts.iter().all(|part| is_part_of_word(part)))
        || (word.case == Case::Upper && case_tells && word.text.len() < 4)
}

fn is_part_of_word(part: &str) -> bool {
    part.len() < 3 || is_known_part(part) || !is_speakable(part)
}

fn is_known_part(text: &str) -> bool {
    let of_degrees = || DEGREES.iter().flat_map(|degree| degree.split([' ', '-']));
    PARTS.contains(&text) || of_degrees().any(|part| part == text)
}

/// Whether a word behind a comma, without full stops in it, is a degree.
fn is_degree_alone(word: &Word, next: Option<&Word>, case_tells: bool) -> bool {
    let text = &*word.text;
    if text.contains('\'') {
        return false;
    }
    if is_abbreviated_name(text) || text == "MD" {
        // A master of occupational health, if nothing follows.
        return next.is_none() && case_tells && word.case == Case::Upper;
    }
    let is_mark = MARKS.contains(&text) && word.case == Case::Upper;
    let is_marked = (word.dot || word.in_parentheses) && is_known_part(text);
    if ALONE.contains(&text) || is_mark || is_marked || is_written_together(text) || is_field(text) {
        return true;
    }
    let is_abbreviation = !is_speakable(text);
    match word.case {
        Case::Mixed => has_parts_of_degree(word),
        // Names in capitals behind a name that is not are rare. Those that end in a vowel, such as `SARI`, are kept.
        Case::Upper if case_tells => {
            let may_be_name = is_kept_name(text)
                || text.len() > 5
                || (text.len() > 3 && text.ends_with(['A', 'E', 'I', 'O', 'U', 'Y']));
            // `MAPPI (Cert)`
            let is_explained = next.is_some_and(|next| next.in_parentheses && is_part(next));
            is_abbreviation || word.dot || !may_be_name || is_explained
        }
        Case::Upper | Case::Capitalised | Case::Lower => is_abbreviation,
    }
}

/// Whether a word is that of a common name, and no known part of a degree.
fn is_kept_name(text: &str) -> bool {
    is_common_name(text) && !is_known_part(text)
}

/// `SKOM`, of two parts.
fn is_written_together(text: &str) -> bool {
    ["AMD", "S", "M", "SP", "STR"]
        .iter()
        .any(|begin| text.strip_prefix(begin).is_some_and(|rest| SECOND_PARTS.contains(&rest)))
}

/// Whether the capitals in a word divide it as they divide a degree (`MEngSc`) and not as they do a name (`NurHaliza`).
fn has_parts_of_degree(word: &Word) -> bool {
    let is_abbreviation = |part: &String| part.len() > 1 && part != "MC" && !is_speakable(part);
    let begins = word.parts.first().is_some_and(|first| first.len() == 1 || BEGINNINGS.contains(&&**first));
    begins
        || word.leading_capitals > 2
        || word.parts.iter().any(is_abbreviation)
        || word.parts.iter().all(|part| is_part_of_word(part))
}

/// Whether the case of a word says that it is a name's: `Ma` in `Jack Ma`, as opposed to `MA`.
fn is_name_by_case(word: &Word, case_tells: bool) -> bool {
    let text = &*word.text;
    case_tells
        && !word.dot
        && matches!(word.case, Case::Capitalised | Case::Lower)
        && is_speakable(text)
        && !ALONE.contains(&text)
        && !is_written_together(text)
}

/// The number of words of the degree at the end of a name without a comma; 0 if there is none.
pub(super) fn length_at_end(words: &[Word], case_tells: bool) -> usize {
    let Some(last) = words.last() else { return 0 };
    if last.in_parentheses && DECEASED.contains(&&*last.text) {
        return 1;
    }
    let is_known = |length: &usize| {
        let end = &words[words.len() - length..];
        let mut titles = HONORIFICS.iter().filter(|title| **title != "H").chain(DEGREES);
        titles.any(|title| length_of(title, end) == Some(*length))
    };
    let known = (1..=words.len().min(MOST_WORDS)).rev().find(is_known).unwrap_or(0);
    if known > 1 || (known == 1 && !is_name_by_case(last, case_tells) && !is_last_name(words, case_tells)) {
        return known;
    }
    let text = &*last.text;
    let joined = words.windows(2).rev().take_while(|pair| pair[1].after == Separator::Punctuation).count();
    if joined > 0 && is_known_run(&words[words.len() - 1 - joined..]) {
        return joined + 1;
    }
    let is_mark = last.case == Case::Upper && MARKS.contains(&text) && (case_tells || !is_speakable(text));
    let is_mixed = last.case == Case::Mixed
        && BEGINNINGS.contains(&&*last.parts[0])
        && last.parts[1..].iter().all(|part| part.len() > 1 && is_known_part(part) || part == "D");
    let is_alone = ["AK", "GR", "MBA", "NERS", "PSIKOLOG"].contains(&text) || is_written_together(text);
    usize::from(is_mark || is_mixed || is_alone)
}

/// Whether the last word of two, such as `SE` in `TAN SE`, is more probably a name than a degree.
fn is_last_name(words: &[Word], case_tells: bool) -> bool {
    let [before @ .., last] = words else { return false };
    let is_marked = last.dot || (case_tells && last.case == Case::Upper);
    before.len() < 2 && !is_marked && last.text.len() < 4 && is_speakable(&last.text)
}

/// Whether words that punctuation joins are a degree of known parts: `S.Sosio`, `Sp.OG(K)`.
fn is_known_run(run: &[Word]) -> bool {
    let (first, others) = (&run[0], &run[1..]);
    let is_known = |word: &Word| word.is_initial() || is_known_part(&word.text) || !is_speakable(&word.text);
    first.dot
        && BEGINNINGS.contains(&&*first.text)
        && others.iter().all(is_known)
        && others.iter().any(|word| !word.is_initial())
}
