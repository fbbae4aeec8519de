use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use padan_domain::NationalId;
use uuid::Uuid;

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

/// Whether the text can hold an identity number, however its digits are separated.
///
/// A UUID has about twenty digits among its letters. In a text of that form they count only if they are in a row, or if
/// sixteen of them have the structure of issued numbers. Three of four random UUIDs are kept.
fn may_hold_a_nik(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if is_uuid(text) {
        return has_a_run_of_digits(text) || has_a_well_structured_nik(&digits);
    }
    digits.len() >= DIGITS_OF_A_NIK
}

/// Whether any sixteen of the digits in a row have the structure of issued numbers.
fn has_a_well_structured_nik(digits: &str) -> bool {
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

/// Whether the text has the form of a UUID, with hyphens or without.
fn is_uuid(text: &str) -> bool {
    matches!(text.len(), 32 | 36) && Uuid::try_parse(text).is_ok()
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
            "01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "order-20261129-1234567",
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
