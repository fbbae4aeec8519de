use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// The header with the client's key.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Base64 as clients write it, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The user name, password and key that a request carries. They are compared as bytes, so no charset is assumed.
pub(crate) struct PresentedCredentials {
    user_and_password: Vec<u8>,
    colon: usize,
    api_key: Vec<u8>,
}

impl PresentedCredentials {
    /// Reads both headers. `None` when one is missing, repeated or malformed.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let (scheme, encoded) = only(headers, &AUTHORIZATION)?.split_once_space()?;
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let user_and_password = BASE64.decode(encoded).ok()?;
        // The first colon separates them: a password may contain colons.
        let colon = memchr::memchr(b':', &user_and_password)?;
        let api_key = only(headers, &API_KEY)?.to_owned();
        Some(Self { user_and_password, colon, api_key })
    }

    /// Whether a request has at least one of the two headers.
    pub(crate) fn are_present(headers: &HeaderMap) -> bool {
        headers.contains_key(AUTHORIZATION) || headers.contains_key(API_KEY)
    }

    /// The credentials in the form that clients are looked up by.
    pub(crate) fn as_credentials(&self) -> padan_verification::Credentials<'_> {
        let (username, password) = self.user_and_password.split_at(self.colon);
        padan_verification::Credentials {
            username,
            password: password.get(1..).unwrap_or_default(),
            api_key: &self.api_key,
        }
    }
}

/// The token of `Authorization: Bearer`. `None` when the header is missing, repeated or of another scheme.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = only(headers, &AUTHORIZATION)?.split_once_space()?;
    (scheme.eq_ignore_ascii_case(b"bearer") && !token.is_empty()).then_some(token)
}

/// The value of a header that must occur exactly once. If a header occurs twice, a proxy and this service might read
/// different values.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name);
    let value = values.next()?.as_bytes().trim_ascii();
    values.next().is_none().then_some(value)
}

trait SplitOnceSpace {
    fn split_once_space(&self) -> Option<(&[u8], &[u8])>;
}

impl SplitOnceSpace for [u8] {
    fn split_once_space(&self) -> Option<(&[u8], &[u8])> {
        let space = memchr::memchr(b' ', self)?;
        Some((&self[..space], self[space..].trim_ascii()))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(authorization: &[&[u8]], keys: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        for key in keys {
            headers.append(API_KEY, HeaderValue::from_str(key).unwrap());
        }
        headers
    }

    fn basic(scheme: &str, plain: &[u8]) -> Vec<u8> {
        let encoded = base64::engine::general_purpose::STANDARD.encode(plain);
        format!("{scheme} {encoded}").into_bytes()
    }

    #[test]
    fn the_first_colon_separates_user_and_password() {
        let value = basic("Basic", b"user:pass:word");
        let presented = PresentedCredentials::of(&headers(&[&value], &["key"])).unwrap();
        let credentials = presented.as_credentials();
        assert_eq!(credentials.username, b"user");
        assert_eq!(credentials.password, b"pass:word");
        assert_eq!(credentials.api_key, b"key");
    }

    #[test]
    fn schemes_are_case_insensitive_and_credentials_are_bytes() {
        for value in [
            basic("basic", b"user:\xe9\xff"),
            basic("BASIC ", b"user:\xe9\xff"),
            b"Basic dXNlcjrp/w".to_vec(),
        ] {
            let presented = PresentedCredentials::of(&headers(&[&value], &["key"])).unwrap();
            assert_eq!(presented.as_credentials().password, b"\xe9\xff");
        }
    }

    #[test]
    fn a_password_may_be_empty() {
        let value = basic("Basic", b"user:");
        let presented = PresentedCredentials::of(&headers(&[&value], &["key"])).unwrap();
        assert_eq!(presented.as_credentials().password, b"");
    }

    #[test]
    fn a_token_is_read_from_its_own_scheme_only() {
        assert_eq!(bearer_token(&headers(&[b"bEARER  abc "], &[])), Some(&b"abc"[..]));
        let two = [&b"Bearer a"[..], b"Bearer a"];
        assert_eq!(bearer_token(&headers(&[], &[])), None);
        assert_eq!(bearer_token(&headers(&two, &[])), None);
        for refused in ["Basic abc", "Bearer", "Bearer ", "abc"] {
            assert_eq!(bearer_token(&headers(&[refused.as_bytes()], &[])), None, "{refused}");
        }
    }

    #[test]
    fn malformed_credentials_are_refused() {
        let good = basic("Basic", b"user:password");
        for (authorization, keys) in [
            (vec![], vec!["key"]),
            (vec![&good[..]], vec![]),
            (vec![&good[..], &good[..]], vec!["key"]),
            (vec![&good[..]], vec!["key", "key"]),
            (vec![&b"Bearer dXNlcjpw"[..]], vec!["key"]),
            (vec![&b"Basic"[..]], vec!["key"]),
            (vec![&b"Basic %%%"[..]], vec!["key"]),
            (vec![&b"Basic dXNlcg=="[..]], vec!["key"]),
        ] {
            assert!(PresentedCredentials::of(&headers(&authorization, &keys)).is_none());
        }
    }
}
