//! Undoes what programs do to a name on its way: HTML entities, percent codes, backslashes, and UTF-8 that was read as
//! another encoding.

/// A name may be encoded twice, as in `&amp;#39;` or `%2527`.
const MOST_LAYERS: usize = 3;

/// HTML entities that occur in names.
const ENTITIES: &[(&str, char)] = &[
    ("amp", '&'),
    ("apos", '\''),
    ("quot", '\''),
    ("rsquo", '\''),
    ("lsquo", '\''),
    ("prime", '\''),
    ("acute", '\''),
    ("grave", '\''),
    ("nbsp", ' '),
];

/// The UTF-8 of a quotation mark as other programs show it: read as Mac Roman, as code page 850, or as Windows-1252 with
/// characters that were replaced by a question mark.
const BROKEN_QUOTES: &[&str] = &["‚Äô", "‚Äò", "ÔÇÖ", "ÔÇÿ", "â€?", "â??"];

/// The characters of Windows-1252 at 0x80 to 0x9f; a space where it has none.
const WINDOWS_1252: &str = "€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ";

/// The name without escapes; `None` when it has none.
pub(super) fn undo(text: &str) -> Option<String> {
    let mut current = text.to_owned();
    for _ in 0..MOST_LAYERS {
        let next = undo_layer(&current);
        if next == current {
            break;
        }
        current = next;
    }
    (current != text && current.chars().any(char::is_alphanumeric)).then_some(current)
}

fn undo_layer(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (decoded, length) = match first {
            '&' => entity(rest),
            '%' => percent_codes(rest),
            '\\' => backslash(rest),
            'u' | 'U' if result.chars().next_back().is_some_and(char::is_alphabetic) => lost_backslash(rest),
            '\u{91}' | '\u{92}' => Some(("'".to_owned(), first.len_utf8())),
            _ if first.is_ascii() => None,
            _ => mojibake(rest),
        }
        .unwrap_or_else(|| (first.to_string(), first.len_utf8()));
        result.push_str(&decoded);
        rest = &rest[length..];
    }
    result
}

/// What a text begins with, decoded, and the length of the code.
type Decoded = Option<(String, usize)>;

fn entity(text: &str) -> Decoded {
    let body = text.strip_prefix('&')?;
    if let Some(number) = body.strip_prefix('#') {
        let (digits, radix) = match number.strip_prefix(['x', 'X']) {
            Some(hexadecimal) => (hexadecimal, 16),
            None => (number, 10),
        };
        let length = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
        let is_closed = digits[length..].starts_with(';');
        let code = u32::from_str_radix(digits.get(..length).filter(|_| length <= 6)?, radix).ok()?;
        let prefix = text.len() - digits.len();
        // A decimal number ends where its digits end, even without a semicolon.
        let is_code = is_closed || radix == 10;
        let decoded = windows_1252_control(code).filter(|_| is_code)?;
        return Some((decoded.to_string(), prefix + length + usize::from(is_closed)));
    }
    let (name, _) = body.split_once(';')?;
    let (_, decoded) = ENTITIES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some((decoded.to_string(), name.len() + 2))
}

/// The character of a code. 145 and 146 are quotation marks of Windows-1252, which browsers accept.
fn windows_1252_control(code: u32) -> Option<char> {
    match code {
        0x91 | 0x92 => Some('\''),
        0 => None,
        code => char::from_u32(code),
    }
}

/// Percent codes in a row, which together are UTF-8 or one character of Windows-1252.
fn percent_codes(text: &str) -> Decoded {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(code) = rest.strip_prefix('%').and_then(|code| code.get(..2)) {
        let Ok(byte) = u8::from_str_radix(code, 16) else { break };
        bytes.push(byte);
        rest = &rest[3..];
    }
    let length = text.len() - rest.len();
    match (&bytes[..], std::str::from_utf8(&bytes)) {
        ([] | [0], _) => None,
        (_, Ok(decoded)) => Some((decoded.to_owned(), length)),
        ([0x91 | 0x92 | 0xb4], Err(_)) => Some(("'".to_owned(), length)),
        (_, Err(_)) => None,
    }
}

/// `\'`, `\\`, `\u2019`, `\x27`.
fn backslash(text: &str) -> Decoded {
    let escaped = text.strip_prefix('\\')?;
    if let Some(digits) = escaped.strip_prefix(['u', 'U']).and_then(|digits| digits.get(..4)) {
        return Some((char::from_u32(u32::from_str_radix(digits, 16).ok()?)?.to_string(), 6));
    }
    if let Some(digits) = escaped.strip_prefix(['x', 'X']).and_then(|digits| digits.get(..2)) {
        return Some((char::from(u8::from_str_radix(digits, 16).ok()?).to_string(), 4));
    }
    // What follows is kept: a quotation mark, or another backslash.
    Some((String::new(), 1)).filter(|_| escaped.starts_with(|c: char| !c.is_alphanumeric()))
}

/// `u2019` in a word, whose backslash was removed.
fn lost_backslash(text: &str) -> Decoded {
    let digits = text.get(1..5)?;
    ["2018", "2019", "0027", "02bc"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(digits))
        .then(|| ("'".to_owned(), 5))
}

/// A character whose UTF-8 was read as Windows-1252 or Latin-1.
fn mojibake(text: &str) -> Decoded {
    if let Some(quote) = BROKEN_QUOTES.iter().find(|quote| text.starts_with(**quote)) {
        return Some(("'".to_owned(), quote.len()));
    }
    let mut characters = text.chars();
    let first = windows_1252_byte(characters.next()?)?;
    let length = match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let read: String = text.chars().take(length).collect();
    // Two letters can be a name's own. Only a symbol shows that the text was read wrongly.
    if read.chars().skip(1).all(|c| "ŠŒŽšœžŸƒ".contains(c)) {
        return None;
    }
    let bytes: Vec<u8> = read.chars().map(windows_1252_byte).collect::<Option<_>>()?;
    let decoded = String::from_utf8(bytes).ok().filter(|decoded| decoded.chars().count() == 1)?;
    Some((decoded, read.len()))
}

fn windows_1252_byte(c: char) -> Option<u8> {
    let position = WINDOWS_1252.chars().zip(0x80..).find(|(known, _)| *known == c && c != ' ');
    position.map(|(_, byte)| byte).or_else(|| u8::try_from(c).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_of_an_apostrophe_are_undone() {
        for text in [
            "Ma\\'ruf",
            "Ma\\\\'ruf",
            "Ma&#39;ruf",
            "Ma&#039;ruf",
            "Ma&#39ruf",
            "Ma&#x27;ruf",
            "Ma&apos;ruf",
            "Ma&rsquo;ruf",
            "Ma&#8217;ruf",
            "Ma&#146;ruf",
            "Ma&amp;#39;ruf",
            "Ma%27ruf",
            "Ma%2527ruf",
            "Ma%E2%80%99ruf",
            "Ma%92ruf",
            "Ma\\u2019ruf",
            "Mau2019ruf",
            "Ma\\x27ruf",
            "Maâ€™ruf",
            "Ma\u{e2}\u{80}\u{99}ruf",
            "MaÃ¢â‚¬â„¢ruf",
            "Maâ??ruf",
            "Ma‚Äôruf",
            "MaÔÇÖruf",
            "Ma\u{92}ruf",
            "MaÂ´ruf",
        ] {
            let undone = undo(text).unwrap_or_else(|| panic!("{text} has no escape"));
            assert!(["Ma'ruf", "Ma\u{2019}ruf", "Ma\u{b4}ruf"].contains(&&*undone), "{text}: {undone}");
        }
    }

    #[test]
    fn accents_that_were_read_in_another_encoding_are_restored() {
        for (text, expected) in
            [("AndrÃ©", "André"), ("MÃ¼ller", "Müller"), ("Andr%C3%A9", "André"), ("NuÃ±ez", "Nuñez")]
        {
            assert_eq!(undo(text).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_name_without_an_escape_is_unchanged() {
        for text in [
            "Ma'ruf",
            "André Müller",
            "O’Brien & Co",
            "100 % Budi",
            "%zz",
            "Ang & Sons; Ltd",
            "\\",
            "Uus 2019",
            "Ãž",
            "&#39;",
            "&#0;",
            "%00",
        ] {
            assert_eq!(undo(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_searched_for_escapes(text in "[&%\\\\#ux0-9;a-fâ€™Ã\\PC]{0,40}") {
            if let Some(undone) = undo(&text) {
                prop_assert!(undone.chars().any(char::is_alphanumeric));
            }
        }

        #[test]
        fn utf8_read_as_windows_1252_is_restored(name in "[A-Za-z]{1,5}[\u{2018}\u{2019}éèüöñç][a-z]{1,5}") {
            let wrong: String = name.bytes().map(|byte| match byte {
                0x80..=0x9f => match WINDOWS_1252.chars().nth(usize::from(byte) - 0x80) {
                    Some(' ') | None => char::from(byte),
                    Some(known) => known,
                },
                other => char::from(other),
            }).collect();
            prop_assert_eq!(undo(&wrong), Some(name));
        }
    }
}
