//! Removes titles: honorifics before a name, degrees behind it.

use super::{
    degrees,
    title_words::{HONORIFICS, longest},
    word::{Separator, Word},
};

/// Words that are titles before a name only. After a name they are part of it.
const WORDS_BEFORE: &[&str] = &[
    "HAJI",
    "HAJJAH",
    "KIAI",
    "KYAI",
    "KAPTEN",
    "KOLONEL",
    "JENDERAL",
    "PASTOR",
    "ROMO",
    "USTAD",
    "USTADZ",
    "USTADZAH",
    "USTAZ",
    "USTAZAH",
    "PROFESOR",
    "DOKTER",
    "INSINYUR",
    "APOTEKER",
    "BIDAN",
    "TUAN",
    "NYONYA",
    "SAUDARA",
    "SAUDARI",
    "BAPAK",
    "IBU",
    "PAK",
    "ALMARHUM",
    "ALMARHUMAH",
];

/// Abbreviations that are titles before a name only with a full stop. Without one they are a name or initials, as in
/// `AR Fachruddin`.
const WITH_STOP_BEFORE: &[&str] = &[
    "ADV", "AN", "AR", "BD", "BU", "BY", "CAND", "HI", "JEND", "KOL", "MS", "NOT", "PSI", "RP", "SR", "USTZH",
];

/// What continues a title before a name, and is no name: branches of the forces.
const CONTINUATIONS: &[&str] = &["CAJ", "CHB", "CPM", "CZI", "INF", "KAV", "POLRI", "TNI"];

/// What continues a title before a name if it has a full stop or is in parentheses: `Dr. Eng.`, `Prof. (Ris.)`.
const MARKED_CONTINUATIONS: &[&str] =
    &["ART", "CAND", "ENG", "HC", "HON", "ING", "MAR", "NAT", "PHIL", "POL", "PNB", "PURN", "RER", "RIS"];

/// The words without titles. At least one word is always left.
pub(super) fn without_titles(words: &[Word]) -> Vec<Word> {
    let mut begin = 0;
    let mut last_title = 0;
    while let length @ 1.. = honorific_length(&words[begin..]) {
        if begin + length >= words.len() {
            break;
        }
        last_title = begin;
        begin += length;
    }
    let case_tells = degrees::case_tells(&words[begin..]);
    let mut is_title = degrees::behind_comma(&words[begin..], case_tells);
    if begin > 0 && words[begin].after == Separator::Comma && all_degrees(&words[begin..], case_tells) {
        // Nothing but titles: the last of those before the comma is the name.
        is_title = vec![true; words.len() - last_title];
        is_title[0] = false;
        begin = last_title;
    }
    let words = &words[begin..];
    let mut end =
        words.iter().skip(1).position(|word| word.after == Separator::Comma).map_or(words.len(), |at| at + 1);
    // `Budi Santoso S,Kom`
    let over_comma = if end > 1 { degrees::length_over_comma(&words[end - 1..]) } else { 0 };
    if end < words.len() && over_comma > 0 {
        end -= 1;
        is_title[end..end + over_comma].fill(true);
    }
    while let length @ 1.. = degrees::length_at_end(&words[..end], case_tells) {
        if length >= end {
            break;
        }
        is_title[end - length..end].fill(true);
        end -= length;
    }
    words.iter().zip(is_title).filter(|(_, is_title)| !is_title).map(|(word, _)| word.clone()).collect()
}

fn all_degrees(words: &[Word], case_tells: bool) -> bool {
    let mut words = words.to_vec();
    let name = Word { after: Separator::Punctuation, text: "X".to_owned(), ..words[0].clone() };
    words.insert(0, name);
    degrees::behind_comma(&words, case_tells)[1..].iter().all(|is_title| *is_title)
}

/// The number of words of the title with which a name begins; 0 if it begins with none.
fn honorific_length(words: &[Word]) -> usize {
    let Some(first) = words.first() else { return 0 };
    let alone =
        WORDS_BEFORE.contains(&&*first.text) || (first.dot && WITH_STOP_BEFORE.contains(&&*first.text));
    match longest(HONORIFICS, words).max(usize::from(alone)) {
        0 => 0,
        length => length + words[length..].iter().take_while(|word| continues_title(word)).count(),
    }
}

fn continues_title(word: &Word) -> bool {
    let text = &*word.text;
    CONTINUATIONS.contains(&text)
        || ((word.dot || word.in_parentheses) && MARKED_CONTINUATIONS.contains(&text))
}
