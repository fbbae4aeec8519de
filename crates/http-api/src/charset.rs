use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Why a text cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CharsetFault {
    /// The charset is unknown, and the text is not in UTF-8 or UTF-16 either.
    Unknown,
    /// The bytes are invalid in their charset.
    Invalid,
}

/// Decodes text in the charset that its part names.
///
/// Without a charset, the text is read as UTF-16 if it begins with that mark, else as UTF-8, and as windows-1252 where
/// it is invalid UTF-8: older clients send accented letters that way. A text in an unknown charset is not guessed,
/// because the result would be compared as if the client had sent it: UTF-16 with its mark and UTF-8 are read, anything
/// else is refused, and so is UTF-7, whose accented letters are ASCII.
///
/// Text with a NUL is refused. It is in a charset other than the named one, and would be compared as another text.
///
/// # Errors
///
/// [`CharsetFault`] when the text cannot be decoded.
pub(crate) fn decode<'a>(bytes: &'a [u8], charset: Option<&str>) -> Result<Cow<'a, str>, CharsetFault> {
    let label = charset.map(str::trim).filter(|label| !label.is_empty());
    let named = label.and_then(|label| Encoding::for_label(label.as_bytes()));
    let is_unknown = label.is_some() && named.is_none();
    let fault = if is_unknown { CharsetFault::Unknown } else { CharsetFault::Invalid };
    let text = match named {
        None if label.is_some_and(|label| label.to_ascii_lowercase().contains("utf-7")) => None,
        Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => {
            let label = charset.unwrap_or_default().trim().to_ascii_lowercase();
            let says_order = label.ends_with("le") || label.ends_with("be");
            utf_16(bytes, if says_order { encoding } else { likelier_order(bytes) })
        }
        // A byte order mark of another charset does not override the charset that was named.
        Some(encoding) => {
            let (text, damaged) = encoding.decode_with_bom_removal(bytes);
            (!damaged).then_some(text)
        }
        None if marked_order(bytes).is_some() => utf_16(bytes, UTF_16LE),
        None => {
            let text = UTF_8.decode_without_bom_handling_and_without_replacement(without_bom(bytes));
            text.or_else(|| (!is_unknown).then(|| WINDOWS_1252.decode_without_bom_handling(bytes).0))
        }
    };
    text.filter(|text| !text.contains('\0')).ok_or(fault)
}

/// Decodes UTF-16. Its byte order mark, which is no character in the other order, takes precedence over `order`.
fn utf_16<'a>(bytes: &'a [u8], order: &'static Encoding) -> Option<Cow<'a, str>> {
    let (text, damaged) = marked_order(bytes).unwrap_or(order).decode_with_bom_removal(bytes);
    (!damaged).then_some(text)
}

/// The order that a byte order mark states.
fn marked_order(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0xfe, 0xff, ..] => Some(UTF_16BE),
        [0xff, 0xfe, ..] => Some(UTF_16LE),
        _ => None,
    }
}

/// The order of UTF-16 without a mark. Names have Latin letters, whose higher byte is zero.
fn likelier_order(bytes: &[u8]) -> &'static Encoding {
    let zeros = |first: usize| bytes.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    if zeros(0) > zeros(1) { UTF_16BE } else { UTF_16LE }
}

fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode<'a>(bytes: &'a [u8], charset: Option<&str>) -> Cow<'a, str> {
        super::decode(bytes, charset).unwrap()
    }

    #[test]
    fn bytes_that_are_invalid_in_their_charset_are_refused() {
        assert_eq!(super::decode(b"Ren\xe9", Some("utf-8")), Err(CharsetFault::Invalid));
        assert_eq!(super::decode(b"R\0e", Some("utf-16le")), Err(CharsetFault::Invalid));
    }

    #[test]
    fn text_in_an_unknown_charset_is_not_guessed() {
        // An accented e in code page 850 is a comma-like mark in windows-1252.
        for charset in ["cp850", "IBM437", "klingon", "utf-7", " UTF-7 "] {
            assert_eq!(super::decode(b"Ren\x82", Some(charset)), Err(CharsetFault::Unknown), "{charset}");
        }
        assert_eq!(super::decode(b"Ren+AOk-", Some("utf-7")), Err(CharsetFault::Unknown));
        assert_eq!(decode(b"Budi", Some("cp850")), "Budi");
        assert_eq!(decode("René".as_bytes(), Some("klingon")), "René");
        assert_eq!(decode(b"Ren\xe9", Some(" ")), "René", "no charset is named");
    }

    #[test]
    fn the_parts_charset_is_used() {
        assert_eq!(decode(b"Ren\xe9", Some("ISO-8859-1")), "René");
        assert_eq!(decode(b"Ren\xe9", Some("iso-8859-1")), "René");
        assert_eq!(decode("René".as_bytes(), Some("utf-8")), "René");
        assert_eq!(decode(b"R\0e\0n\0\xe9\0", Some("utf-16le")), "René");
        assert_eq!(decode(b"\xef\xbb\xbfBudi", Some("utf-8")), "Budi");
        assert_eq!(decode(b"\xff\xfeR\0", Some("utf-16")), "R");
        // The byte order marks of UTF-8 and UTF-16 are letters in other charsets.
        assert_eq!(decode(b"\xef\xbb\xbfBudi", Some("iso-8859-1")), "ï»¿Budi");
        assert_eq!(decode(b"\xff\xfeBudi", Some("iso-8859-1")), "ÿþBudi");
        assert!(super::decode(b"\xff\xfeB\0", Some("utf-8")).is_err());
    }

    #[test]
    fn text_without_a_charset_is_utf8_or_windows_1252() {
        assert_eq!(decode("René".as_bytes(), None), "René");
        assert_eq!(decode(b"Ren\xe9", None), "René");
        assert_eq!(decode(b"\xef\xbb\xbfBudi", None), "Budi");
        assert_eq!(decode(b"", None), "");
    }

    #[test]
    fn the_mark_of_utf16_decides_its_order() {
        for charset in
            [Some("utf-16"), Some("UTF-16LE"), Some("utf-16be"), Some("unicode"), Some("klingon"), None]
        {
            assert_eq!(decode(b"\xfe\xff\0B\0u", charset), "Bu", "{charset:?}");
            assert_eq!(decode(b"\xff\xfeB\0u\0", charset), "Bu", "{charset:?}");
        }
    }

    #[test]
    fn utf16_without_a_mark_has_the_order_in_which_it_is_latin() {
        assert_eq!(decode(b"\0B\0u", Some("utf-16")), "Bu");
        assert_eq!(decode(b"B\0u\0", Some("utf-16")), "Bu");
        assert_eq!(decode(b"\0B\0u", Some("utf-16be")), "Bu");
    }

    #[test]
    fn text_with_a_nul_is_refused() {
        assert!(super::decode(b"B\0u\0", None).is_err(), "UTF-16 that nothing announces");
        assert!(super::decode(b"B\0\0\0u\0\0\0", Some("utf-32")).is_err());
        assert_eq!(decode(b"\0B\0u", Some("utf-16le")), "䈀甀");
        assert!(super::decode(b"Budi\0", Some("utf-8")).is_err());
    }

    proptest! {
        #[test]
        fn latin_text_survives_utf16_in_either_order(text in "[A-Za-z' .\u{e0}-\u{ff}]{1,60}", marked: bool) {
            let units = || marked.then_some(0xfeff).into_iter().chain(text.encode_utf16());
            let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
            let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
            prop_assert_eq!(&decode(&big, Some("utf-16")), &text);
            prop_assert_eq!(&decode(&little, Some("utf-16")), &text);
        }
    }
}
