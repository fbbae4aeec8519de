//! The comparison of two photos, sent to the running service.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use padan_test_service::{Answer, CREDENTIALS, Claim, FACE_MATCH, Photos, TestService, file, pair};
use reqwest::blocking::multipart::Form;
use serde_json::{Value, json};

use crate::json::{in_lines, send_json};

#[test]
fn json_is_taken_as_the_sdk_writes_it() {
    let service = TestService::start();
    let (captured, stored) = (Photos::read("101_s1.jpg"), Photos::read("101_id.jpg"));
    let form = service.compare(&captured, &stored);
    assert_eq!(form.reason_code, "MATCH");
    let body = |captured: String, stored: String| {
        json!({ "captured_image": captured, "stored_image": stored }).to_string()
    };
    let [one, other] = [&captured, &stored].map(|photo| STANDARD.encode(photo));
    for body in [
        body(one.clone(), other.clone()),
        body(in_lines(&one), in_lines(&other)),
        body(format!("data:image/jpeg;base64,{one}"), format!("data:image/jpeg;base64,{}", in_lines(&other))),
    ] {
        let answer = send_json(&service, FACE_MATCH, body);
        assert_eq!((answer.status, &answer.body), (200, &form.body));
    }
    send_json(&service, FACE_MATCH, json!({ "captured_image": one }).to_string()).assert_refused(
        400,
        "MISSING_FIELD",
        "stored_image is required",
    );
    send_json(&service, FACE_MATCH, body(one, "no base64".into())).assert_refused(
        400,
        "MALFORMED_FORM",
        "stored_image is not valid base64",
    );
}

#[test]
fn photos_without_one_face_have_results_and_other_faults_are_refused() {
    let service = TestService::with("[inference.limits]\nmax_megapixels = 0.5\n");
    let good = Photos::read("101_s1.jpg");
    let (none, many) = (Photos::without_face(), Photos::two_faces());
    for (captured, stored, words, code) in [
        (&none, &good, "no face detected in captured_image", "NO_FACE_CAPTURED_IMG"),
        (&good, &none, "no face detected in stored_image", "NO_FACE_STORED_IMG"),
        (&many, &good, "many faces detected in captured_image", "MANY_FACES_CAPTURED_IMG"),
        (&good, &many, "many faces detected in stored_image", "MANY_FACES_STORED_IMG"),
        (&none, &many, "no face detected in captured_image", "NO_FACE_CAPTURED_IMG"),
    ] {
        service.compare(captured, stored).assert_compared("0", words, code);
    }
    let large = image::imageops::resize(&Photos::selfie(), 864, 1080, image::imageops::FilterType::Nearest);
    let cut = good.slice(..good.len() / 2);
    let other = Bytes::from_static(b"GIF89a......");
    for (photo, status, code, words) in [
        (&other, 415, "UNSUPPORTED_IMAGE", "FIELD must be PNG or JPEG"),
        (&cut, 400, "IMAGE_UNREADABLE", "FIELD cannot be decoded"),
        (&Photos::png(&large), 400, "IMAGE_TOO_LARGE", "FIELD is too large"),
        (&Photos::cut_off(), 400, "FACE_COVERED", "Face in FIELD is covered or cut off"),
        (&Photos::small_face(), 400, "FACE_TOO_SMALL", "Face in FIELD is too small"),
        (&Photos::blurred(), 400, "FACE_BLURRED", "Face in FIELD is too blurred"),
    ] {
        let words = |field: &str| words.replace("FIELD", field);
        service.compare(photo, &good).assert_refused(status, code, &words("captured_image"));
        service.compare(&good, photo).assert_refused(status, code, &words("stored_image"));
        service.compare(photo, photo).assert_refused(status, code, &words("captured_image"));
    }
    let missing = |form: Form, field: &str| {
        let text = format!("{field} is required");
        service.send_to(FACE_MATCH, form).assert_refused(400, "MISSING_FIELD", &text);
    };
    missing(Form::new().text("x", "1"), "captured_image");
    missing(Form::new().part("stored_image", file(&good)), "captured_image");
    missing(Form::new().part("captured_image", file(&good)), "stored_image");
    missing(pair(&good, &Bytes::new()), "stored_image");
    let (_, metrics) = service.get_from_operators("/metrics");
    for line in [
        r#"padan_quality_rejections_total{reason="NO_FACE_CAPTURED_IMG"} 2"#,
        r#"padan_quality_rejections_total{reason="FACE_BLURRED"} 3"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
}

#[test]
fn a_comparison_is_limited_recorded_and_counted_and_asks_no_registry() {
    let service = TestService::prepare("").own_engine().start();
    let (captured, stored) = (Photos::read("101_s1.jpg"), Photos::read("101_id.jpg"));
    assert_eq!(service.compare(&captured, &stored).reason_code, "MATCH");
    assert_eq!(service.compare(&captured, &Photos::read("118_s1.jpg")).reason_code, "NOT_MATCH");
    let rows: Vec<Value> = (service.recorded_requests().into_iter())
        .filter(|row: &Value| row["endpoint"] == "face-match")
        .collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["reason"], "MATCH");
    assert!(
        rows[0]["percentage"].as_f64().unwrap() >= 75.0 && rows[1]["percentage"].as_f64().unwrap() < 75.0
    );
    assert!(rows.iter().all(|row| row["person_key"].is_null() && row["contract_id"].is_string()), "{rows:?}");
    assert_eq!(service.faults_of_audit_trail(), Vec::<String>::new());
    assert_eq!(service.calls("face-match", "NOT_MATCH"), 1);

    let (_, metrics) = service.get_from_operators("/metrics");
    for line in [
        r#"padan_http_requests_total{endpoint="face-match",reason="MATCH",status="200"} 1"#,
        r#"padan_similarity_percentage_count{endpoint="face-match",outcome="no_match"} 1"#,
        r#"padan_verification_step_duration_seconds_count{step="stored"} 2"#,
        r#"padan_verification_step_duration_seconds_count{step="embed"} 2"#,
        r#"padan_client_requests_total{client="bank"} 2"#,
        "padan_image_bytes_count 4",
        "padan_http_body_bytes_held 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
    assert!(!metrics.contains(r#"step="registry""#), "{metrics}");

    // A client with a list of endpoints does not get the new one by itself.
    service.change_clients("allowed_networks = [\"127.0.0.0/8\"]", "endpoints = [\"face-verification\"]");
    service.compare(&captured, &stored).assert_refused(403, "FORBIDDEN", "Client is not allowed");
    service.change_clients("endpoints = [\"face-verification\"]", "endpoints = [\"face-match\"]");
    assert_eq!(service.compare(&captured, &stored).reason_code, "MATCH");
    assert_eq!(service.verify(&Claim::matching()).reason_code, "FORBIDDEN");
    let wrong = service.request("POST", FACE_MATCH, [CREDENTIALS[0], CREDENTIALS[1], "wrong"]);
    let wrong = Answer::from(wrong.multipart(pair(&captured, &stored)).send().unwrap());
    wrong.assert_refused(401, "UNAUTHORIZED", "Missing or wrong credentials");
}

#[test]
fn the_registry_may_be_out_and_a_store_that_is_out_has_the_error_body() {
    let (captured, stored) = (Photos::read("101_s1.jpg"), Photos::read("101_id.jpg"));
    assert_eq!(TestService::without_registry().compare(&captured, &stored).reason_code, "MATCH");
    TestService::without_store().compare(&captured, &stored).assert_refused(
        503,
        "STORE_UNAVAILABLE",
        "Something wrong in Dukcapil server",
    );
}

#[test]
fn the_settings_may_coarsen_the_percentage() {
    let service = TestService::with("[verification]\npercentage_step = 25\n");
    let answer = service.compare(&Photos::read("101_s1.jpg"), &Photos::read("101_id.jpg"));
    answer.assert_compared("0.75", "match", "MATCH");
}

#[test]
fn a_full_queue_refuses_a_comparison_without_a_row() {
    let service = TestService::with("[inference]\nworkers = 1\nqueue_length = 2\n");
    let (captured, stored) = (Photos::read("101_s1.jpg"), Photos::read("101_id.jpg"));
    let answers: Vec<_> = std::thread::scope(|scope| {
        let requests: Vec<_> = (0..16).map(|_| scope.spawn(|| service.compare(&captured, &stored))).collect();
        requests.into_iter().map(|request| request.join().unwrap()).collect()
    });
    let count = |code: &str| answers.iter().filter(|answer| answer.reason_code == code).count();
    assert!(count("OVERLOADED") > 0 && count("MATCH") > 0, "{} {}", count("OVERLOADED"), count("MATCH"));
    assert_eq!(count("OVERLOADED") + count("MATCH"), 16);
    let mut recorded = service.recorded_requests().into_iter();
    assert!(recorded.all(|row| row["reason"] != "OVERLOADED"), "nothing was found out about a person");
    assert_eq!(service.compare(&captured, &stored).reason_code, "MATCH", "the service recovers");
}
