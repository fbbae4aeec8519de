//! What `/metrics` tells.

use std::{
    collections::BTreeSet,
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    photos::Photos,
    served::{Claim, Served, project},
    site::{CREDENTIALS, DISABLED, UNKNOWN},
};

fn metrics(served: &Served) -> String {
    let (status, text) = served.ask_operators("/metrics");
    assert_eq!(status, 200);
    text
}

/// The value of a series, by its name and labels as they are written.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// Asks until a series has a value that will do.
fn wait_for(served: &Served, series: &str, will_do: impl Fn(f64) -> bool) {
    let began = Instant::now();
    loop {
        let text = metrics(served);
        if value(&text, series).is_some_and(&will_do) {
            return;
        }
        assert!(began.elapsed() < Duration::from_mins(1), "{series} does not come:\n{text}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_lag_of_a_standby_is_told() {
    let mut served = Served::start();
    let standby = served.runtime.block_on(served.registry.on_standby());
    served.change_settings(&served.registry.url(), &standby.url());
    served.kill();
    served.start_again();
    assert_eq!(served.verify(&Claim::true_one()).reason_code, "VERIFIED");

    let text = metrics(&served);
    let host = text.split("padan_registry_in_turn{host=\"").nth(1).unwrap().split('"').next().unwrap();
    let lag = format!("padan_registry_replica_lag_seconds{{host=\"{host}\"}}");
    wait_for(&served, &lag, |seconds| seconds < 1.0);
    served.runtime.block_on(standby.paused_during(async {
        served.registry.execute("UPDATE civil_registry.person SET name = 'Agus Wijaya'").await;
        tokio::task::block_in_place(|| {
            wait_for(&served, &lag, |seconds| seconds > 3.0);
            // What was not replayed is not known yet.
            assert_eq!(served.verify(&Claim::true_one()).reason_code, "VERIFIED");
        });
    }));
    wait_for(&served, &lag, |seconds| seconds < 1.0);
    assert_eq!(served.verify(&Claim::true_one()).reason_code, "NAME_MISMATCH");
}

/// Waits until the one template of the model that serves was counted.
fn wait_for_the_template(served: &Served) {
    let text = metrics(served);
    let contract = text.split("padan_model_info{contract=\"").nth(1).unwrap().split('"').next().unwrap();
    wait_for(served, &format!("padan_templates{{contract=\"{contract}\"}}"), |templates| templates == 1.0);
}

/// One of everything that is counted.
fn visit_everything(served: &Served) {
    let claim = Claim::true_one;
    assert_eq!(served.verify(&claim()).reason_code, "VERIFIED");
    assert_eq!(served.verify(&claim().photo(Photos::read("110_s1.jpg"))).reason_code, "FACE_MISMATCH");
    assert_eq!(served.verify(&claim().nik(UNKNOWN)).reason_code, "NIK_NOT_FOUND");
    assert_eq!(served.verify(&claim().photo(Photos::without_face())).reason_code, "NO_FACE");
    let disabled = served.request("POST", "/identity/v1/verification", DISABLED).send().unwrap();
    assert_eq!(disabled.status(), 403);
}

#[test]
fn everything_that_happens_is_counted_and_promtool_finds_nothing_to_say() {
    let served = Served::start();
    served.change_clients("allowed_networks = [\"127.0.0.0/8\"]", "daily_quota = 10");
    visit_everything(&served);
    wait_for(&served, r#"padan_ready{component="registry"}"#, |ready| ready == 1.0);
    let text = metrics(&served);
    for (series, expected) in [
        (
            r#"padan_http_requests_total{endpoint="face-verification",reason="FACE_MISMATCH",status="200"}"#,
            1.0,
        ),
        (r#"padan_http_request_duration_seconds_count{endpoint="face-verification",status="200"}"#, 3.0),
        (r#"padan_verification_step_duration_seconds_count{step="embed"}"#, 2.0),
        (r#"padan_similarity_percentage_count{outcome="match"}"#, 1.0),
        (r#"padan_similarity_percentage_count{outcome="no_match"}"#, 1.0),
        ("padan_http_in_flight_limit", 128.0),
        ("padan_http_body_bytes_held", 0.0),
        ("padan_http_body_bytes_limit", 268_435_456.0),
        ("padan_decoded_pixels_held", 0.0),
        ("padan_decoded_pixels_limit", 320e6),
        ("padan_queue_capacity", 64.0),
        // Three selfies were looked at, and one portrait.
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
        assert_eq!(value(&text, series), Some(expected), "{series} in:\n{text}");
    }
    for begun in [
        "padan_db_pool_connections{database=\"store\",host=\"",
        "padan_db_pool_attempts_total{database=\"registry\",host=\"",
        "padan_db_pool_wait_seconds_total{database=\"registry\",host=\"",
        "padan_registry_replica_lag_seconds{host=\"",
        "padan_model_info{contract=\"",
        "padan_calibration_info{calibration=\"",
        "padan_config_info{hash=\"",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.contains(begun), "{begun} is not in:\n{text}");
    }
    promtool_check(&text);
}

/// Prometheus's own opinion of names, units and help texts.
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
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

/// Names and labels of all series, without their values.
fn series(text: &str) -> BTreeSet<String> {
    let named = text.lines().filter(|line| !line.starts_with('#'));
    named.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series.to_owned()).collect()
}

#[test]
fn whatever_callers_send_no_series_comes_about_by_it_and_none_tells_of_a_person() {
    let served = Served::start();
    visit_everything(&served);
    let strange = |number: usize| {
        let claim = Claim::true_one()
            .nik(&format!("31740114038{number:05}"))
            .name(&format!("Zainab Nomor {number}"))
            .date_of_birth(&format!("{:02}-07-1971", number % 28 + 1));
        assert_eq!(served.verify(&claim).reason_code, "NIK_NOT_FOUND");
        let path = format!("/of/3174011403{number:06}?name=Zainab");
        let credentials = [format!("guess-{number}"), "hunter2".to_owned(), "hunter2".to_owned()];
        let credentials = credentials.each_ref().map(String::as_str);
        let elsewhere =
            served.request("POST", &path, CREDENTIALS).header("x-request-id", format!("id-{number}"));
        assert_eq!(elsewhere.send().unwrap().status(), 404);
        let guess = served.request("POST", "/identity/v1/verification", credentials).send().unwrap();
        assert_eq!(guess.status(), 401);
        let method = format!("M{number}");
        assert!(served.request(&method, "/identity/v1/verification", CREDENTIALS).send().is_ok());
    };
    strange(0);
    wait_for(&served, r#"padan_ready{component="store"}"#, |ready| ready == 1.0);
    wait_for_the_template(&served);
    let before = series(&metrics(&served));
    for number in 1..15 {
        strange(number);
    }
    let after = series(&metrics(&served));
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
    // Histograms make most of them: 20 buckets each.
    assert!(after.len() < 700, "{} series", after.len());
    for told in [
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
        assert!(!after.iter().any(|series| series.contains(told)), "{told} is in {after:#?}");
    }
}

#[test]
fn templates_and_the_newest_enrolment_are_told() {
    let served = Served::start();
    served.runtime.block_on(served.store.execute(
        "INSERT INTO store.enrolment_run (contract_id, model_set, templates, unusable, failed)
         VALUES ('0123456789abcdef', 'of old', 7, 2, 1)",
    ));
    assert_eq!(served.verify(&Claim::true_one()).reason_code, "VERIFIED");
    wait_for_the_template(&served);
    let text = metrics(&served);
    for (state, people) in [("enrolled", 7.0), ("unusable", 2.0), ("failed", 1.0)] {
        assert_eq!(value(&text, &format!("padan_enrolment_people{{state=\"{state}\"}}")), Some(people));
    }
}
