//! The answers of the running service during outages of its databases, and its operators' endpoints.

use std::time::{Duration, Instant};

use padan_test_service::{CREDENTIALS, Claim, TestService, UNKNOWN, ran_in_own_process, text_fields};

const OUTAGE: &str = r#"{"verification_status":false,"reason":"Something wrong in Dukcapil server","result":{"nik":null,"name":null,"date_of_birth":null,"face_image_percentage":null}}"#;

#[test]
fn an_outage_of_the_registry_is_the_documented_503() {
    let service = TestService::without_registry();
    service.verify(&Claim::matching()).assert(503, "REGISTRY_UNAVAILABLE", OUTAGE);
    service.verify(&Claim::matching().photo(b"\xff\xd8\xff no photo".as_slice())).assert(
        503,
        "REGISTRY_UNAVAILABLE",
        OUTAGE,
    );
    service.verify(&Claim::matching().nik("1")).assert_refused(
        400,
        "INVALID_NIK",
        "Invalid NIK number format",
    );
    service
        .send_to("/identity/v1/verification", text_fields(&[("nik", UNKNOWN), ("name", "Budi")]))
        .assert(
            503,
            "REGISTRY_UNAVAILABLE",
            r#"{"verification_status":false,"reason":"Something wrong in Dukcapil server","result":{"nik":null,"name":null}}"#,
        );
    let (status, body) = service.get_from_operators("/readyz");
    let readiness: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 503, "{body}");
    assert_eq!(readiness["ready"], false);
    assert_ne!(readiness["components"]["registry"], "ok");
    assert_eq!(readiness["components"]["store"], "ok");
    assert_eq!(service.get_from_operators("/healthz").0, 200);
}

#[test]
fn an_outage_of_the_store_is_a_503_for_every_request() {
    let service = TestService::without_store();
    service.verify(&Claim::matching()).assert(503, "STORE_UNAVAILABLE", OUTAGE);
    service.verify(&Claim::matching().photo(b"\xff\xd8\xff no photo".as_slice())).assert(
        503,
        "STORE_UNAVAILABLE",
        OUTAGE,
    );
    // An answer that cannot be recorded is not given, even if the request needs nothing else from the store.
    service.verify(&Claim::matching().nik(UNKNOWN)).assert(503, "STORE_UNAVAILABLE", OUTAGE);
    service.verify(&Claim::matching().nik("1")).assert(503, "STORE_UNAVAILABLE", OUTAGE);
    service
        .send_to("/identity/v1/verification", text_fields(&[("nik", UNKNOWN), ("name", "Budi")]))
        .assert(
            503,
            "STORE_UNAVAILABLE",
            r#"{"verification_status":false,"reason":"Something wrong in Dukcapil server","result":{"nik":null,"name":null}}"#,
        );
    let (status, body) = service.get_from_operators("/readyz");
    let readiness: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &readiness["components"]["registry"]), (503, &"ok".into()), "{body}");
    assert_ne!(readiness["components"]["store"], "ok");
}

#[test]
fn a_database_that_comes_back_is_used_again_without_a_restart() {
    let service = TestService::prepare("").own_registry().start();
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    for (database, reason) in
        [(&service.registry, "REGISTRY_UNAVAILABLE"), (&service.store, "STORE_UNAVAILABLE")]
    {
        service.runtime.block_on(database.unavailable_during(async {
            let answer = tokio::task::block_in_place(|| service.verify(&Claim::matching()));
            answer.assert(503, reason, OUTAGE);
        }));
        let began = Instant::now();
        while service.verify(&Claim::matching()).reason_code != "VERIFIED" {
            assert!(began.elapsed() < Duration::from_secs(30), "it is not used again");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn metrics_count_requests_and_the_log_has_no_personal_data() {
    if ran_in_own_process() {
        return;
    }
    let service = TestService::prepare("").own_engine().start();
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    assert_eq!(service.verify(&Claim::matching().name("Agus Wijaya")).reason_code, "NAME_MISMATCH");
    let nowhere = service.request("POST", "/nowhere/3174011403870000?name=Budi", CREDENTIALS);
    assert_eq!(nowhere.send().unwrap().status(), 404);

    let (status, metrics) = service.get_from_operators("/metrics");
    assert_eq!(status, 200);
    for line in [
        r#"padan_http_requests_total{endpoint="face-verification",reason="VERIFIED",status="200"} 1"#,
        r#"padan_http_requests_total{endpoint="unmatched",reason="NOT_FOUND",status="404"} 1"#,
        r#"padan_verification_step_duration_seconds_count{step="embed"} 2"#,
        "padan_http_in_flight 0",
        "padan_queue_depth 0",
        "padan_registry_in_turn{host=",
        r#"padan_device_info{device="cpu",precision="fp32"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
    assert_eq!(service.get_from_operators("/readyz").0, 200);
    assert_eq!(service.get_from_operators("/docs").0, 404, "the public endpoints are not here");

    let log = service.logged();
    for secret in ["3174011403870000", "Budi", "Agus", "Santoso", "1987", "bank-key", "pass:word"] {
        assert!(!log.contains(secret), "the log contains {secret}:\n{log}");
    }
    let line = log.lines().find(|line| line.contains("NAME_MISMATCH")).unwrap();
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&event["client"], &event["status"]), (&"bank".into(), &200.into()));
    assert!(event["steps"].as_str().unwrap().contains("embed="), "{line}");
}
