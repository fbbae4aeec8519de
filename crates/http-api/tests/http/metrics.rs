//! The metrics of the running service.

use std::{
    collections::BTreeSet,
    io::Write as _,
    process::{Command, Stdio},
};

use padan_test_service::{
    CREDENTIALS, Claim, DISABLED, Photos, TestService, UNKNOWN, project, value_of_series,
};

/// Waits until the one template of the serving model is counted, which happens when a service starts, and then rarely.
fn wait_for_the_template(service: &mut TestService) {
    service.restart();
    let text = service.metrics();
    let contract = text.split("padan_model_info{contract=\"").nth(1).unwrap().split('"').next().unwrap();
    let templates = format!("padan_templates{{contract=\"{contract}\"}}");
    service.wait_for_metric(&templates, |templates| templates == 1.0);
}

/// Sends one request of each kind that is counted.
fn send_one_of_each(service: &TestService) {
    let claim = Claim::matching;
    assert_eq!(service.verify(&claim()).reason_code, "VERIFIED");
    assert_eq!(service.verify(&claim().photo(Photos::read("110_s1.jpg"))).reason_code, "FACE_MISMATCH");
    assert_eq!(service.verify(&claim().nik(UNKNOWN)).reason_code, "NIK_NOT_FOUND");
    assert_eq!(service.verify(&claim().photo(Photos::without_face())).reason_code, "NO_FACE");
    let disabled = service.request("POST", "/identity/v1/verification", DISABLED).send().unwrap();
    assert_eq!(disabled.status(), 403);
}

#[test]
fn all_metrics_count_and_promtool_accepts_them() {
    let service = TestService::prepare("").own_engine().start();
    service.change_clients("allowed_networks = [\"127.0.0.0/8\"]", "daily_quota = 10");
    send_one_of_each(&service);
    service.wait_for_metric(r#"padan_ready{component="registry"}"#, |ready| ready == 1.0);
    let text = service.metrics();
    for (series, expected) in [
        (
            r#"padan_http_requests_total{endpoint="face-verification",reason="FACE_MISMATCH",status="200"}"#,
            1.0,
        ),
        (r#"padan_http_request_duration_seconds_count{endpoint="face-verification",status="200"}"#, 3.0),
        (r#"padan_verification_step_duration_seconds_count{step="embed"}"#, 2.0),
        (r#"padan_similarity_percentage_count{endpoint="face-verification",outcome="match"}"#, 1.0),
        (r#"padan_similarity_percentage_count{endpoint="face-verification",outcome="no_match"}"#, 1.0),
        ("padan_http_admitted", 0.0),
        ("padan_http_in_flight_limit", 128.0),
        ("padan_http_body_bytes_held", 0.0),
        ("padan_http_body_bytes_limit", 268_435_456.0),
        ("padan_decoded_pixels_held", 0.0),
        ("padan_decoded_pixels_limit", 320e6),
        ("padan_queue_capacity", 64.0),
        // Three selfies and one portrait were analysed.
        ("padan_queue_wait_seconds_count", 4.0),
        ("padan_image_bytes_count", 3.0),
        ("padan_image_megapixels_count", 3.0),
        (r#"padan_quality_rejections_total{reason="NO_FACE"}"#, 1.0),
        ("padan_queue_refused_total", 0.0),
        ("padan_queue_expired_total", 0.0),
        ("padan_workers_busy", 0.0),
        (r#"padan_audit_rows_total{outcome="durable"}"#, 5.0),
        ("padan_audit_commit_rows_sum", 5.0),
        ("padan_audit_commit_duration_seconds_count", 5.0),
        (r#"padan_client_requests_total{client="bank"}"#, 4.0),
        (r#"padan_client_refusals_total{client="shop",reason="forbidden"}"#, 1.0),
        (r#"padan_client_quota_used_ratio{client="bank",period="day"}"#, 0.4),
        (r#"padan_ready{component="service"}"#, 1.0),
        (concat!("padan_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1.0),
        (r#"padan_device_info{device="cpu",precision="fp32"}"#, 1.0),
    ] {
        assert_eq!(value_of_series(&text, series), Some(expected), "{series} in:\n{text}");
    }
    let cpu = value_of_series(&text, r#"padan_client_cpu_seconds_total{client="bank"}"#).unwrap();
    // Four photos, with a machine of any speed.
    assert!(cpu > 0.004 && cpu < 60.0, "{cpu}");
    for began in [
        "padan_db_pool_connections{database=\"store\",host=\"",
        "padan_db_pool_attempts_total{database=\"registry\",host=\"",
        "padan_db_pool_wait_seconds_total{database=\"registry\",host=\"",
        "padan_registry_replica_lag_seconds{host=\"",
        "padan_model_info{contract=\"",
        "padan_calibration_info{calibration=\"",
        "padan_config_info{hash=\"",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.contains(began), "{began} is not in:\n{text}");
    }
    promtool_check(&text);
}

/// Checks names, units and help texts by Prometheus's own rules.
fn promtool_check(text: &str) {
    let own = project().join(".deps/bin/promtool");
    let program = if own.is_file() { own } else { "promtool".into() };
    let mut promtool = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool: {error}; run scripts/deps.sh --for-tests"));
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let messages = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && messages.is_empty(), "{}", String::from_utf8_lossy(&messages));
}

/// Names and labels of all series, without their values.
fn series(text: &str) -> BTreeSet<String> {
    let named = text.lines().filter(|line| !line.starts_with('#'));
    named.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series.to_owned()).collect()
}

#[test]
fn requests_create_no_series_of_their_own_and_no_label_has_personal_data() {
    let mut service = TestService::start();
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    wait_for_the_template(&mut service);
    send_one_of_each(&service);
    let strange = |number: usize| {
        let claim = Claim::matching()
            .nik(&format!("31740114038{number:05}"))
            .name(&format!("Zainab Nomor {number}"))
            .date_of_birth(&format!("{:02}-07-1971", number % 28 + 1));
        assert_eq!(service.verify(&claim).reason_code, "NIK_NOT_FOUND");
        let path = format!("/of/3174011403{number:06}?name=Zainab");
        let credentials = [format!("guess-{number}"), "hunter2".to_owned(), "hunter2".to_owned()];
        let credentials = credentials.each_ref().map(String::as_str);
        let elsewhere =
            service.request("POST", &path, CREDENTIALS).header("x-request-id", format!("id-{number}"));
        assert_eq!(elsewhere.send().unwrap().status(), 404);
        let guess = service.request("POST", "/identity/v1/verification", credentials).send().unwrap();
        assert_eq!(guess.status(), 401);
        let method = format!("M{number}");
        assert!(service.request(&method, "/identity/v1/verification", CREDENTIALS).send().is_ok());
    };
    strange(0);
    service.wait_for_metric(r#"padan_ready{component="store"}"#, |ready| ready == 1.0);
    let before = series(&service.metrics());
    for number in 1..15 {
        strange(number);
    }
    let after = series(&service.metrics());
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
    // Most of them are buckets of histograms, 20 each.
    assert!(after.len() < 700, "{} series", after.len());
    for personal in [
        "3174011403",
        "Budi",
        "Santoso",
        "Zainab",
        "1987",
        "1971",
        "guess-",
        "hunter2",
        "id-",
        "127.0.0.1\"",
        "/of/",
    ] {
        assert!(!after.iter().any(|series| series.contains(personal)), "{personal} is in {after:#?}");
    }
}

#[test]
fn templates_and_the_newest_enrolment_are_exported() {
    let mut service = TestService::start();
    service.runtime.block_on(service.store.execute(
        "INSERT INTO store.enrolment_run (contract_id, model_set, templates, covered, unusable, failed)
         VALUES ('0123456789abcdef', 'of old', 7, 3, 2, 1)",
    ));
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    wait_for_the_template(&mut service);
    let text = service.metrics();
    for (state, people) in [("enrolled", 4.0), ("covered", 3.0), ("unusable", 2.0), ("failed", 1.0)] {
        assert_eq!(
            value_of_series(&text, &format!("padan_enrolment_people{{state=\"{state}\"}}")),
            Some(people)
        );
    }
}
