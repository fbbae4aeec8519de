//! Passive liveness, with tiny networks that the tests make.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use padan_test_service::{
    Answer, CREDENTIALS, Photos, TestService, file, liveness_models, liveness_settings, selfie_with_blue,
};
use reqwest::blocking::multipart::Form;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::json::send_json;

const LIVENESS: &str = "/face/v1/passive-liveness";

fn judge(service: &TestService, photo: &Bytes) -> Answer {
    service.send_to(LIVENESS, Form::new().part("image", file(photo)))
}

fn assert_result(answer: &Answer, spoof: &str, status: &str, code: &str) {
    let body =
        format!(r#"{{"status":"success","result":{{"spoof_percentage":{spoof},"status":"{status}"}}}}"#);
    answer.assert(200, code, &body);
}

fn service_with(set: &str, folder: &TempDir) -> TestService {
    TestService::with(&liveness_settings(set, folder))
}

#[test]
fn the_score_is_the_mean_of_the_networks() {
    let folder = liveness_models();
    let service = service_with("mean", &folder);
    // 1 - (exp(2) / (1 + exp(2) + exp(1)) + 1 / (1 + 2 exp(1))) / 2
    let selfie = Photos::read("101_s1.jpg");
    assert_result(&judge(&service, &selfie), "0.5897", "MODERATE", "SPOOF_MODERATE");
    let body = json!({ "image": STANDARD.encode(&selfie) }).to_string();
    assert_result(&send_json(&service, LIVENESS, body), "0.5897", "MODERATE", "SPOOF_MODERATE");
    assert_result(&judge(&service, &Photos::without_face()), "1.0", "face not detected", "FACE_NOT_DETECTED");
    assert_result(
        &judge(&service, &Photos::two_faces()),
        "1.0",
        "too many faces detected",
        "TOO_MANY_FACES_DETECTED",
    );
    judge(&service, &selfie.slice(..selfie.len() / 2)).assert_refused(
        400,
        "IMAGE_UNREADABLE",
        "image cannot be decoded",
    );
    judge(&service, &Bytes::from_static(b"GIF89a")).assert_refused(
        415,
        "UNSUPPORTED_IMAGE",
        "image must be PNG or JPEG",
    );
    let missing = service.send_to(LIVENESS, Form::new().text("x", "1"));
    missing.assert_refused(400, "MISSING_FIELD", "image is required");

    let rows = service.recorded_requests();
    let of_kind = |reason: &str| rows.iter().filter(|row| row["reason"] == reason).count();
    assert_eq!((of_kind("SPOOF_MODERATE"), of_kind("FACE_NOT_DETECTED")), (2, 1));
    assert!(rows.iter().all(|row| row["endpoint"] == "passive-liveness" && row["person_key"].is_null()));
    let (_, metrics) = service.get_from_operators("/metrics");
    let steps = r#"padan_verification_step_duration_seconds_count{step="liveness"} 4"#;
    assert!(metrics.contains(steps), "{metrics}");
    assert!(metrics.contains("padan_http_body_bytes_held 0\n"), "{metrics}");
    let readiness: Value = serde_json::from_str(&service.get_from_operators("/readyz").1).unwrap();
    assert_eq!(readiness["liveness"], "mean");
    let wrong = service.request("POST", LIVENESS, [CREDENTIALS[0], CREDENTIALS[1], "wrong"]);
    let wrong = Answer::from(wrong.multipart(Form::new().part("image", file(&selfie))).send().unwrap());
    wrong.assert_refused(401, "UNAUTHORIZED", "Missing or wrong credentials");
    service.change_clients("allowed_networks = [\"127.0.0.0/8\"]", "endpoints = [\"face-match\"]");
    judge(&service, &selfie).assert_refused(403, "FORBIDDEN", "Client is not allowed");
}

#[test]
fn the_level_follows_the_pixels_of_the_face() {
    let folder = liveness_models();
    let service = service_with("blue", &folder);
    let spoof = |photo: &Bytes, code: &str| {
        let answer = judge(&service, photo);
        assert_eq!((answer.status, &*answer.reason_code), (200, code), "{}", answer.body);
        answer.json()["result"]["spoof_percentage"].as_f64().unwrap()
    };
    assert!(spoof(&selfie_with_blue(220), "SPOOF_LOW") < 0.01);
    assert!(spoof(&selfie_with_blue(0), "SPOOF_HIGH") > 0.99);
    // Another worker, and earlier photos, change nothing.
    let photo = selfie_with_blue(120);
    let first = judge(&service, &photo).body;
    for _ in 0..4 {
        assert_eq!(judge(&service, &photo).body, first);
    }
}
