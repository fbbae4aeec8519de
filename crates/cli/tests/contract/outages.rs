//! What the running service answers while something that it needs does not, and what it tells its operator.

use std::time::{Duration, Instant};

use crate::{
    served::{Claim, Served, text_fields},
    site::UNKNOWN,
};

const OUTAGE: &str = r#"{"verification_status":false,"reason":"Something wrong in Dukcapil server","result":{"nik":null,"name":null,"date_of_birth":null,"face_image_percentage":null}}"#;

#[test]
fn a_registry_that_cannot_answer_is_the_documented_503() {
    let served = Served::without_registry();
    served.verify(&Claim::true_one()).assert(503, "REGISTRY_UNAVAILABLE", OUTAGE);
    served.verify(&Claim::true_one().photo(b"\xff\xd8\xff no photo".as_slice())).assert(
        503,
        "REGISTRY_UNAVAILABLE",
        OUTAGE,
    );
    served.verify(&Claim::true_one().nik("1")).assert_refused(
        400,
        "INVALID_NIK",
        "Invalid NIK number format",
    );
    served
        .send_to("/identity/v1/verification", text_fields(&[("nik", UNKNOWN), ("name", "Budi")]))
        .assert(
            503,
            "REGISTRY_UNAVAILABLE",
            r#"{"verification_status":false,"reason":"Something wrong in Dukcapil server","result":{"nik":null,"name":null}}"#,
        );
    let (status, body) = served.ask_operators("/readyz");
    let readiness: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 503, "{body}");
    assert_eq!(readiness["ready"], false);
    assert_ne!(readiness["components"]["registry"], "ok");
    assert_eq!(readiness["components"]["store"], "ok");
    assert_eq!(served.ask_operators("/healthz").0, 200);
}

#[test]
fn a_store_that_cannot_answer_is_a_503_where_it_is_needed() {
    let served = Served::without_store();
    served.verify(&Claim::true_one()).assert(503, "STORE_UNAVAILABLE", OUTAGE);
    served.verify(&Claim::true_one().photo(b"\xff\xd8\xff no photo".as_slice())).assert(
        503,
        "STORE_UNAVAILABLE",
        OUTAGE,
    );
    // What cannot be recorded is not told, even where the store was not asked for anything else.
    served.verify(&Claim::true_one().nik(UNKNOWN)).assert(503, "STORE_UNAVAILABLE", OUTAGE);
    served.verify(&Claim::true_one().nik("1")).assert(503, "STORE_UNAVAILABLE", OUTAGE);
    served
        .send_to("/identity/v1/verification", text_fields(&[("nik", UNKNOWN), ("name", "Budi")]))
        .assert(
            503,
            "STORE_UNAVAILABLE",
            r#"{"verification_status":false,"reason":"Something wrong in Dukcapil server","result":{"nik":null,"name":null}}"#,
        );
    let (status, body) = served.ask_operators("/readyz");
    let readiness: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &readiness["components"]["registry"]), (503, &"ok".into()), "{body}");
    assert_ne!(readiness["components"]["store"], "ok");
}

#[test]
fn a_database_that_comes_back_is_used_again_without_a_restart() {
    let served = Served::start();
    assert_eq!(served.verify(&Claim::true_one()).reason_code, "VERIFIED");
    for (database, reason) in
        [(&served.registry, "REGISTRY_UNAVAILABLE"), (&served.store, "STORE_UNAVAILABLE")]
    {
        served.runtime.block_on(database.unavailable_during(async {
            let answer = tokio::task::block_in_place(|| served.verify(&Claim::true_one()));
            answer.assert(503, reason, OUTAGE);
        }));
        let began = Instant::now();
        while served.verify(&Claim::true_one()).reason_code != "VERIFIED" {
            assert!(began.elapsed() < Duration::from_secs(30), "it stays out");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn the_operators_listener_tells_and_the_log_keeps_silent() {
    let served = Served::start();
    assert_eq!(served.verify(&Claim::true_one()).reason_code, "VERIFIED");
    assert_eq!(served.verify(&Claim::true_one().name("Agus Wijaya")).reason_code, "NAME_MISMATCH");
    let nowhere = served.request("POST", "/nowhere/3174011403870000?name=Budi", crate::site::CREDENTIALS);
    assert_eq!(nowhere.send().unwrap().status(), 404);

    let (status, metrics) = served.ask_operators("/metrics");
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
    assert_eq!(served.ask_operators("/readyz").0, 200);
    assert_eq!(served.ask_operators("/docs").0, 404, "the public endpoints are not here");

    let log = served.logged();
    for secret in ["3174011403870000", "Budi", "Agus", "Santoso", "1987", "bank-key", "pass:word"] {
        assert!(!log.contains(secret), "the log tells {secret}:\n{log}");
    }
    let line = log.lines().find(|line| line.contains("NAME_MISMATCH")).unwrap();
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&event["client"], &event["status"]), (&"bank".into(), &200.into()));
    assert!(event["steps"].as_str().unwrap().contains("embed="), "{line}");
}
