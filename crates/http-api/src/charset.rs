use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// Decodes text in the charset that its part names. `None` when the bytes are invalid in that charset.
///
/// Without a charset, or with an unknown one, the text is read as UTF-8, and as windows-1252 where it is invalid UTF-8:
/// older clients send accented letters that way.
pub(crate) fn decode<'a>(bytes: &'a [u8], charset: Option<&str>) -> Option<Cow<'a, str>> {
    let named = charset.and_then(|label| Encoding::for_label(label.as_bytes()));
    if let Some(encoding) = named {
        // A byte order mark of another charset does not override the charset that was named.
        let (text, damaged) = encoding.decode_with_bom_removal(bytes);
        return (!damaged).then_some(text);
    }
    let text = UTF_8.decode_without_bom_handling_and_without_replacement(without_bom(bytes));
    Some(text.unwrap_or_else(|| WINDOWS_1252.decode_without_bom_handling(bytes).0))
}

fn without_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
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
}
