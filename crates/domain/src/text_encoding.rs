use std::borrow::Cow;

/// Why the bytes of a list or settings file are not text that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UndecodableText {
    /// A workbook of a spreadsheet program.
    #[error("it is a workbook of a spreadsheet program; save the sheet as \"CSV UTF-8\"")]
    Workbook,
    /// A compressed file or an archive.
    #[error("it is compressed; unpack it first")]
    Compressed,
    /// UTF-32.
    #[error("it is in UTF-32; save it in UTF-8")]
    Utf32,
    /// UTF-16 with half a character.
    #[error("it begins as UTF-16, but is damaged; save it in UTF-8")]
    DamagedUtf16,
    /// Another encoding, such as Windows-1252 or that of old Macs.
    #[error(
        "line {line} is not in UTF-8; save the file in UTF-8 (spreadsheet programs call it \"CSV UTF-8\")"
    )]
    NotUtf8 {
        /// The first line that is not UTF-8, from 1.
        line: usize,
    },
    /// It has a NUL character, so it is no text.
    #[error("line {line} contains a NUL character, so it is not a text file")]
    Binary {
        /// The first line with a NUL character, from 1.
        line: usize,
    },
}

/// Decodes the text of a file that an editor or a spreadsheet program wrote: UTF-8 or UTF-16, with or without a byte
/// order mark. Every end of a line becomes a line feed.
///
/// # Errors
///
/// [`UndecodableText`] for any other encoding, and for files that are not text.
///
/// ```
/// use padan_domain::decode_text;
/// assert_eq!(decode_text(b"\xef\xbb\xbfpath;identity\r\n")?, "path;identity\n");
/// assert_eq!(decode_text(b"\xff\xfeA\0,\0")?, "A,");
/// # Ok::<(), padan_domain::UndecodableText>(())
/// ```
pub fn decode_text(bytes: &[u8]) -> Result<Cow<'_, str>, UndecodableText> {
    match bytes {
        // The marks of UTF-32 begin like those of UTF-16, so they are tried first.
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Err(UndecodableText::Utf32),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest),
        [b'P', b'K', 3, 4, ..] | [0xD0, 0xCF, 0x11, 0xE0, ..] => Err(UndecodableText::Workbook),
        [0x1F, 0x8B, ..] | [b'B', b'Z', b'h', ..] | [0x28, 0xB5, 0x2F, 0xFD, ..] => {
            Err(UndecodableText::Compressed)
        }
        // A list begins with the name of a column, whose letters have a byte of zero each in UTF-16.
        [1..=255, 0, 1..=255, 0, ..] => utf16(bytes, u16::from_le_bytes),
        [0, 1..=255, 0, 1..=255, ..] => utf16(bytes, u16::from_be_bytes),
        _ => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, UndecodableText> {
    let text = std::str::from_utf8(bytes).map_err(|error| UndecodableText::NotUtf8 {
        line: with_line_feeds(Cow::Owned(
            String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned(),
        ))
        .matches('\n')
        .count()
            + 1,
    })?;
    checked(Cow::Borrowed(text))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'static, str>, UndecodableText> {
    let (pairs, []) = bytes.as_chunks::<2>() else { return Err(UndecodableText::DamagedUtf16) };
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    let text = String::from_utf16(&units).map_err(|_| UndecodableText::DamagedUtf16)?;
    checked(Cow::Owned(text))
}

/// The text with line feeds as ends of lines; the error if it has a NUL character.
fn checked(text: Cow<'_, str>) -> Result<Cow<'_, str>, UndecodableText> {
    let text = with_line_feeds(text);
    match text.find('\0') {
        Some(at) => Err(UndecodableText::Binary { line: text[..at].matches('\n').count() + 1 }),
        None => Ok(text),
    }
}

fn with_line_feeds(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn utf16_bytes(text: &str, little_endian: bool) -> Vec<u8> {
        let bytes = |unit: u16| if little_endian { unit.to_le_bytes() } else { unit.to_be_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn utf_16_is_recognised_without_a_byte_order_mark() {
        for little_endian in [true, false] {
            assert_eq!(
                decode_text(&utf16_bytes("path,identity\r\n", little_endian)).unwrap(),
                "path,identity\n"
            );
        }
    }

    #[test]
    fn what_is_not_text_is_named() {
        for (bytes, expected) in [
            (&b"PK\x03\x04xl/workbook.xml"[..], UndecodableText::Workbook),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", UndecodableText::Workbook),
            (b"\x1f\x8b\x08", UndecodableText::Compressed),
            (b"\xff\xfe\0\0p\0\0\0", UndecodableText::Utf32),
            (b"\0\0\xfe\xff\0\0\0p", UndecodableText::Utf32),
            (b"\xff\xfep\0a", UndecodableText::DamagedUtf16),
            (b"\xff\xfe\x00\xd8,\0", UndecodableText::DamagedUtf16),
            (b"path\r\nJos\xe9.jpg\r\n", UndecodableText::NotUtf8 { line: 2 }),
            (b"path\ra\rJos\x8e.jpg\r", UndecodableText::NotUtf8 { line: 3 }),
            (b"path\na\0.jpg\n", UndecodableText::Binary { line: 2 }),
        ] {
            assert_eq!(decode_text(bytes), Err(expected));
        }
    }

    proptest! {
        #[test]
        fn every_way_to_save_a_text_gives_the_same_text(
            lines in prop::collection::vec("[^\r\n\0\u{feff}]{0,12}", 1..8), end in "\r\n|\r|\n"
        ) {
            let saved = format!("column{end}{}", lines.join(&end));
            let expected = format!("column\n{}", lines.join("\n"));
            let utf8 = saved.as_bytes().to_vec();
            let forms = [
                utf8.clone(),
                [b"\xef\xbb\xbf".to_vec(), utf8].concat(),
                [b"\xff\xfe".to_vec(), utf16_bytes(&saved, true)].concat(),
                [b"\xfe\xff".to_vec(), utf16_bytes(&saved, false)].concat(),
                utf16_bytes(&saved, true),
                utf16_bytes(&saved, false),
            ];
            for form in forms {
                prop_assert_eq!(decode_text(&form).unwrap(), expected.as_str());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(text) = decode_text(&bytes) {
                prop_assert!(!text.contains(['\0', '\r']));
            }
        }
    }
}
