use std::fmt;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The id under which a request is known in the answer, in the log and to whoever asks about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId(Box<str>);

impl RequestId {
    /// The header of an answer.
    pub(crate) const HEADER: HeaderName = HeaderName::from_static("request-id");
    /// The header in which a client may send its own.
    pub(crate) const CLIENTS_OWN: HeaderName = HeaderName::from_static("x-request-id");
    const MAX_LENGTH: usize = 64;

    /// The client's own id when it is one, else a new one that sorts by time.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        headers
            .get(Self::CLIENTS_OWN)
            .and_then(|value| value.to_str().ok())
            .filter(|text| Self::is_taken(text))
            .map_or_else(|| Self(Uuid::now_v7().to_string().into()), |text| Self(text.into()))
    }

    /// The header's value.
    pub(crate) fn value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or_else(|_| HeaderValue::from_static("-"))
    }

    /// What the log shows: a client's own id that may be an identity number is not repeated there.
    pub(crate) fn loggable(&self) -> &str {
        const DIGITS_OF_A_NIK: usize = 16;
        let may_be_a_nik =
            |text: &str| text.len() >= DIGITS_OF_A_NIK && !text.contains(|c: char| !c.is_ascii_digit());
        let digits = self.0.split(|c: char| !c.is_ascii_digit());
        if digits.into_iter().any(may_be_a_nik) { "(digits)" } else { &self.0 }
    }

    fn is_taken(text: &str) -> bool {
        (1..=Self::MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_an_identity_number_is_not_logged() {
        for (sent, logged) in [
            ("3174011403870000", "(digits)"),
            ("bank-3174011403870000-1", "(digits)"),
            ("317401140387000", "317401140387000"),
            ("01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8057"),
        ] {
            assert_eq!(RequestId(sent.into()).loggable(), logged);
        }
    }

    fn id(sent: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(RequestId::CLIENTS_OWN, HeaderValue::from_str(sent).unwrap());
        RequestId::of(&headers).to_string()
    }

    #[test]
    fn a_clients_own_id_is_echoed() {
        for own in ["a", "order-1._Z", &"x".repeat(64)] {
            assert_eq!(id(own), own);
        }
    }

    #[test]
    fn anything_else_is_replaced() {
        for other in ["", "a b", "a/b", "\"", &"x".repeat(65)] {
            let id: Uuid = id(other).parse().unwrap();
            assert_eq!(id.get_version_num(), 7);
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
