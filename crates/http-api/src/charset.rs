use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// Reads text in the charset that its part names; `None` when it is none in that charset.
///
/// Without a charset, or with one that nobody knows, it is UTF-8; bytes that are not UTF-8 then are read as
/// windows-1252, in which older clients write an accented letter.
pub(crate) fn decode<'a>(bytes: &'a [u8], charset: Option<&str>) -> Option<Cow<'a, str>> {
    let named = charset.and_then(|label| Encoding::for_label(label.as_bytes()));
    if let Some(encoding) = named {
        // The byte order mark of another charset does not overrule the one that was named.
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
    fn what_is_not_in_its_charset_is_no_text() {
        assert_eq!(super::decode(b"Ren\xe9", Some("utf-8")), None);
        assert_eq!(super::decode(b"R\0e", Some("utf-16le")), None);
    }

    #[test]
    fn the_parts_charset_counts() {
        assert_eq!(decode(b"Ren\xe9", Some("ISO-8859-1")), "René");
        assert_eq!(decode(b"Ren\xe9", Some("iso-8859-1")), "René");
        assert_eq!(decode("René".as_bytes(), Some("utf-8")), "René");
        assert_eq!(decode(b"R\0e\0n\0\xe9\0", Some("utf-16le")), "René");
        assert_eq!(decode(b"\xef\xbb\xbfBudi", Some("utf-8")), "Budi");
        assert_eq!(decode(b"\xff\xfeR\0", Some("utf-16")), "R");
        // The marks of UTF-8 and of UTF-16 are letters in another charset.
        assert_eq!(decode(b"\xef\xbb\xbfBudi", Some("iso-8859-1")), "ï»¿Budi");
        assert_eq!(decode(b"\xff\xfeBudi", Some("iso-8859-1")), "ÿþBudi");
        assert_eq!(super::decode(b"\xff\xfeB\0", Some("utf-8")), None);
    }

    #[test]
    fn without_one_it_is_utf8_or_what_older_clients_write() {
        assert_eq!(decode("René".as_bytes(), None), "René");
        assert_eq!(decode(b"Ren\xe9", None), "René");
        assert_eq!(decode(b"Ren\xe9", Some("klingon")), "René");
        assert_eq!(decode(b"\xef\xbb\xbfBudi", None), "Budi");
        assert_eq!(decode(b"", None), "");
    }
}
