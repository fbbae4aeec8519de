//! Requests byte by byte as the SDKs for Go and Java write them. `make snippets` and `make clients` run programs in these
//! languages and the SDK for Node; here is what only the SDKs themselves would send.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use padan_test_service::{BUDI, Claim, Photos, TestService};
use serde_json::Value;

use crate::json::in_lines;

/// `bank-user:pass:word` in Basic authentication, and the API key, with the names of headers as Go writes them.
const CREDENTIALS: &str = "Authorization: Basic YmFuay11c2VyOnBhc3M6d29yZA==\r\nX-Api-Key: bank-key\r\n";
const FACE: &str = "/identity/v1/face-verification";
const MATCH: &str = "/face/v1/match";
const GO: &str = "User-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n";
const GO_BOUNDARY: &str = "5e2a2ad3a5b4d7a0e1d0b9f4a9de6d1f3f2f9d6f8f7c0a1b2c3d4e5f6a7b";
/// Java's own client offers HTTP/2 on its first request.
const JAVA: &str = "User-Agent: Java-http-client/17.0.9\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
                    HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n";
/// Apache's client waits for the interim answer if it is told to.
const APACHE: &str = "User-Agent: Apache-HttpClient/4.5.13 (Java/11.0.21)\r\nConnection: Keep-Alive\r\n\
                      Accept-Encoding: gzip,deflate\r\n";
const JAVA_BOUNDARY: &str = "Hn-8_kQv7s5LtGx0ZyPw1dRcJ2mUb";

/// A part of a form: its field, the rest of its head, and its data.
type Part = (&'static str, &'static str, Bytes);

fn form(boundary: &str, parts: &[Part]) -> Vec<u8> {
    let mut form = Vec::new();
    for (field, head, data) in parts {
        form.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"{head}\r\n\r\n")
                .as_bytes(),
        );
        form.extend_from_slice(data);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    form
}

fn form_type(boundary: &str) -> String {
    format!("Content-Type: multipart/form-data; boundary={boundary}\r\n")
}

fn with_length(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: padan\r\n{headers}{CREDENTIALS}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The request in chunks of this size.
fn in_chunks(path: &str, headers: &str, body: &[u8], size: usize) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: padan\r\n{headers}{CREDENTIALS}Transfer-Encoding: chunked\r\n\r\n"
    );
    let mut request = head.into_bytes();
    for chunk in body.chunks(size) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

/// Reads a head, without what follows.
fn read_head(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(connection.read(&mut byte).unwrap(), 1, "cut off: {}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// The status and the body of an answer, which is a JSON object, since the SDK for Go reads nothing else.
fn read_answer(connection: &mut TcpStream) -> (u16, String) {
    let head = read_head(connection);
    let header = |name: &str| {
        let mut headers = head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let mut body = vec![0; header("content-length").unwrap().parse().unwrap()];
    connection.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    assert_eq!(header("content-type").as_deref(), Some("application/json"), "{head}");
    assert!(serde_json::from_str::<Value>(&body).unwrap().is_object(), "{body}");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
}

fn send(service: &TestService, request: &[u8]) -> (u16, String) {
    let mut connection = service.connect();
    connection.write_all(request).unwrap();
    read_answer(&mut connection)
}

/// Budi's parts as the SDK for Go writes them.
fn go_parts() -> [Part; 4] {
    [
        ("nik", "", BUDI.into()),
        ("name", "", "Budi Santoso".into()),
        ("date_of_birth", "", "14-03-1987".into()),
        (
            "face_image",
            "; filename=\"101_s1.jpg\"\r\nContent-Type: application/octet-stream",
            Photos::read("101_s1.jpg"),
        ),
    ]
}

/// Every order of the elements.
fn orders<T: Clone>(elements: &[T]) -> Vec<Vec<T>> {
    if elements.is_empty() {
        return vec![Vec::new()];
    }
    (0..elements.len())
        .flat_map(|first| {
            let mut rest = elements.to_vec();
            let first = rest.remove(first);
            orders(&rest).into_iter().map(move |order| [vec![first.clone()], order].concat())
        })
        .collect()
}

#[test]
fn a_form_of_go_is_read_in_every_order_of_its_parts() {
    let service = TestService::start();
    let documented = service.verify(&Claim::matching());
    assert_eq!(documented.reason_code, "VERIFIED");
    let headers = format!("{GO}{}", form_type(GO_BOUNDARY));
    let orders = orders(&go_parts());
    assert_eq!(orders.len(), 24);
    for (n, parts) in orders.iter().enumerate() {
        // The SDK joins base URL and path with a slash. Go sends a body of unknown length in chunks.
        let path = if n % 2 == 0 { FACE.to_owned() } else { format!("/{FACE}") };
        let body = form(GO_BOUNDARY, parts);
        let request = match n % 3 {
            0 => in_chunks(&path, &headers, &body, 32 * 1024),
            1 => in_chunks(&path, &headers, &body, 7),
            _ => with_length(&path, &headers, &body),
        };
        let order: Vec<_> = parts.iter().map(|(field, ..)| *field).collect();
        assert_eq!(send(&service, &request), (200, documented.body.clone()), "{order:?}");
    }
}

#[test]
fn faces_are_matched_whichever_photo_comes_first() {
    let service = TestService::start();
    let octets = "; filename=\"blob\"\r\nContent-Type: application/octet-stream";
    let photos: [Part; 2] = [
        ("captured_image", octets, Photos::read("118_s1.jpg")),
        ("stored_image", octets, Photos::without_face()),
    ];
    let headers = format!("{GO}{}", form_type(GO_BOUNDARY));
    for parts in orders(&photos) {
        let (status, body) = send(&service, &with_length(MATCH, &headers, &form(GO_BOUNDARY, &parts)));
        assert!(status == 200 && body.contains("\"match_status_code\":\"NO_FACE_STORED_IMG\""), "{body}");
    }
}

#[test]
fn a_form_of_java_is_read_with_the_heads_of_its_parts() {
    let service = TestService::start();
    let documented = service.verify(&Claim::matching());
    let latin = "\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit";
    let utf8 = "\r\nContent-Type: text/plain; charset=UTF-8";
    let image = "; filename=\"101_s1.jpg\"\r\nContent-Type: image/jpeg\r\nContent-Transfer-Encoding: binary";
    let guessed_wrong = "; filename=\"selfie 1 (baru).PNG\"\r\nContent-Type: image/png";
    let photo = || Photos::read("101_s1.jpg");
    for (head, name, image) in [
        (latin, &b"B\xf9di Santoso"[..], image),
        (latin, b"Budi Santoso", guessed_wrong),
        (utf8, "Bùdi Santoso".as_bytes(), image),
        ("", "Bùdi Santoso".as_bytes(), guessed_wrong),
        ("", b"Budi Santoso", ""),
    ] {
        let parts: [Part; 4] = [
            ("nik", head, BUDI.into()),
            ("name", head, name.into()),
            ("date_of_birth", head, "14-03-1987".into()),
            ("face_image", image, photo()),
        ];
        let body = form(JAVA_BOUNDARY, &parts);
        for headers in [JAVA, APACHE] {
            let request = with_length(FACE, &format!("{headers}{}", form_type(JAVA_BOUNDARY)), &body);
            assert_eq!(send(&service, &request), (200, documented.body.clone()), "{head}{image}");
        }
    }
}

/// The JSON of a Java program: photos in base64 as `encode` writes it, special characters as `escape` writes them.
fn java_json(photos: [&Bytes; 2], encode: fn(&str) -> String, escape: fn(&str) -> String) -> Vec<u8> {
    let [captured, stored] = photos.map(|photo| escape(&encode(&STANDARD.encode(photo))));
    format!("{{\"captured_image\":\"{captured}\",\"stored_image\":\"{stored}\"}}").into_bytes()
}

#[test]
fn json_of_java_is_read_with_its_line_breaks_and_escapes() {
    let service = TestService::start();
    let (captured, stored) = (Photos::read("101_s1.jpg"), Photos::read("101_id.jpg"));
    let whole = |encoded: &str| encoded.to_owned();
    let plain = |text: &str| text.replace('\r', "\\r").replace('\n', "\\n");
    let body = java_json([&captured, &stored], whole, plain);
    let expected = send(&service, &with_length(MATCH, "Content-Type: application/json\r\n", &body));
    assert!(expected.0 == 200 && expected.1.contains("\"MATCH\""), "{}", expected.1);

    // Base64.getMimeEncoder() ends lines in CR LF, Android's Base64.DEFAULT in LF, with one at the end.
    let android = |encoded: &str| in_lines(encoded).replace('\r', "") + "\n";
    // Gson writes = as an escape, org.json the slash.
    let gson = |text: &str| text.replace('\r', "\\r").replace('\n', "\\n").replace('=', "\\u003d");
    let org_json = |text: &str| text.replace('\r', "\\r").replace('\n', "\\n").replace('/', "\\/");
    let encoders: [fn(&str) -> String; 4] =
        [in_lines, android, whole, |encoded| format!("data:image/jpeg;base64,{}", in_lines(encoded))];
    let escapes: [fn(&str) -> String; 3] = [plain, gson, org_json];
    for (n, encode) in encoders.into_iter().enumerate() {
        for escape in escapes {
            let body = java_json([&captured, &stored], encode, escape);
            for content_type in ["application/json", "application/json; charset=UTF-8"] {
                let headers = format!("{JAVA}Content-Type: {content_type}\r\n");
                assert_eq!(send(&service, &with_length(MATCH, &headers, &body)), expected, "encoder {n}");
                assert_eq!(send(&service, &in_chunks(MATCH, &headers, &body, 8192)), expected, "encoder {n}");
            }
        }
    }
}

/// Sends the head, and the body only after the interim answer.
fn send_when_told(service: &TestService, request: &[u8]) -> (u16, String) {
    let head = request.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    let mut connection = service.connect();
    connection.write_all(&request[..head]).unwrap();
    assert_eq!(read_head(&mut connection), "HTTP/1.1 100 Continue\r\n\r\n");
    connection.write_all(&request[head..]).unwrap();
    read_answer(&mut connection)
}

#[test]
fn a_client_that_expects_100_continue_gets_it_and_then_its_answer() {
    let service = TestService::start();
    let documented = service.verify(&Claim::matching());
    let body = form(GO_BOUNDARY, &go_parts());
    let headers = format!("{APACHE}{}Expect: 100-continue\r\n", form_type(GO_BOUNDARY));
    for request in [with_length(FACE, &headers, &body), in_chunks(FACE, &headers, &body, 1024)] {
        assert_eq!(send_when_told(&service, &request), (200, documented.body.clone()));
    }
    // With wrong credentials it is the same: the refusal comes after the body.
    let request = with_length(FACE, &headers, &body);
    let at = request.windows(8).position(|bytes| bytes == b"bank-key").unwrap();
    let wrong = [&request[..at], b"BANK", &request[at + 4..]].concat();
    let (status, body) = send_when_told(&service, &wrong);
    assert_eq!((status, body.contains("Missing or wrong credentials")), (401, true), "{body}");
}

#[test]
fn every_refusal_is_a_json_object_while_the_body_is_still_sent() {
    let service = TestService::start();
    let headers = format!("{GO}{}", form_type(GO_BOUNDARY));
    let whole = form(GO_BOUNDARY, &go_parts());
    let long = vec![b'x'; 17 << 20];
    let unsupported: [Part; 1] = [("nik", "", "1".into())];
    for (status, request) in [
        (400, with_length(FACE, &headers, &form(GO_BOUNDARY, &unsupported))),
        (401, {
            let text = with_length(FACE, &headers, &whole);
            let at = text.windows(8).position(|bytes| bytes == b"bank-key").unwrap();
            [&text[..at], b"BANK", &text[at + 4..]].concat()
        }),
        (404, with_length("/identity/v2/face-verification", &headers, &whole)),
        (413, with_length(FACE, &headers, &long)),
        (413, in_chunks(FACE, &headers, &long, 1 << 20)),
        (415, with_length(FACE, &format!("{GO}Content-Type: text/plain\r\n"), &whole)),
    ] {
        let (found, body) = send(&service, &request);
        assert_eq!(found, status, "{body}");
        assert!(body.starts_with("{\"verification_status\":false,\"reason\":\""), "{body}");
    }
}
