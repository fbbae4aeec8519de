//! Sandbox clients: every line of their table, and what they can never do.

use std::collections::BTreeMap;

use bytes::Bytes;
use image::RgbImage;
use reqwest::blocking::multipart::Form;
use serde_json::json;

use padan_domain::{ClientRules, Endpoint, RequestRate};
use padan_store::UsageRow;
use padan_test_service::{
    Answer, BUDI, Claim, Credentials, Photos, TestService, file, liveness_models, liveness_settings,
    ran_in_own_process, text_fields,
};

const FACE: &str = "/identity/v1/face-verification";
const FIELDS: &str = "/identity/v1/verification";
const MATCH: &str = "/face/v1/match";
const LIVENESS: &str = "/face/v1/passive-liveness";

/// The answers that people stand for on both endpoints with a NIK: the last two digits, the status and the code.
const OF_PEOPLE: [(u8, u16, &str); 13] = [
    (1, 200, "VERIFIED"),
    (2, 200, "NAME_MISMATCH"),
    (3, 200, "DOB_MISMATCH"),
    (7, 200, "NIK_NOT_FOUND"),
    (8, 200, "NIK_DECEASED"),
    (9, 200, "NIK_DUPLICATE"),
    (10, 200, "NIK_INACTIVE"),
    (72, 429, "TOO_MANY_FAILED_FIELDS"),
    (73, 429, "RATE_LIMITED"),
    (74, 429, "QUOTA_EXCEEDED"),
    (75, 429, "OVERLOADED"),
    (81, 503, "REGISTRY_UNAVAILABLE"),
    (82, 503, "STORE_UNAVAILABLE"),
];

/// Further ones of the face verification. Those from 23 to 30 are answers to photos of face match as well.
const OF_FACES: [(u8, u16, &str); 15] = [
    (5, 200, "NO_REFERENCE_PHOTO"),
    (6, 200, "FACE_MISMATCH"),
    (21, 400, "NO_FACE"),
    (22, 400, "SEVERAL_FACES"),
    (71, 429, "TOO_MANY_FAILED_FACES"),
    (83, 500, "INTERNAL"),
    (31, 400, "SPOOF_SUSPECTED"),
    (23, 400, "FACE_COVERED"),
    (24, 400, "FACE_TOO_SMALL"),
    (25, 400, "FACE_BLURRED"),
    (26, 400, "FACE_TOO_DARK"),
    (27, 400, "FACE_TOO_BRIGHT"),
    (28, 400, "FACE_TURNED"),
    (29, 400, "IMAGE_UNREADABLE"),
    (30, 400, "IMAGE_TOO_LARGE"),
];

/// Further ones of every endpoint for photos.
const OF_PHOTOS: [(u8, u16, &str); 5] = [
    (73, 429, "RATE_LIMITED"),
    (74, 429, "QUOTA_EXCEEDED"),
    (75, 429, "OVERLOADED"),
    (82, 503, "STORE_UNAVAILABLE"),
    (83, 500, "INTERNAL"),
];

fn nik(number: u8) -> String {
    format!("{number:016}")
}

/// A photo without a face, of the size that stands for an answer.
fn photo(number: u8) -> Bytes {
    Photos::png(&RgbImage::from_pixel(64, 100 + u32::from(number), image::Rgb([120, 110, 100])))
}

fn person(number: u8, face: &Bytes) -> Form {
    let fields = [("nik", &*nik(number)), ("name", "Siti Contoh"), ("date_of_birth", "17-08-1990")];
    text_fields(&fields).part("face_image", file(face))
}

fn send(service: &TestService, who: &Credentials, path: &str, form: Form) -> Answer {
    let request = service.request("POST", path, who.each_ref().map(String::as_str));
    let answer = Answer::from(request.multipart(form).send().unwrap());
    assert_eq!(answer.headers["sandbox"], "true", "{} {}", answer.reason_code, answer.body);
    answer
}

fn sandbox(service: &TestService) -> Credentials {
    service.add_client_with("dev", ClientRules::default(), true)
}

fn assert_is(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, &*answer.reason_code), (status, code), "{}", answer.body);
    assert_eq!(answer.headers.contains_key("retry-after"), status == 429, "{code}");
}

/// The values of all metrics but those of the databases' pools, the audit trail, the process and connections.
fn metrics(service: &TestService) -> BTreeMap<String, String> {
    let (_, text) = service.get_from_operators("/metrics");
    let own = [
        "padan_db_pool",
        "padan_audit",
        "process_",
        "padan_http_connections",
        "padan_ready",
        "padan_templates",
    ];
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.filter(|line| !own.iter().any(|own| line.starts_with(own)));
    lines
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn every_test_person_is_answered_without_registry_and_engine() {
    if ran_in_own_process() {
        return;
    }
    // The registry cannot be reached, so that nothing can come from there.
    let service = TestService::prepare("").without_registry().own_engine().start();
    let dev = sandbox(&service);
    let any = Photos::without_face();
    assert_is(&send(&service, &dev, FACE, person(1, &any)), 200, "VERIFIED");
    let before = metrics(&service);
    for (number, status, code) in OF_PEOPLE.into_iter().chain(OF_FACES) {
        let answer = send(&service, &dev, FACE, person(number, &any));
        assert_is(&answer, status, code);
    }
    let fields = |number: u8| {
        text_fields(&[
            ("nik", &*nik(number)),
            ("name", "Siti Contoh"),
            ("date_of_birth", "17-08-1990"),
            ("place_of_birth", "Jakarta"),
        ])
    };
    for (number, status, code) in
        OF_PEOPLE.into_iter().chain([(4, 200, "FIELD_MISMATCH"), (83, 500, "INTERNAL")])
    {
        assert_is(&send(&service, &dev, FIELDS, fields(number)), status, code);
    }
    let pair = |number: u8| {
        Form::new().part("captured_image", file(&photo(number))).part("stored_image", file(&any))
    };
    let of_match = [
        (41, 200, "MATCH"),
        (42, 200, "NOT_MATCH"),
        (43, 200, "NO_FACE_CAPTURED_IMG"),
        (44, 200, "NO_FACE_STORED_IMG"),
        (45, 200, "MANY_FACES_CAPTURED_IMG"),
        (46, 200, "MANY_FACES_STORED_IMG"),
    ];
    for (number, status, code) in of_match.into_iter().chain(OF_FACES[7..].iter().copied()).chain(OF_PHOTOS) {
        assert_is(&send(&service, &dev, MATCH, pair(number)), status, code);
    }
    let after = metrics(&service);
    let moved = after.iter().filter(|(key, value)| before.get(*key) != Some(value));
    let moved: Vec<_> = moved.map(|(key, _)| key.as_str()).collect();
    assert!(
        !moved.is_empty() && moved.iter().all(|key| key.starts_with("padan_sandbox_requests_total{")),
        "{moved:#?}"
    );
    let counted = r#"padan_sandbox_requests_total{client="dev",endpoint="face-verification",reason="NO_FACE",status="400"}"#;
    assert_eq!(after[counted], "1");
    assert!(
        !service.logged().contains("\"ERROR\"") && !service.logged().contains(" ERROR "),
        "{}",
        service.logged()
    );
}

#[test]
fn the_answers_have_the_documented_bodies() {
    let service = TestService::start();
    let dev = sandbox(&service);
    let any = Photos::without_face();
    let body = |number: u8| send(&service, &dev, FACE, person(number, &any)).body;
    assert_eq!(
        body(1),
        r#"{"verification_status":true,"reason":"Verification Success","result":{"nik":true,"name":true,"date_of_birth":true,"face_image_percentage":82.04}}"#
    );
    assert_eq!(
        body(6),
        r#"{"verification_status":false,"reason":"Selfie image does not pass the threshold","result":{"nik":true,"name":true,"date_of_birth":true,"face_image_percentage":42.04}}"#
    );
    assert_eq!(
        body(81),
        r#"{"verification_status":false,"reason":"Something wrong in Dukcapil server","result":{"nik":null,"name":null,"date_of_birth":null,"face_image_percentage":null}}"#
    );
    assert_eq!(body(28), r#"{"verification_status":false,"reason":"Face in face_image is turned too far"}"#);
    // What is claimed about a test person is compared.
    let other = text_fields(&[("nik", &*nik(1)), ("name", "Orang Lain"), ("date_of_birth", "18-08-1990")]);
    let answer = send(&service, &dev, FACE, other.part("face_image", file(&any)));
    assert_is(&answer, 200, "NAME_MISMATCH");
    assert_eq!(
        answer.json()["result"],
        json!({ "nik": true, "name": false, "date_of_birth": false, "face_image_percentage": 82.04 })
    );
    let answer = send(
        &service,
        &dev,
        MATCH,
        Form::new().part("captured_image", file(&photo(23))).part("stored_image", file(&any)),
    );
    assert_eq!(answer.json()["reason"], "Face in captured_image is covered or cut off");

    // Forms and photos are judged as those of every client.
    let cut = Photos::read("101_s1.jpg");
    let cut = cut.slice(..cut.len() / 2);
    assert_is(&send(&service, &dev, FACE, person(1, &cut)), 400, "IMAGE_UNREADABLE");
    assert_is(&send(&service, &dev, FACE, person(7, &cut)), 200, "NIK_NOT_FOUND");
    let pair = |one: &Bytes, other: &Bytes| {
        Form::new().part("captured_image", file(one)).part("stored_image", file(other))
    };
    let answer = send(&service, &dev, MATCH, pair(&any, &cut));
    assert_eq!(answer.json()["reason"], "stored_image cannot be decoded");
    assert_is(
        &send(&service, &dev, FACE, person(1, &Bytes::from_static(b"GIF89a"))),
        415,
        "UNSUPPORTED_IMAGE",
    );
    assert_is(&send(&service, &dev, FACE, text_fields(&[("nik", "12")])), 400, "INVALID_NIK");
    assert_is(&send(&service, &dev, FACE, text_fields(&[("nik", &*nik(1))])), 400, "MISSING_FIELD");
}

#[test]
fn a_sandbox_client_and_a_real_one_never_get_the_other_ones_answers() {
    let service = TestService::with("[verification]\ncheck_nik_structure = true\n");
    let dev = sandbox(&service);
    let any = Photos::without_face();
    // A person of the registry is unknown in the sandbox, whoever asks, and how often.
    let budi = Claim::matching();
    for _ in 0..8 {
        let answer = send(&service, &dev, FACE, Claim { name: "Orang Lain".into(), ..budi.clone() }.form());
        assert_is(&answer, 200, "NIK_NOT_FOUND");
    }
    let answer = service.verify(&budi);
    assert_eq!((answer.status, &*answer.reason_code), (200, "VERIFIED"));
    assert!(!answer.headers.contains_key("sandbox"));
    // The structure is required of all but the test people, and only a sandbox client has these.
    assert_is(&send(&service, &dev, FACE, person(1, &any)), 200, "VERIFIED");
    assert_is(&send(&service, &dev, FACE, person(99, &any)), 400, "INVALID_NIK");
    service.send(person(1, &any)).assert_refused(400, "INVALID_NIK", "Invalid NIK number format");

    let found = service.recorded_requests();
    let of_dev: Vec<_> = found.iter().filter(|row| row["client"] == "dev").collect();
    assert_eq!(of_dev.len(), 10);
    assert!(of_dev.iter().all(|row| row["sandbox"] == true && row["person_key"].is_null()), "{of_dev:#?}");
    let others = found.iter().filter(|row| row["client"] != "dev");
    assert!(others.clone().count() == 2 && others.into_iter().all(|row| row["sandbox"] == false));
    assert!(!service.clients_that_asked_about(BUDI).contains(&"dev".to_owned()));
    assert_eq!(service.faults_of_audit_trail(), Vec::<String>::new());
    let usage = service.usage();
    let counted = |reason: &str, sandbox: bool, calls: i64| {
        let of = |row: &&UsageRow| row.endpoint == "face-verification" && row.reason == reason;
        usage.iter().filter(of).any(|row| (row.sandbox, row.calls) == (sandbox, calls))
    };
    assert!(counted("NIK_NOT_FOUND", true, 8), "{usage:?}");
    assert!(counted("VERIFIED", false, 1), "{usage:?}");
}

#[test]
fn limits_protect_the_service_from_a_sandbox_client() {
    let service = TestService::start();
    let rules = ClientRules {
        rate: Some(RequestRate::new(0.001, Some(2)).unwrap()),
        endpoints: Some(vec![Endpoint::Verification]),
        ..ClientRules::default()
    };
    let dev = service.add_client_with("dev", rules, true);
    let ask = |path: &str| send(&service, &dev, path, text_fields(&[("nik", &*nik(1))]));
    assert_is(&ask(FIELDS), 200, "VERIFIED");
    assert_is(&ask(MATCH), 403, "FORBIDDEN");
    assert_is(&ask(FIELDS), 429, "RATE_LIMITED");
    let found = service.recorded_requests();
    let forbidden = found.iter().find(|row| row["reason"] == "FORBIDDEN").unwrap();
    assert_eq!((&forbidden["client"], &forbidden["sandbox"]), (&"dev".into(), &true.into()));
}

#[test]
fn a_photo_chooses_the_answer_of_passive_liveness() {
    let folder = liveness_models();
    let service = TestService::with(&liveness_settings("mean", &folder));
    let dev = sandbox(&service);
    let judge = |photo: &Bytes| send(&service, &dev, LIVENESS, Form::new().part("image", file(photo)));
    let results = [
        (51, "0.02611", "LOW", "SPOOF_LOW"),
        (52, "0.5678", "MODERATE", "SPOOF_MODERATE"),
        (53, "0.99768", "HIGH", "SPOOF_HIGH"),
        (54, "1.0", "face not detected", "FACE_NOT_DETECTED"),
        (55, "1.0", "too many faces detected", "TOO_MANY_FACES_DETECTED"),
    ];
    for (number, spoof, words, code) in results {
        let answer = judge(&photo(number));
        assert_is(&answer, 200, code);
        let body =
            format!(r#"{{"status":"success","result":{{"spoof_percentage":{spoof},"status":"{words}"}}}}"#);
        assert_eq!(answer.body, body);
    }
    for (number, status, code) in OF_PHOTOS.into_iter().chain(OF_FACES[13..].iter().copied()) {
        assert_is(&judge(&photo(number)), status, code);
    }
    let answer = judge(&photo(29));
    assert_eq!(answer.json()["reason"], "image cannot be decoded");
    assert_is(&judge(&Photos::read("101_s1.jpg")), 200, "SPOOF_LOW");
    let before = service.get_from_operators("/metrics").1;
    assert!(
        before.contains("padan_image_bytes_count 0\n") && !before.contains("step=\"liveness\""),
        "{before}"
    );
}
