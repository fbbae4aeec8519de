use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
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

/// Whether the text has sixteen or more digits in a row.
pub(crate) fn may_hold_a_nik(text: &str) -> bool {
    const DIGITS_OF_A_NIK: usize = 16;
    text.split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() >= DIGITS_OF_A_NIK)
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
        for sent in ["3174011403870000", "bank-3174011403870000-1", "31740114038700001"] {
            let id = id(sent);
            assert_eq!(headers_of(&id), (sent.to_owned(), Some(id.recorded().to_owned())));
            let recorded: Uuid = id.recorded().parse().unwrap();
            assert_eq!(recorded.get_version_num(), 7);
        }
        for sent in ["317401140387000", "01890a5d-ac96-774b-bcce-b302099a8057"] {
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

    #[test]
    fn an_invalid_id_is_replaced() {
        for other in ["", "a b", "a/b", "\"", &"x".repeat(65)] {
            let id: Uuid = headers_of(&id(other)).0.parse().unwrap();
            assert_eq!(id.get_version_num(), 7);
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
