use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Decodes text in the charset that its part names. `None` when the bytes are invalid in that charset.
///
/// Without a charset, or with an unknown one, the text is read as UTF-16 if it begins with that mark, else as UTF-8,
/// and as windows-1252 where it is invalid UTF-8: older clients send accented letters that way.
///
/// Text with a NUL is refused. It is in a charset other than the named one, and would be compared as another text.
pub(crate) fn decode<'a>(bytes: &'a [u8], charset: Option<&str>) -> Option<Cow<'a, str>> {
    let named = charset.and_then(|label| Encoding::for_label(label.trim().as_bytes()));
    let text = match named {
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
            Some(text.unwrap_or_else(|| WINDOWS_1252.decode_without_bom_handling(bytes).0))
        }
    };
    text.filter(|text| !text.contains('\0'))
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
        assert_eq!(super::decode(b"Ren\xe9", Some("utf-8")), None);
        assert_eq!(super::decode(b"R\0e", Some("utf-16le")), None);
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
        assert_eq!(super::decode(b"\xff\xfeB\0", Some("utf-8")), None);
    }

    #[test]
    fn text_without_a_charset_is_utf8_or_windows_1252() {
        assert_eq!(decode("René".as_bytes(), None), "René");
        assert_eq!(decode(b"Ren\xe9", None), "René");
        assert_eq!(decode(b"Ren\xe9", Some("klingon")), "René");
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
        assert_eq!(super::decode(b"B\0u\0", None), None, "UTF-16 that nothing announces");
        assert_eq!(super::decode(b"B\0\0\0u\0\0\0", Some("utf-32")), None);
        assert_eq!(super::decode(b"\0B\0u", Some("utf-16le")).as_deref(), Some("䈀甀"));
        assert_eq!(super::decode(b"Budi\0", Some("utf-8")), None);
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
