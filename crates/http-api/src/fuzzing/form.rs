use std::time::Duration;

use actix_web::{
    HttpRequest,
    dev::Payload,
    http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue},
    test::TestRequest,
    web::Bytes,
};
use padan_domain::NationalId;
use prometheus::IntGauge;
use tokio::runtime::{Builder, Runtime};

use crate::{
    body::Body,
    body_memory::{BodyMemory, HeldMemory},
    config::BodyLimits,
    field::FieldNames,
    form::Form,
    multipart::{self, Part},
    refusal::Refusal,
    status::status_of,
};

const FIELDS: [&str; 4] = ["nik", "name", "date_of_birth", "face_image"];
const NAMES: FieldNames<'_> = FieldNames { all: &FIELDS, files: &["face_image"] };
const LIMITS: BodyLimits = BodyLimits {
    body_bytes: 64 * 1024,
    body_time: Duration::from_secs(10),
    body_bytes_per_second: 1000,
    longest_body_time: Duration::from_secs(10),
    drain_bytes: 0,
    drain_time: Duration::ZERO,
};
/// The memory that a body and what is decoded from it may take.
const MEMORY: usize = 160 * 1024;

/// Reads a form as an endpoint does. The first line is its Content-Type, the second one its Content-Encoding, and the
/// rest its body.
///
/// # Panics
///
/// When a property does not hold.
pub fn form(data: &[u8]) {
    let (content_type, rest) = line(data);
    let (content_encoding, body) = line(rest);
    if let Ok(boundary) = multipart::boundary(&String::from_utf8_lossy(content_type)) {
        assert!(!boundary.is_empty() && boundary.len() <= 200, "a boundary of {} bytes", boundary.len());
        parts(&Bytes::copy_from_slice(body), &boundary);
    }
    read(content_type, content_encoding, Bytes::copy_from_slice(body));
}

fn line(data: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b'\n', data).unwrap_or(data.len());
    (&data[..end], data.get(end + 1..).unwrap_or_default())
}

/// A part's bytes are those of the body between its head and the next boundary: none is in two parts, none is a boundary,
/// and a form that is written from the parts has the same parts.
fn parts(body: &Bytes, boundary: &str) {
    let Ok(parts) = multipart::parts(body, boundary) else { return };
    assert!(parts.len() <= 64, "{} parts", parts.len());
    let range = body.as_ptr_range();
    let mut after = range.start;
    for part in &parts {
        let data = part.data.as_ptr_range();
        assert!(part.data.is_empty() || (after <= data.start && data.end <= range.end), "parts overlap");
        after = if part.data.is_empty() { after } else { data.end };
        decode(part);
    }
    let long_names = parts.iter().map(|part| part.name.len()).max() > Some(1000);
    if !long_names {
        let again = multipart::parts(&Bytes::from(written(&parts, boundary)), boundary);
        let contents = |parts: &[Part]| {
            parts.iter().map(|part| (part.name.clone(), part.data.clone())).collect::<Vec<_>>()
        };
        assert_eq!(again.map(|again| contents(&again)), Ok(contents(&parts)), "parts do not read themselves");
    }
}

/// A decoded part is not longer than the encoded one, and takes no more memory than was computed before.
fn decode(part: &Part) {
    let Ok(decoded) = part.decoded(HeldMemory::uncounted()) else { return };
    assert!(decoded.len() <= part.data.len(), "a part grows when it is decoded");
    assert!(decoded == part.data || decoded.len() <= part.decoding_bytes(), "decoding takes more memory");
}

fn written(parts: &[Part], boundary: &str) -> Vec<u8> {
    let mut form = Vec::new();
    for part in parts {
        let name = part.name.replace('\\', "\\\\").replace('"', "\\\"");
        let head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        form.extend_from_slice(head.as_bytes());
        form.extend_from_slice(&part.data);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(format!("--{boundary}--").as_bytes());
    form
}

thread_local! {
    static RUNTIME: Option<Runtime> = Builder::new_current_thread().enable_time().build().ok();
}

/// The form holds no more memory than was reserved, gives it all back, and every refusal is the client's fault.
fn read(content_type: &[u8], content_encoding: &[u8], body: Bytes) {
    let Some((request, payload)) = request(content_type, content_encoding, body) else { return };
    let Ok(shown) = IntGauge::new("held", "bytes") else { return };
    let memory = BodyMemory::new(MEMORY, MEMORY, shown.clone());
    let body = Body::new(payload, request.head(), LIMITS);
    body.share_memory(&memory);
    let read = RUNTIME
        .with(|runtime| runtime.as_ref().map(|runtime| runtime.block_on(Form::read(&body, &request, NAMES))));
    match read {
        Some(Ok(form)) => {
            assert!(usize::try_from(shown.get()).is_ok_and(|held| held <= MEMORY), "{} bytes", shown.get());
            fields(&form);
        }
        Some(Err(refusal)) => is_the_clients_fault(&refusal),
        None => {}
    }
    drop(body);
    assert_eq!(shown.get(), 0, "reserved memory was not given back");
}

fn request(content_type: &[u8], content_encoding: &[u8], body: Bytes) -> Option<(HttpRequest, Payload)> {
    let request =
        TestRequest::post().insert_header((CONTENT_TYPE, HeaderValue::from_bytes(content_type).ok()?));
    let encoding = HeaderValue::from_bytes(content_encoding).ok()?;
    let request =
        if encoding.is_empty() { request } else { request.insert_header((CONTENT_ENCODING, encoding)) };
    let (request, payload) = request.set_payload(body).to_http_parts();
    Some((request, payload))
}

fn fields(form: &Form) {
    for field in FIELDS {
        let text = form.optional(field, |text| {
            assert!(!text.contains('\0'), "a text has a NUL");
            Ok(text.to_owned())
        });
        match text {
            Ok(None) => assert!(form.required_file(field).is_err(), "a field that was not sent is a file"),
            Ok(Some(text)) => assert!(text.is_empty() || form.required_file(field).is_ok()),
            Err(refusal) => is_the_clients_fault(&refusal),
        }
    }
    if let Err(refusal) = form.required("nik", |text| Ok(text.parse::<NationalId>()?)) {
        is_the_clients_fault(&refusal);
    }
}

fn is_the_clients_fault(refusal: &Refusal) {
    let status = status_of(refusal.reason());
    assert!(status.is_client_error(), "a form is refused with {status}");
    let text = refusal.to_string();
    assert!(text.len() < 200 && text.chars().all(|c| !c.is_control()), "the answer has the client's bytes");
}
