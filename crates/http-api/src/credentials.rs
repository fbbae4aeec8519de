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

/// User name, password and key as they arrived. They are compared as bytes, so no charset is assumed.
pub(crate) struct PresentedCredentials {
    user_and_password: Vec<u8>,
    colon: usize,
    api_key: Vec<u8>,
}

impl PresentedCredentials {
    /// Reads both headers. `None` when one is missing, is there twice, or is not of its form.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let (scheme, encoded) = only(headers, &AUTHORIZATION)?.split_once_space()?;
        if !scheme.eq_ignore_ascii_case(b"basic") {
            return None;
        }
        let user_and_password = BASE64.decode(encoded).ok()?;
        // The first colon parts them: a password may contain more.
        let colon = memchr::memchr(b':', &user_and_password)?;
        let api_key = only(headers, &API_KEY)?.to_owned();
        Some(Self { user_and_password, colon, api_key })
    }

    /// Whether there is any of both headers.
    pub(crate) fn are_in(headers: &HeaderMap) -> bool {
        headers.contains_key(AUTHORIZATION) || headers.contains_key(API_KEY)
    }

    /// For the comparison.
    pub(crate) fn as_credentials(&self) -> padan_verification::Credentials<'_> {
        let (username, password) = self.user_and_password.split_at(self.colon);
        padan_verification::Credentials {
            username,
            password: password.get(1..).unwrap_or_default(),
            api_key: &self.api_key,
        }
    }
}

/// The value of a header that must be there exactly once: of two, a proxy and we might each read another.
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
    fn the_first_colon_parts_user_and_password() {
        let value = basic("Basic", b"user:pass:word");
        let presented = PresentedCredentials::of(&headers(&[&value], &["key"])).unwrap();
        let credentials = presented.as_credentials();
        assert_eq!(credentials.username, b"user");
        assert_eq!(credentials.password, b"pass:word");
        assert_eq!(credentials.api_key, b"key");
    }

    #[test]
    fn schemes_have_no_case_and_bytes_no_charset() {
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
    fn an_empty_password_is_a_password() {
        let value = basic("Basic", b"user:");
        let presented = PresentedCredentials::of(&headers(&[&value], &["key"])).unwrap();
        assert_eq!(presented.as_credentials().password, b"");
    }

    #[test]
    fn anything_else_is_no_credentials() {
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
