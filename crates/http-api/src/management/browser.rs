//! The session that a browser sends in a cookie, and requests that another site made the browser send.
//!
//! The cookie alone admits nothing but reading: each other request has the session's token against cross-site requests in
//! a header, which other sites can neither read nor send.

use actix_web::{
    HttpRequest,
    http::header::{CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, ORIGIN},
};
use padan_verification::OperatorSession;
use sha2::{Digest as _, Sha256};

use super::{fault::Fault, hex::hex};

/// The session of a request that a browser sent.
#[derive(Debug, Clone)]
pub(super) struct BrowserSession {
    pub(super) session: OperatorSession,
    pub(super) csrf_token: String,
}

/// With this prefix, browsers take the cookie only from this host, over TLS, for the whole host.
pub(super) const SESSION_COOKIE: &str = "__Host-padan-session";
pub(super) const DEVICE_COOKIE: &str = "__Host-padan-device";
/// The browser in which somebody signed in through the provider.
pub(super) const PROVIDER_DEVICE_COOKIE: &str = "__Host-padan-provider-device";
/// The sign-in for which the browser left for the provider.
pub(super) const FLOW_COOKIE: &str = "__Host-padan-sign-in";
const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl BrowserSession {
    pub(super) fn of(session: OperatorSession, token: &str) -> Self {
        let digest = Sha256::digest([b"padan csrf 1".as_slice(), token.as_bytes()].concat());
        Self { session, csrf_token: hex(&digest) }
    }

    /// Refuses a request that another site may have made the browser send.
    pub(super) fn check_request(&self, request: &HttpRequest) -> Result<(), Fault> {
        check_site(request.headers())?;
        if request.method().is_safe() {
            return Ok(());
        }
        let sent = only(request.headers(), &CSRF_HEADER).unwrap_or_default();
        // Digests are compared, so that the time of the comparison reveals nothing.
        let is_right = Sha256::digest(sent) == Sha256::digest(&self.csrf_token);
        if is_right { Ok(()) } else { Err(Fault::CrossSite) }
    }
}

/// Refuses a request of which the browser says that another site made it.
pub(super) fn check_site(headers: &HeaderMap) -> Result<(), Fault> {
    let is_own = match (only(headers, &FETCH_SITE), headers.contains_key(ORIGIN)) {
        (Some(site), _) => site == "same-origin" || site == "none",
        (None, false) => !headers.contains_key(&FETCH_SITE),
        (None, true) => {
            let origin = only(headers, &ORIGIN).and_then(|origin| origin.split_once("://"));
            origin.is_some_and(|(_, host)| Some(host) == only(headers, &HOST))
        }
    };
    if is_own { Ok(()) } else { Err(Fault::CrossSite) }
}

/// Refuses a sign-in that a form of another site could send.
pub(super) fn check_sign_in(headers: &HeaderMap) -> Result<(), Fault> {
    check_site(headers)?;
    let kind = only(headers, &CONTENT_TYPE).unwrap_or_default();
    if kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Fault::invalid("the sign-in is sent with Content-Type: application/json"))
}

/// The value of a cookie that occurs exactly once. With two of them, somebody else may have set one.
pub(super) fn cookie_of(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    let value = values.next()?;
    values.next().is_none().then(|| value.to_owned())
}

/// The value of a header that occurs exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name);
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_request_that_another_site_made_is_refused() {
        let is_own = |headers: &[(&str, &str)]| {
            let mut request = TestRequest::get();
            for (name, value) in headers {
                request = request.append_header((*name, *value));
            }
            check_site(request.to_http_request().headers()).is_ok()
        };
        for own in [
            &[][..],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://padan:9090"), ("host", "padan:9090")],
        ] {
            assert!(is_own(own), "{own:?}");
        }
        for foreign in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://evil.example"), ("host", "padan:9090")],
            &[("origin", "https://padan:9091"), ("host", "padan:9090")],
            &[("origin", "null"), ("host", "padan:9090")],
            &[("origin", "https://padan:9090"), ("origin", "https://evil.example"), ("host", "padan:9090")],
        ] {
            assert!(!is_own(foreign), "{foreign:?}");
        }
    }

    #[test]
    fn a_cookie_that_occurs_twice_counts_for_nothing() {
        let read = |lines: &[&str]| {
            let mut request = TestRequest::get();
            for line in lines {
                request = request.append_header(("cookie", *line));
            }
            cookie_of(request.to_http_request().headers(), SESSION_COOKIE)
        };
        let expected = Some("a".to_owned());
        assert_eq!(read(&["__Host-padan-session=a"]), expected);
        assert_eq!(read(&["x=y; __Host-padan-session=a; z=1"]), expected);
        for none in [
            &["__Host-padan-session=a; __Host-padan-session=b"][..],
            &["__Host-padan-session=a", "__Host-padan-session=a"],
            &["padan-session=a"],
            &["__host-padan-session=a"],
            &[],
        ] {
            assert_eq!(read(none), None, "{none:?}");
        }
    }
}
