use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use padan_domain::NationalId;
use uuid::{Uuid, Variant};

/// The id of a request in its answer, and its id in the log and the audit trail.
///
/// They differ when the client's own id may contain an identity number: such an id is echoed but not stored. The answer
/// then has both, so that the rows can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId {
    echoed: Box<str>,
    recorded: Option<Box<str>>,
}

impl RequestId {
    /// The header with the id of the answer.
    pub(crate) const HEADER: HeaderName = HeaderName::from_static("request-id");
    /// The header with the id in log and audit trail, if it differs.
    pub(crate) const RECORDED: HeaderName = HeaderName::from_static("recorded-request-id");
    /// The header in which a client may send its own id.
    pub(crate) const CLIENTS_OWN: HeaderName = HeaderName::from_static("x-request-id");
    const MAX_LENGTH: usize = 64;

    /// The client's own id when it is valid, else a new one that sorts by time.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let own = headers.get(Self::CLIENTS_OWN).and_then(|value| value.to_str().ok());
        match own.filter(|text| is_valid(text)) {
            Some(own) => Self { echoed: own.into(), recorded: may_hold_a_nik(own).then(new) },
            None => Self { echoed: new(), recorded: None },
        }
    }

    /// Inserts the ids into the headers of an answer.
    pub(crate) fn insert_into(&self, headers: &mut HeaderMap) {
        let value =
            |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("-"));
        headers.insert(Self::HEADER, value(&self.echoed));
        if let Some(recorded) = &self.recorded {
            headers.insert(Self::RECORDED, value(recorded));
        }
    }

    /// The id for log and audit trail. It never contains an identity number.
    pub(crate) fn recorded(&self) -> &str {
        self.recorded.as_deref().unwrap_or(&self.echoed)
    }
}

fn new() -> Box<str> {
    Uuid::now_v7().to_string().into()
}

fn is_valid(text: &str) -> bool {
    (1..=RequestId::MAX_LENGTH).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// How many digits a NIK has.
const DIGITS_OF_A_NIK: usize = 16;
/// The information of an identity number, in bits: the smallest begins with 11, and 2 to the power of 49.9 is less.
const BITS_OF_A_NIK: f64 = 49.9;

/// Whether the text can hold an identity number, in whatever encoding: separated, reversed, in hexadecimal, in base64.
///
/// Nobody can tell which encoding a client uses, so what counts is how much a text can say. Longer ids are kept only in
/// the two forms that are made of time and random bits. A client that hides a number in the random bits of a UUID on
/// purpose is not noticed.
fn may_hold_a_nik(text: &str) -> bool {
    if is_uuid_of_random_bits(text) {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        // About twenty of its characters are digits. Three of four random UUIDs are kept.
        return has_a_run_of_digits(text) || has_a_well_structured_nik(&digits);
    }
    !is_ulid(text) && information_bits(text) >= BITS_OF_A_NIK
}

/// How many bits a text of this form can hold: `order-1234` is a word and a number, while `Zm9vYmFy` is neither. The
/// places of the separators are not counted.
fn information_bits(text: &str) -> f64 {
    let symbols: Vec<u8> = text.bytes().filter(u8::is_ascii_alphanumeric).collect();
    let has = |is_of: fn(&u8) -> bool| symbols.iter().any(is_of);
    let length = symbols.len() as f64;
    if has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) {
        return length * 62_f64.log2();
    }
    let digits = symbols.iter().filter(|symbol| symbol.is_ascii_digit()).count() as f64;
    let changes = symbols.windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit());
    digits * 10_f64.log2() + (length - digits) * 36_f64.log2() + changes.count() as f64 * length.log2()
}

/// Whether any sixteen of the digits in a row have the structure of issued numbers.
pub(crate) fn has_a_well_structured_nik(digits: &str) -> bool {
    (DIGITS_OF_A_NIK..=digits.len())
        .filter_map(|end| digits.get(end - DIGITS_OF_A_NIK..end)?.parse::<NationalId>().ok())
        .any(|nik| nik.is_well_structured())
}

/// Whether the text has sixteen or more digits with nothing but punctuation in between.
pub(crate) fn has_a_run_of_digits(text: &str) -> bool {
    let mut run = 0;
    text.bytes().filter(u8::is_ascii_alphanumeric).any(|byte| {
        run = if byte.is_ascii_digit() { run + 1 } else { 0 };
        run >= DIGITS_OF_A_NIK
    })
}

/// Whether the text is a UUID, with hyphens or without, of a version that consists of time and random bits. Others are
/// hashes of a name, which may be a NIK, or have any content.
fn is_uuid_of_random_bits(text: &str) -> bool {
    let uuid =
        Some(text).filter(|text| matches!(text.len(), 32 | 36)).and_then(|text| Uuid::try_parse(text).ok());
    uuid.is_some_and(|uuid| {
        uuid.get_variant() == Variant::RFC4122 && matches!(uuid.get_version_num(), 1 | 4 | 6 | 7)
    })
}

/// Whether the text is a ULID of a time from 2004 to 2039: 26 characters of Crockford's base 32, of which the first ten
/// are milliseconds.
fn is_ulid(text: &str) -> bool {
    let is_crockford =
        |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase() && !b"ILOU".contains(&byte);
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    text.len() == 26 && text.bytes().all(is_crockford) && text.starts_with("01") && digits < DIGITS_OF_A_NIK
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(sent: &str) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert(RequestId::CLIENTS_OWN, HeaderValue::from_str(sent).unwrap());
        RequestId::of(&headers)
    }

    fn headers_of(id: &RequestId) -> (String, Option<String>) {
        let mut headers = HeaderMap::new();
        id.insert_into(&mut headers);
        let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned());
        (text(RequestId::HEADER).unwrap(), text(RequestId::RECORDED))
    }

    #[test]
    fn an_id_that_may_be_an_identity_number_is_echoed_and_not_recorded() {
        for sent in [
            "3174011403870000",
            "bank-3174011403870000-1",
            "31740114038700001",
            "3174-0114-0387-0000",
            "31.74.01.140387.0000",
            "3_1_7_4_0_1_1_4_0_3_8_7_0_0_0_0",
            "-3174--0114..0387__0000-",
            "317401-nik-140387-of-0000",
            "3a1b7c4d0e1f1g4h0i3j8k7l0m0n0o0p",
            // The ASCII codes of the digits.
            "33313734303131343033383730303030",
            // In the form of a UUID.
            "00000000-0000-0000-3174-011403870000",
            "31740114-0387-0000-bcce-b302a9a8057f",
            "0189a3174011403870000ccebacaa057",
            "a3b1c7d4e0f1a1b4c0d3e8f7a0b0c0d0",
            "3174a015-4b03-8c70-8000-dddddddddddd",
            // Encodings of the number: its text in base64 and in base32, and reversed in hexadecimal.
            "MzE3NDAxMTQwMzg3MDAwMA",
            "MzE3NDAxMTQwMzg3MDAwMA--",
            "GMYTONBQGEYTIMBTHA3TAMBQGA",
            "0000783041104713",
            "30303030373833303431313034373133",
            // The number in hexadecimal, in base 36 and 62, and its eight or seven bytes in base64.
            "b46bf1e3d9f30",
            "B46B-F1E3-D9F3-0",
            "v93cpjbghc",
            "EIXFXfDns",
            "AAtGvx49nzA",
            "C0a_Hj2fMA",
            // Its digits as letters, in words, and in two numbers.
            "dbheabbeadihaaaa",
            "tiga-satu-tujuh-empat",
            "317401140387-a-0000",
            "order-31740114-nik-03870000",
            // UUIDs that are hashes of a name (versions 3 and 5), or that have any content.
            "a3bb189e-8bf9-3888-9912-ace4e6543002",
            "886313e1-3b8a-5372-9b90-0c9aee199e5d",
            "000b46bf-1e3d-89f3-8000-000000000000",
            "000b46bf1e3d9f300000000000000000",
            // In the form of a ULID, but of no time at which one was made.
            "3174ZZ0114ZZ0387ZZ0000ZZZZ",
            // A word, a date and a number can say as much as a NIK.
            "order-20261129-1234567",
        ] {
            let id = id(sent);
            assert_eq!(headers_of(&id), (sent.to_owned(), Some(id.recorded().to_owned())));
            let recorded: Uuid = id.recorded().parse().unwrap();
            assert_eq!(recorded.get_version_num(), 7);
        }
        for sent in [
            "317401140387000",
            "3174-0114-0387-000",
            "01890a5d-ac96-774b-bcce-b302099a8057",
            "01890a5dac96774bbcceb302099a8057",
            "919108f7-52d1-4320-9bac-f847db4148a8",
            "1ecfeadc-bcda-6bbb-bccd-fafbdeccdbaf",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "20261129-1234567",
            "order-123456",
            "Kx9-Tq2Z",
            "padan-test",
        ] {
            let id = id(sent);
            assert_eq!((headers_of(&id), id.recorded()), ((sent.to_owned(), None), sent));
        }
    }

    #[test]
    fn a_clients_own_id_is_echoed() {
        for own in ["a", "order-1._Z", &"x".repeat(64)] {
            assert_eq!(headers_of(&id(own)).0, own);
        }
    }

    /// The digits of other scripts are no ASCII, so such an id is neither echoed nor recorded.
    #[test]
    fn an_id_in_other_digits_is_replaced() {
        for other in ["\u{ff13}\u{ff11}\u{ff17}\u{ff14}", "\u{663}\u{661}\u{667}\u{664}"] {
            let mut headers = HeaderMap::new();
            headers.insert(RequestId::CLIENTS_OWN, HeaderValue::from_bytes(other.as_bytes()).unwrap());
            let id = RequestId::of(&headers);
            assert_eq!(id.recorded().parse::<Uuid>().unwrap().get_version_num(), 7);
            assert_eq!(headers_of(&id), (id.recorded().to_owned(), None));
        }
    }

    #[test]
    fn an_invalid_id_is_replaced() {
        for other in [
            "",
            "a b",
            "a/b",
            "\"",
            "3174 0114 0387 0000",
            "3174%2D0114%2D0387%2D0000",
            "%33174011403870000",
            "3174,0114,0387,0000",
            &"x".repeat(65),
        ] {
            let id: Uuid = headers_of(&id(other)).0.parse().unwrap();
            assert_eq!(id.get_version_num(), 7);
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
