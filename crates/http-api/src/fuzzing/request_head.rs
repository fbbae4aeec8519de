use std::net::IpAddr;

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, X_FORWARDED_FOR};
use base64::Engine as _;

use crate::{
    connection::framing::Framing,
    credentials::{API_KEY, PresentedCredentials},
    request_id::{RequestId, has_a_run_of_digits},
    trusted_proxies::TrustedProxies,
};

/// Reads the headers that decide about a request, and follows the bytes of a connection. The first three lines are the
/// values of `x-request-id`, `Authorization` and `X-Forwarded-For`, the rest the bytes.
///
/// # Panics
///
/// When a property does not hold.
pub fn request_head(data: &[u8]) {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    request_id(line());
    credentials(line());
    forwarded(line());
    framing(line());
}

fn headers(name: HeaderName, value: &[u8]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_bytes(value).ok()?);
    Some(headers)
}

/// What is recorded has no identity number and is safe in a log.
fn request_id(value: &[u8]) {
    let Some(headers) = headers(RequestId::CLIENTS_OWN, value) else { return };
    let id = RequestId::of(&headers);
    let recorded = id.recorded();
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    assert!(!recorded.is_empty() && recorded.len() <= 64 && recorded.bytes().all(is_safe));
    // An id of our own is random, so that sixteen digits in a row are nobody's.
    let is_the_clients = recorded.as_bytes() == value;
    assert!(!is_the_clients || !has_a_run_of_digits(recorded), "a recorded id may hold an identity number");
    let mut answer = HeaderMap::new();
    id.insert_into(&mut answer);
    let echoed = answer.get(RequestId::HEADER).map(HeaderValue::as_bytes);
    assert!(echoed == Some(value) || echoed == Some(recorded.as_bytes()), "another id is echoed");
}

/// User and password are those of the header.
fn credentials(value: &[u8]) {
    let Some(mut headers) = headers(AUTHORIZATION, value) else { return };
    headers.insert(API_KEY, HeaderValue::from_static("key"));
    let Some(presented) = PresentedCredentials::of(&headers) else { return };
    let read = presented.as_credentials();
    assert!(!read.username.contains(&b':'), "the first colon ends the user's name");
    let again = [read.username, b":", read.password].concat();
    let again = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(again));
    headers.insert(
        AUTHORIZATION,
        HeaderValue::from_str(&again).unwrap_or_else(|_| HeaderValue::from_static("")),
    );
    let again = PresentedCredentials::of(&headers);
    let again = again.as_ref().map(PresentedCredentials::as_credentials);
    let is_same = again.is_some_and(|again| {
        (again.username, again.password, again.api_key) == (read.username, read.password, read.api_key)
    });
    assert!(is_same, "credentials do not read themselves");
}

/// Only a trusted proxy names the caller, and what the caller wrote before is ignored.
fn forwarded(value: &[u8]) {
    let Some(sent) = headers(X_FORWARDED_FOR, value) else { return };
    let (Ok(proxy), Ok(other)) = ("10.0.0.1".parse::<IpAddr>(), "192.0.2.7".parse::<IpAddr>()) else {
        return;
    };
    let proxies = TrustedProxies::new(&[proxy.into()]);
    assert_eq!(proxies.caller(other, &sent), other, "a stranger names the caller");
    let caller = proxies.caller(proxy, &sent);
    assert_eq!(caller, caller.to_canonical());
    let Some(appended) = headers(X_FORWARDED_FOR, &[value, b", 192.0.2.7"].concat()) else { return };
    assert_eq!(proxies.caller(proxy, &appended), other, "the caller's own entry counts");
}

/// Bytes that arrive in pieces mean what they mean at once.
fn framing(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let (mut at_once, mut in_pieces) = (Framing::default(), Framing::default());
    at_once.read(bytes);
    for piece in bytes.chunks(usize::from(*size) + 1) {
        in_pieces.read(piece);
    }
    assert_eq!(at_once.is_in_head(), in_pieces.is_in_head(), "the size of the pieces matters");
}
