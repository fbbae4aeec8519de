//! Requests as HTTP clients, gateways and mobile lines really send them.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use padan_test_service::{BUDI, Photos, TestService, UNKNOWN, ran_in_own_process};

/// `bank-user:pass:word` in Basic authentication, and the API key.
const CREDENTIALS: &str = "Authorization: Basic YmFuay11c2VyOnBhc3M6d29yZA==\r\nx-api-key: bank-key\r\n";
const FORM_TYPE: &str = "Content-Type: multipart/form-data; boundary=b\r\n";
const FACE: &str = "/identity/v1/face-verification";
const LATIN: &str = "Content-Type: text/plain; charset=ISO-8859-1";

/// A part of a form, with the lines of its head beside the Content-Disposition.
struct Part<'a> {
    name: &'a str,
    head: &'a str,
    data: Vec<u8>,
}

fn part<'a>(name: &'a str, head: &'a str, data: impl Into<Vec<u8>>) -> Part<'a> {
    Part { name, head, data: data.into() }
}

/// Budi's four parts.
fn parts() -> Vec<Part<'static>> {
    vec![
        part("nik", "", BUDI),
        part("name", "", "Budi Santoso"),
        part("date_of_birth", "", "14-03-1987"),
        part("face_image", "Content-Type: application/octet-stream", Photos::read("101_s1.jpg")),
    ]
}

/// The parts with one of them replaced.
fn with(replaced: Part<'static>) -> Vec<Part<'static>> {
    let name = replaced.name;
    parts().into_iter().filter(|part| part.name != name).chain([replaced]).collect()
}

/// A form whose parts begin with `disposition`, where `NAME` stands for the field's name. `line_end` ends every line.
fn form_of(parts: &[Part<'_>], disposition: &str, line_end: &str) -> Vec<u8> {
    let mut form = Vec::new();
    for Part { name, head, data } in parts {
        let head = if head.is_empty() { String::new() } else { format!("{head}\n") };
        let head = format!("--b\n{}\n{head}\n", disposition.replace("NAME", name));
        form.extend_from_slice(head.replace('\n', line_end).as_bytes());
        form.extend_from_slice(data);
        form.extend_from_slice(line_end.as_bytes());
    }
    form.extend_from_slice(b"--b--");
    form.extend_from_slice(line_end.as_bytes());
    form
}

fn form(parts: &[Part<'_>]) -> Vec<u8> {
    form_of(parts, "Content-Disposition: form-data; name=\"NAME\"", "\r\n")
}

fn request(headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {FACE} HTTP/1.1\r\nHost: padan\r\n{CREDENTIALS}{headers}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// The status, the reason code and the body of an answer.
type Answer = (u16, String, String);

/// Reads one answer, by its Content-Length.
fn read_answer(connection: &mut TcpStream) -> Answer {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        assert_eq!(connection.read(&mut byte).unwrap(), 1, "cut off: {}", String::from_utf8_lossy(&head));
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let header = |name: &str| {
        let mut headers = head.lines().filter_map(|line| line.split_once(": "));
        let (_, value) =
            headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).unwrap_or_else(|| panic!("{head}"));
        value.to_owned()
    };
    assert!(!header("request-id").is_empty());
    assert_eq!(header("content-type"), "application/json");
    let mut body = vec![0; header("content-length").parse().unwrap()];
    connection.read_exact(&mut body).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, header("reason-code"), String::from_utf8(body).unwrap())
}

fn send(service: &TestService, request: &[u8]) -> Answer {
    let mut connection = service.connect();
    connection.write_all(request).unwrap();
    read_answer(&mut connection)
}

fn send_form(service: &TestService, form: &[u8]) -> Answer {
    send(service, &request(FORM_TYPE, form))
}

#[track_caller]
fn assert_verified(answer: &Answer) {
    assert_eq!((answer.0, &*answer.1), (200, "VERIFIED"), "{}", answer.2);
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, reason_code: &str, text: &str) {
    let body = format!("{{\"verification_status\":false,\"reason\":\"{text}\"}}");
    assert_eq!((answer.0, &*answer.1, &*answer.2), (status, reason_code, &*body));
}

/// A form as some clients lay it out, and what it is called.
fn assert_layout(service: &TestService, layout: &str, form: &[u8]) {
    let answer = send_form(service, form);
    assert_eq!((answer.0, &*answer.1), (200, "VERIFIED"), "{layout}: {}", answer.2);
}

#[test]
fn forms_are_read_in_every_layout() {
    let service = TestService::start();
    for disposition in [
        "Content-Disposition: form-data;\n name=\"NAME\"",
        "Content-Disposition:\n\tform-data;\n\tname=\"NAME\";\n\tfilename=\"a file.jpg\"",
        "X-Other: 1\n 2\nContent-Disposition: form-data; name=NAME",
    ] {
        assert_layout(&service, "folded", &form_of(&parts(), disposition, "\r\n"));
        assert_layout(&service, "folded, LF", &form_of(&parts(), disposition, "\n"));
    }
    let plain = "Content-Disposition: form-data; name=\"NAME\"";
    assert_layout(&service, "LF", &form_of(&parts(), plain, "\n"));
    // Only the heads of the parts end their lines in LF.
    let mut mixed = Vec::new();
    for Part { name, head, data } in parts() {
        let head = if head.is_empty() { String::new() } else { format!("{head}\n") };
        mixed.extend_from_slice(
            format!("--b\r\n{head}Content-Disposition: form-data; name=\"{name}\"\n\n").as_bytes(),
        );
        mixed.extend_from_slice(&data);
        mixed.extend_from_slice(b"\r\n");
    }
    mixed.extend_from_slice(b"--b--\r\n");
    assert_layout(&service, "LF in heads", &mixed);
}

fn lines_of_76(text: &str) -> String {
    let lines = text.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned());
    lines.collect::<Vec<_>>().join("\r\n")
}

#[test]
fn the_transfer_encoding_of_a_part_is_decoded_or_refused_by_name() {
    let service = TestService::start();
    let base64 = "Content-Transfer-Encoding: base64";
    let photo = lines_of_76(&STANDARD.encode(Photos::read("101_s1.jpg")));
    let mut quoted_photo = String::new();
    for line in Photos::read("101_s1.jpg").chunks(24) {
        for byte in line {
            write!(quoted_photo, "={byte:02X}").unwrap();
        }
        quoted_photo.push_str("=\r\n");
    }
    let quoted = "content-transfer-encoding: Quoted-Printable";
    let latin_quoted =
        "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable";
    for (what, replaced) in [
        ("a photo in base64", part("face_image", base64, photo)),
        ("a photo in quoted-printable", part("face_image", quoted, quoted_photo)),
        ("a name in base64", part("name", base64, STANDARD.encode("Budi Santoso"))),
        ("a NIK in base64 without padding", part("nik", base64, STANDARD.encode(BUDI).trim_end_matches('='))),
        ("a name in quoted-printable", part("name", quoted, "Budi=20San=\r\ntoso")),
        ("a name in Latin-1, quoted", part("name", latin_quoted, "B=F9di Santoso")),
        ("a date in quoted-printable", part("date_of_birth", quoted, "14=2D03=2d1987")),
        ("bytes as they are", part("name", "Content-Transfer-Encoding: 8bit", "Budi Santoso")),
        ("binary", part("face_image", "Content-Transfer-Encoding: binary", Photos::read("101_s1.jpg"))),
    ] {
        assert_layout(&service, what, &form(&with(replaced)));
    }
    let ask = |replaced| send_form(&service, &form(&with(replaced)));
    for (encoding, shown) in [("x-uuencode", "x-uuencode"), ("BinHex", "BinHex")] {
        let head: &'static str = format!("Content-Transfer-Encoding: {encoding}").leak();
        let text = format!("Content-Transfer-Encoding {shown} of a part is not supported");
        assert_refused(&ask(part("name", head, "Budi Santoso")), 400, "MALFORMED_FORM", &text);
    }
    let text = "Content-Encoding gzip of a part is not supported";
    let packed = part("face_image", "Content-Encoding: gzip", gzip(&Photos::read("101_s1.jpg")));
    assert_refused(&ask(packed), 400, "MALFORMED_FORM", text);
    let text = "A part is not valid base64, its Content-Transfer-Encoding";
    assert_refused(&ask(part("name", base64, "Budi Santoso!")), 400, "MALFORMED_FORM", text);
    let text = "A part is not valid quoted-printable, its Content-Transfer-Encoding";
    assert_refused(&ask(part("name", quoted, "Budi=2")), 400, "MALFORMED_FORM", text);
}

#[test]
fn a_name_in_utf16_is_read_by_its_mark() {
    let service = TestService::start();
    let units = || "Bùdi Santoso".encode_utf16();
    let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
    let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
    let (big_marked, little_marked) = ([b"\xfe\xff", &big[..]].concat(), [b"\xff\xfe", &little[..]].concat());
    for charset in
        ["; charset=utf-16", "; charset=\"UTF-16LE\"", "; charset=utf-16be", "; charset=unknown", ""]
    {
        let head: &'static str = format!("Content-Type: text/plain{charset}").leak();
        for name in [&big_marked, &little_marked] {
            assert_layout(&service, head, &form(&with(part("name", head, name.clone()))));
        }
    }
    for name in [&big, &little] {
        let without_mark = part("name", "Content-Type: text/plain; charset=utf-16", name.clone());
        assert_layout(&service, "no mark", &form(&with(without_mark)));
        let unannounced = send_form(&service, &form(&with(part("name", "", name.clone()))));
        assert_ne!(unannounced.1, "NAME_MISMATCH", "text in an unknown charset is not compared");
        let latin = send_form(&service, &form(&with(part("name", LATIN, name.clone()))));
        assert_refused(&latin, 400, "INVALID_NAME", "Invalid name format");
    }
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_body_in_gzip_is_read_within_the_limit_and_other_encodings_are_named() {
    if ran_in_own_process() {
        return;
    }
    let service = TestService::start();
    let send_as = |encoding: &str, body: &[u8]| {
        send(&service, &request(&format!("{FORM_TYPE}Content-Encoding: {encoding}\r\n"), body))
    };
    let whole = form(&parts());
    for encoding in ["gzip", "GZIP", "x-gzip", "identity, gzip"] {
        assert_verified(&send_as(encoding, &gzip(&whole)));
    }
    assert_verified(&send_as("identity", &whole));
    for encoding in ["br", "deflate", "zstd", "gzip, gzip"] {
        let text = format!("Content-Encoding {encoding} is not supported: send gzip or none");
        assert_refused(&send_as(encoding, &whole), 415, "UNSUPPORTED_MEDIA_TYPE", &text);
    }
    let text = "Request body is not valid gzip, its Content-Encoding";
    assert_refused(&send_as("gzip", &whole), 400, "MALFORMED_FORM", text);

    // A gigabyte of zeros in a megabyte, and a form that is one byte too long.
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..1024 {
        bomb.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 2 << 20, "{}", bomb.len());
    let before = peak_memory();
    let began = Instant::now();
    assert_refused(&send_as("gzip", &bomb), 413, "BODY_TOO_LARGE", "Request body is too large");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let grown = peak_memory() - before;
    assert!(grown < 64 << 20, "the peak memory grew by {grown} bytes");
    let filler = (16 << 20) - form(&with(part("x", "", ""))).len();
    let filled = |bytes: usize| gzip(&form(&with(part("x", "", vec![b'x'; bytes]))));
    assert_verified(&send_as("gzip", &filled(filler)));
    assert_refused(&send_as("gzip", &filled(filler + 1)), 413, "BODY_TOO_LARGE", "Request body is too large");
}

/// The most memory that this process has taken so far, in bytes.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn the_text_says_what_is_wrong_with_a_content_type() {
    let service = TestService::start();
    let whole = form(&parts());
    for (content_type, text) in [
        ("multipart/form-data", "Content-Type multipart/form-data has no boundary"),
        ("multipart/form-data; boundary=", "Content-Type multipart/form-data has no boundary"),
        ("multipart/form-data; charset=utf-8", "Content-Type multipart/form-data has no boundary"),
        (
            "multipart/form-data, boundary=b",
            "Content-Type has a comma before boundary, where a semicolon must be",
        ),
        ("multipart/form-data; boundary=c", "The boundary in Content-Type does not occur in the body"),
    ] {
        let answer = send(&service, &request(&format!("Content-Type: {content_type}\r\n"), &whole));
        assert_refused(&answer, 400, "MALFORMED_FORM", text);
    }
    let text = "Multipart form ends before its closing boundary";
    assert_refused(&send_form(&service, &whole[..whole.len() - 20]), 400, "MALFORMED_FORM", text);
}

#[test]
fn headers_of_gateways_are_read_or_refused_in_json() {
    let service = TestService::start();
    let whole = form(&parts());
    let headers =
        |count: usize| (0..count).fold(FORM_TYPE.to_owned(), |all, n| all + &format!("x-mesh-{n}: 1\r\n"));
    assert_verified(&send(&service, &request(&headers(90), &whole)));
    let text = "Request has more than 96 headers, or headers above 128 KB";
    for body in [&whole, &vec![b'x'; 3 << 20]] {
        let answer = send(&service, &request(&headers(110), body));
        assert_refused(&answer, 431, "HEADERS_TOO_LARGE", text);
    }
    let long = format!("{FORM_TYPE}x-long: {}\r\n", "x".repeat(1 << 20));
    assert_refused(&send(&service, &request(&long, &whole)), 431, "HEADERS_TOO_LARGE", text);
    let (_, metrics) = service.get_from_operators("/metrics");
    assert!(metrics.contains(r#"reason="HEADERS_TOO_LARGE",status="431"} 3"#), "{metrics}");
}

/// Sends a request, closes the sending side, and reads the answer.
fn send_and_close_sending(service: &TestService, request: &[u8]) -> Answer {
    let mut connection = service.connect();
    connection.write_all(request).unwrap();
    connection.shutdown(Shutdown::Write).unwrap();
    let answer = read_answer(&mut connection);
    assert_eq!(connection.read(&mut [0; 8]).unwrap(), 0, "nothing follows");
    answer
}

#[test]
fn a_client_that_closes_its_sending_side_gets_its_answer_and_one_that_left_costs_no_inference() {
    if ran_in_own_process() {
        return;
    }
    for stops in [true, false] {
        let service = TestService::with(&format!("[http]\nstop_when_client_leaves = {stops}\n"));
        let whole = request(FORM_TYPE, &form(&parts()));
        let long = request(FORM_TYPE, &form(&with(part("x", "", vec![b'x'; 3 << 20]))));
        for _ in 0..5 {
            assert_verified(&send_and_close_sending(&service, &whole));
            assert_verified(&send_and_close_sending(&service, &long));
        }
        let cut = request(FORM_TYPE, &form(&parts()));
        let answer = send_and_close_sending(&service, &cut[..cut.len() - 100]);
        assert_refused(&answer, 400, "MALFORMED_FORM", "Malformed multipart form");
        assert!(!service.logged().contains("the client left"), "{}", service.logged());
    }

    let service = TestService::prepare("").own_engine().own_registry().start();
    assert_verified(&send_form(&service, &form(&parts())));
    let analysed = |service: &TestService| {
        let (_, metrics) = service.get_from_operators("/metrics");
        let count = metrics.lines().find_map(|line| line.strip_prefix("padan_image_bytes_count "));
        count.unwrap_or_else(|| panic!("{metrics}")).parse::<u64>().unwrap()
    };
    let before = analysed(&service);
    let whole = request(FORM_TYPE, &form(&parts()));
    // While the registry's table is locked, no photo can be analysed yet.
    let mut waits =
        service.runtime.block_on(service.registry.locked_during("civil_registry.person", async {
            tokio::task::block_in_place(|| {
                let mut waits = service.connect();
                waits.write_all(&whole).unwrap();
                waits.shutdown(Shutdown::Write).unwrap();
                for _ in 0..4 {
                    let mut leaves = service.connect();
                    leaves.write_all(&whole).unwrap();
                    thread::sleep(Duration::from_millis(20));
                }
                thread::sleep(Duration::from_millis(200));
                waits
            })
        }));
    assert_verified(&read_answer(&mut waits));
    assert_eq!(
        service.logged().matches("the client left before the answer").count(),
        4,
        "{}",
        service.logged()
    );
    assert_eq!(analysed(&service), before + 1, "only the photo of the client that waits is analysed");
    let unknown = request(FORM_TYPE, &form(&with(part("nik", "", UNKNOWN))));
    assert_eq!(send_and_close_sending(&service, &unknown).1, "NIK_NOT_FOUND");
}

/// Sends a body in pieces until the answer arrives.
fn send_slowly(service: &TestService, body: &[u8], pieces: usize, took: Duration) -> Answer {
    let mut connection = service.connect();
    let mut writer = connection.try_clone().unwrap();
    let sent = request(FORM_TYPE, body);
    let (head, body) = sent.split_at(sent.len() - body.len());
    writer.write_all(head).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            for piece in body.chunks(body.len().div_ceil(pieces)) {
                thread::sleep(took / u32::try_from(pieces).unwrap());
                if writer.write_all(piece).is_err() {
                    break;
                }
            }
        });
        let answer = read_answer(&mut connection);
        // The rest would not be read.
        let _ = connection.shutdown(Shutdown::Both);
        answer
    })
}

#[test]
fn a_slow_upload_passes_as_long_as_its_bytes_keep_coming() {
    // 3 MB at 0.3 Mbit/s and the limits of the default settings, forty times as fast.
    let service = TestService::with(
        "[http]\nbody_timeout_ms = 750\nbody_bytes_per_second = 320000\nbody_timeout_limit_ms = 4500\n",
    );
    let upload = form(&with(part("x", "", vec![b'x'; 3_000_000])));
    assert_verified(&send_slowly(&service, &upload, 40, Duration::from_secs(2)));
    // A tenth of the rate.
    let slower = send_slowly(&service, &upload, 400, Duration::from_secs(20));
    assert_refused(&slower, 408, "REQUEST_TIMEOUT", "Request timed out");
    // Bytes all the time, and for longer than any body may take.
    let began = Instant::now();
    let endless = form(&with(part("x", "", vec![b'x'; 12_000_000])));
    let refused = send_slowly(&service, &endless, 150, Duration::from_millis(7500));
    assert_refused(&refused, 408, "REQUEST_TIMEOUT", "Request timed out");
    assert!(began.elapsed() > Duration::from_secs(4), "{:?}", began.elapsed());
}
