use actix_web::web::Bytes;
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::fault::{MalformedMultipart, shown_encoding};
use crate::body_memory::HeldMemory;

/// The Content-Transfer-Encoding of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum TransferEncoding {
    /// The bytes are the content.
    #[default]
    None,
    Base64,
    QuotedPrintable,
}

/// Clients pad or not, and some cut the last character's unused bits wrongly.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl TransferEncoding {
    /// The encoding that a header names. An unknown one is refused: its bytes would be compared as if they were the
    /// name.
    pub(super) fn named(value: &str) -> Result<Self, MalformedMultipart> {
        match value.trim().trim_matches('"').to_ascii_lowercase().as_str() {
            "" | "7bit" | "8bit" | "binary" => Ok(Self::None),
            "base64" => Ok(Self::Base64),
            "quoted-printable" => Ok(Self::QuotedPrintable),
            _ => Err(unsupported("Content-Transfer-Encoding", value)),
        }
    }

    /// The most bytes of memory that decoding of `length` bytes needs.
    pub(super) fn decoding_bytes(self, length: usize) -> usize {
        match self {
            Self::None => 0,
            Self::Base64 => base64_decoding_bytes(length),
            Self::QuotedPrintable => length,
        }
    }

    /// Decodes the data of a part. `memory` was reserved for it.
    pub(super) fn decode(self, data: &Bytes, mut memory: HeldMemory) -> Result<Bytes, MalformedMultipart> {
        let decoded = match self {
            Self::None => return Ok(data.clone()),
            Self::Base64 => base64(data).ok_or("base64"),
            Self::QuotedPrintable => quoted_printable(data).ok_or("quoted-printable"),
        };
        let decoded = decoded.map_err(MalformedMultipart::InvalidEncoding)?;
        memory.shrink_to(decoded.capacity());
        Ok(memory.holding(decoded))
    }
}

/// The most bytes of memory that decoding of `length` characters needs: there is a copy without line ends.
pub(crate) const fn base64_decoding_bytes(length: usize) -> usize {
    2 * length
}

/// Decodes base64 in lines of any length. `memory` was reserved for it.
pub(crate) fn decode_base64(data: &[u8], mut memory: HeldMemory) -> Option<Bytes> {
    let decoded = base64(data)?;
    memory.shrink_to(decoded.capacity());
    Some(memory.holding(decoded))
}

/// Refuses a part that is compressed by itself.
pub(super) fn refuse_content_encoding(value: &str) -> Result<(), MalformedMultipart> {
    match value.trim() {
        plain if plain.is_empty() || plain.eq_ignore_ascii_case("identity") => Ok(()),
        other => Err(unsupported("Content-Encoding", other)),
    }
}

fn unsupported(header: &'static str, encoding: &str) -> MalformedMultipart {
    MalformedMultipart::UnsupportedEncoding { header, encoding: shown_encoding(encoding) }
}

/// Decodes base64 in lines of any length. A blank within a line is none of base64: the text was never encoded.
fn base64(data: &[u8]) -> Option<Vec<u8>> {
    let mut characters = Vec::with_capacity(data.len());
    for line in data.split(|byte| matches!(byte, b'\r' | b'\n')) {
        characters.extend_from_slice(line.trim_ascii());
    }
    BASE64.decode(characters).ok()
}

/// Decodes quoted-printable. Blanks at the end of a line were added on the way, and are removed.
fn quoted_printable(data: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(data.len());
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        let line_end = if line.ends_with(b"\r\n") { 2 } else { usize::from(line.ends_with(b"\n")) };
        let (text, line_end) = line.split_at(line.len() - line_end);
        let text = text.trim_ascii_end();
        let (text, is_continued) = text.strip_suffix(b"=").map_or((text, false), |text| (text, true));
        let mut rest = text;
        while let Some(at) = memchr::memchr(b'=', rest) {
            decoded.extend_from_slice(&rest[..at]);
            decoded.push(byte(rest.get(at + 1..at + 3)?)?);
            rest = &rest[at + 3..];
        }
        decoded.extend_from_slice(rest);
        if !is_continued {
            decoded.extend_from_slice(line_end);
        }
    }
    Some(decoded)
}

fn byte(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(digits[at]).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(encoding: TransferEncoding, data: &[u8]) -> Result<Vec<u8>, MalformedMultipart> {
        let decoded = encoding.decode(&Bytes::copy_from_slice(data), HeldMemory::uncounted());
        decoded.map(|bytes| bytes.to_vec())
    }

    #[test]
    fn encodings_are_known_by_their_names_and_others_are_refused_by_name() {
        for (value, encoding) in [
            (" binary", TransferEncoding::None),
            ("8BIT", TransferEncoding::None),
            ("7bit ", TransferEncoding::None),
            (" Base64", TransferEncoding::Base64),
            ("\"base64\"", TransferEncoding::Base64),
            ("Quoted-Printable", TransferEncoding::QuotedPrintable),
        ] {
            assert_eq!(TransferEncoding::named(value), Ok(encoding), "{value}");
        }
        let refused = TransferEncoding::named(" x-uuencode").unwrap_err();
        assert_eq!(refused.to_string(), "Content-Transfer-Encoding x-uuencode of a part is not supported");
        let refused = refuse_content_encoding("gzip").unwrap_err();
        assert_eq!(refused.to_string(), "Content-Encoding gzip of a part is not supported");
        assert_eq!(refuse_content_encoding("identity"), Ok(()));
    }

    #[test]
    fn base64_may_have_line_ends_and_lack_its_padding() {
        for text in ["QnVkaQ==", "QnVkaQ", "Qn\r\nVk\naQ==\r\n", " QnVk\r\n aQ= \n="] {
            assert_eq!(decode(TransferEncoding::Base64, text.as_bytes()).unwrap(), b"Budi", "{text}");
        }
        assert!(decode(TransferEncoding::Base64, b"Budi Santoso").is_err(), "a blank within a line");
        let refused = decode(TransferEncoding::Base64, b"Budi Santoso!").unwrap_err();
        assert_eq!(refused.to_string(), "A part is not valid base64, its Content-Transfer-Encoding");
    }

    #[test]
    fn quoted_printable_is_decoded() {
        for (encoded, text) in [
            ("Budi=20Santoso", "Budi Santoso"),
            ("Budi =\r\nSantoso", "Budi Santoso"),
            ("Budi=20=\nSantoso=", "Budi Santoso"),
            ("Ma=c3=A9  \r\nx", "Maé\r\nx"),
            ("=3D=", "="),
            ("", ""),
        ] {
            assert_eq!(
                decode(TransferEncoding::QuotedPrintable, encoded.as_bytes()).unwrap(),
                text.as_bytes()
            );
        }
        for invalid in ["a=2", "a=zz", "=\u{e9}1"] {
            let refused = decode(TransferEncoding::QuotedPrintable, invalid.as_bytes());
            assert_eq!(refused, Err(MalformedMultipart::InvalidEncoding("quoted-printable")), "{invalid}");
        }
    }

    /// Encodes every byte, with a soft line break after `line` of them.
    fn quoted(data: &[u8], line: usize) -> String {
        let lines = data
            .chunks(line)
            .map(|line| line.iter().fold(String::new(), |encoded, byte| encoded + &format!("={byte:02X}")));
        lines.collect::<Vec<_>>().join("=\r\n")
    }

    proptest! {
        #[test]
        fn any_bytes_survive_either_encoding(data in proptest::collection::vec(any::<u8>(), 0..300), line in 1_usize..40) {
            prop_assert_eq!(&decode(TransferEncoding::QuotedPrintable, quoted(&data, line).as_bytes()).unwrap(), &data);
            let text = BASE64.encode(&data);
            let lines: Vec<_> = text.as_bytes().chunks(line).collect();
            prop_assert_eq!(&decode(TransferEncoding::Base64, &lines.join(&b"\r\n"[..])).unwrap(), &data);
        }

        #[test]
        fn no_data_panics(data in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'='), Just(b'\n')], 0..60)) {
            let _ = decode(TransferEncoding::QuotedPrintable, &data);
            let _ = decode(TransferEncoding::Base64, &data);
        }
    }
}
