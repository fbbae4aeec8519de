//! Requests to basic verification as text, for tests of what HTTP clients do not send.

use std::{io::Read as _, net::TcpStream};

use crate::site::BUDI;

/// `bank-user:pass:word` in Basic authentication, and the API key.
pub const CREDENTIALS: &str = "Authorization: Basic YmFuay11c2VyOnBhc3M6d29yZA==\r\nx-api-key: bank-key\r\n";
/// The header of [`form`].
pub const FORM_TYPE: &str = "Content-Type: multipart/form-data; boundary=b\r\n";
/// The path of basic verification.
pub const PATH: &str = "/identity/v1/verification";

/// A form with Budi's NIK.
pub fn form() -> String {
    part("nik", BUDI) + "--b--\r\n"
}

/// A part of a form.
pub fn part(name: &str, value: &str) -> String {
    format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

/// The head of a request.
pub fn head(path: &str, headers: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: padan\r\n{headers}\r\n")
}

/// A request with a body of this length.
pub fn with_length(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = head(PATH, &format!("{headers}{FORM_TYPE}Content-Length: {}\r\n", body.len()));
    [head.as_bytes(), body].concat()
}

/// Reads one answer, by its Content-Length: its head and its body.
pub fn read_answer(connection: &mut TcpStream) -> (String, String) {
    let mut received = Vec::new();
    let mut byte = [0];
    while !received.ends_with(b"\r\n\r\n") {
        assert_eq!(connection.read(&mut byte).unwrap(), 1, "cut off: {}", String::from_utf8_lossy(&received));
        received.push(byte[0]);
    }
    let head = String::from_utf8(received).unwrap();
    let mut body = vec![0; header(&head, "content-length").unwrap().parse().unwrap()];
    connection.read_exact(&mut body).unwrap();
    (head, String::from_utf8(body).unwrap())
}

/// A header of an answer.
pub fn header(head: &str, name: &str) -> Option<String> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.to_owned())
}

/// Asserts status and reason code of an answer.
#[track_caller]
pub fn assert_answer((head, body): &(String, String), status: u16, reason: &str) {
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}{body}");
    assert_eq!(header(head, "reason-code").as_deref(), Some(reason), "{head}{body}");
    assert!(header(head, "request-id").is_some() && body.starts_with('{'), "{head}{body}");
}
