//! Forms in JSON, sent to the running service.

use std::io::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use padan_test_service::{Answer, BUDI, CREDENTIALS, Claim, Photos, TestService, UNKNOWN, text_fields};
use serde_json::{Value, json};

pub(crate) const FACE: &str = "/identity/v1/face-verification";
pub(crate) const BASIC: &str = "/identity/v1/verification";

/// Sends a body as JSON.
pub(crate) fn send_json(service: &TestService, path: &str, body: impl Into<Vec<u8>>) -> Answer {
    let request =
        service.request("POST", path, CREDENTIALS).header("content-type", "application/json; charset=utf-8");
    request.body(body.into()).send().unwrap().into()
}

/// The lines of 76 characters that some encoders write.
pub(crate) fn in_lines(encoded: &str) -> String {
    let lines = encoded.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap());
    lines.collect::<Vec<_>>().join("\r\n")
}

fn matching() -> Value {
    let Claim { nik, name, date_of_birth, photo } = Claim::matching();
    let face_image = STANDARD.encode(photo);
    json!({ "face_image": face_image, "nik": nik, "name": name, "date_of_birth": date_of_birth })
}

fn with(field: &str, value: impl Into<Value>) -> String {
    let mut body = matching();
    body[field] = value.into();
    body.to_string()
}

#[test]
fn a_face_verification_in_json_has_the_answer_of_the_form() {
    let service = TestService::start();
    let form = service.verify(&Claim::matching());
    assert_eq!(form.reason_code, "VERIFIED");
    let encoded = STANDARD.encode(Claim::matching().photo);
    for body in [
        matching().to_string(),
        format!("{:#}", matching()),
        with("face_image", in_lines(&encoded)),
        with("face_image", format!("data:image/jpeg;base64,{encoded}")),
        with("shoe_size", json!({ "eu": [42, 42.5], "fits": null })),
        // As json_encode of PHP writes it.
        matching().to_string().replace('/', "\\/"),
        matching().to_string().replace("Budi Santoso", "B\\u00f9di Santoso"),
    ] {
        let answer = send_json(&service, FACE, body);
        assert_eq!((answer.status, &answer.body), (200, &form.body));
        assert_eq!(answer.reason_code, "VERIFIED");
    }
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(matching().to_string().as_bytes()).unwrap();
    let request = service.request("POST", FACE, CREDENTIALS).header("content-type", "application/json");
    let request = request.header("content-encoding", "gzip").body(packed.finish().unwrap());
    assert_eq!(Answer::from(request.send().unwrap()).body, form.body);
    for (field, value, code) in [
        ("nik", UNKNOWN, "NIK_NOT_FOUND"),
        ("name", "Agus", "NAME_MISMATCH"),
        ("date_of_birth", "15-03-1987", "DOB_MISMATCH"),
        ("face_image", &STANDARD.encode(Photos::read("118_s1.jpg")), "FACE_MISMATCH"),
    ] {
        let answer = send_json(&service, FACE, with(field, value));
        assert_eq!((answer.status, &*answer.reason_code), (200, code), "{}", answer.body);
    }
}

#[test]
fn a_basic_verification_in_json_has_the_answer_of_the_form() {
    let service = TestService::start();
    let fields = [("nik", BUDI), ("name", "budi santoso"), ("city", "Bandung"), ("rt", "3")];
    let form = service.send_to(BASIC, text_fields(&fields));
    assert_eq!(form.reason_code, "FIELD_MISMATCH");
    let body: serde_json::Map<_, _> =
        fields.iter().map(|(field, text)| ((*field).to_owned(), Value::from(*text))).collect();
    let answer = send_json(&service, BASIC, Value::from(body).to_string());
    assert_eq!((answer.status, answer.body), (200, form.body));
    let null = send_json(&service, BASIC, json!({ "nik": BUDI, "name": null }).to_string());
    null.assert_refused(400, "MISSING_FIELD", "name is required");
    let photo = json!({ "nik": BUDI, "face_image": 7 });
    assert_eq!(
        send_json(&service, BASIC, photo.to_string()).reason_code,
        "VERIFIED",
        "no field of this form"
    );
}

#[test]
fn json_that_cannot_be_read_is_refused_with_its_fault() {
    let service = TestService::start();
    let malformed = |body: &[u8], text: &str| {
        send_json(&service, FACE, body).assert_refused(400, "MALFORMED_FORM", text);
    };
    malformed(b"", "Request has no body");
    malformed(b"[]", "JSON body is not an object");
    malformed(b"{\"nik\":", "JSON body ends too early");
    malformed(b"{nik}", "Malformed JSON at line 1, column 2");
    malformed(b"{\"name\":\"B\xf9di\"}", "JSON body is not valid UTF-8");
    malformed(
        with("x", 0).replacen('{', "{\"nik\":\"1\",", 1).as_bytes(),
        "nik occurs twice in the JSON body",
    );
    malformed(with("nik", 3_174_011_403_870_000_u64).as_bytes(), "nik must be a JSON string");
    malformed(with("face_image", "no base64").as_bytes(), "face_image is not valid base64");
    malformed("{\"x\":".repeat(2_000_000).as_bytes(), "JSON body is nested too deeply");
    malformed(&[b"{\"x\":".as_slice(), &vec![b'['; 8 << 20]].concat(), "JSON body is nested too deeply");
    malformed(
        &[b"{\"x\":".as_slice(), &vec![b'9'; 8 << 20]].concat(),
        "Malformed JSON at line 1, column 8388613",
    );

    send_json(&service, FACE, "{}").assert_refused(400, "MISSING_FIELD", "nik is required");
    send_json(&service, FACE, with("name", Value::Null)).assert_refused(
        400,
        "MISSING_FIELD",
        "name is required",
    );
    send_json(&service, FACE, with("nik", "1".repeat(5000))).assert_refused(
        400,
        "INVALID_NIK",
        "Invalid NIK number format",
    );
    send_json(&service, FACE, with("name", "Budi\0")).assert_refused(
        400,
        "INVALID_NAME",
        "Invalid name format",
    );
    send_json(&service, FACE, with("face_image", "")).assert_refused(
        400,
        "MISSING_FIELD",
        "face_image is required",
    );
    send_json(&service, FACE, with("face_image", STANDARD.encode("GIF89a"))).assert_refused(
        415,
        "UNSUPPORTED_IMAGE",
        "face_image must be PNG or JPEG",
    );
    let long = with("x", "y".repeat((16 << 20) + 1));
    send_json(&service, FACE, long).assert_refused(413, "BODY_TOO_LARGE", "Request body is too large");
    let (_, metrics) = service.get_from_operators("/metrics");
    assert!(metrics.contains("padan_http_body_bytes_held 0\n"), "{metrics}");
}
