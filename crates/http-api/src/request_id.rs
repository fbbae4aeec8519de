use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The id under which a request is known in the answer, and the one under which log and audit trail have it.
///
/// They differ when a client's own id may hold an identity number: that is echoed and kept nowhere. The answer then tells
/// the other id as well, so that the rows can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestId {
    echoed: Box<str>,
    recorded: Option<Box<str>>,
}

impl RequestId {
    /// The header of an answer.
    pub(crate) const HEADER: HeaderName = HeaderName::from_static("request-id");
    /// The header of an answer that tells under which other id the request is recorded.
    pub(crate) const RECORDED: HeaderName = HeaderName::from_static("recorded-request-id");
    /// The header in which a client may send its own.
    pub(crate) const CLIENTS_OWN: HeaderName = HeaderName::from_static("x-request-id");
    const MAX_LENGTH: usize = 64;

    /// The client's own id when it is one, else a new one that sorts by time.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let own = headers.get(Self::CLIENTS_OWN).and_then(|value| value.to_str().ok());
        match own.filter(|text| is_taken(text)) {
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

    /// What log and audit trail have: never an identity number.
    pub(crate) fn recorded(&self) -> &str {
        self.recorded.as_deref().unwrap_or(&self.echoed)
    }
}

fn new() -> Box<str> {
    Uuid::now_v7().to_string().into()
}

fn is_taken(text: &str) -> bool {
    (1..=RequestId::MAX_LENGTH).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Whether there are sixteen digits in a row, or more.
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

    fn told(id: &RequestId) -> (String, Option<String>) {
        let mut headers = HeaderMap::new();
        id.insert_into(&mut headers);
        let text = |name| headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned());
        (text(RequestId::HEADER).unwrap(), text(RequestId::RECORDED))
    }

    #[test]
    fn what_may_be_an_identity_number_is_echoed_and_recorded_under_another_id() {
        for sent in ["3174011403870000", "bank-3174011403870000-1", "31740114038700001"] {
            let id = id(sent);
            assert_eq!(told(&id), (sent.to_owned(), Some(id.recorded().to_owned())));
            let recorded: Uuid = id.recorded().parse().unwrap();
            assert_eq!(recorded.get_version_num(), 7);
        }
        for sent in ["317401140387000", "01890a5d-ac96-774b-bcce-b302099a8057"] {
            let id = id(sent);
            assert_eq!((told(&id), id.recorded()), ((sent.to_owned(), None), sent));
        }
    }

    #[test]
    fn a_clients_own_id_is_echoed() {
        for own in ["a", "order-1._Z", &"x".repeat(64)] {
            assert_eq!(told(&id(own)).0, own);
        }
    }

    #[test]
    fn anything_else_is_replaced() {
        for other in ["", "a b", "a/b", "\"", &"x".repeat(65)] {
            let id: Uuid = told(&id(other)).0.parse().unwrap();
            assert_eq!(id.get_version_num(), 7);
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }
}
