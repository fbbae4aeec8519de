//! A replica of the registry that is behind.

use std::time::{Duration, Instant};

use padan_test_service::Claim;

use crate::service::TestProgram;

const OUTAGE: &str = r#"{"verification_status":false,"reason":"Something wrong in Dukcapil server","result":{"nik":null,"name":null,"date_of_birth":null,"face_image_percentage":null}}"#;

#[test]
fn a_registry_that_is_too_far_behind_is_the_documented_503_until_it_has_caught_up() {
    let mut service = TestProgram::start();
    service.change_settings("[registry]", "[registry]\nmax_lag_seconds = 300");
    service.kill();
    service.restart();
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    service.runtime.block_on(service.registry.execute(
        "CREATE FUNCTION padan.lag_seconds() RETURNS double precision LANGUAGE sql AS 'SELECT 400.0::double precision'",
    ));
    wait_for_reason(&service, "REGISTRY_UNAVAILABLE");
    service.verify(&Claim::matching()).assert(503, "REGISTRY_UNAVAILABLE", OUTAGE);
    let (status, body) = service.get_from_operators("/readyz");
    let readiness: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &readiness["components"]["store"]), (503, &"ok".into()), "{body}");
    let reason = readiness["components"]["registry"].as_str().unwrap();
    assert!(reason.contains("400 s behind") && reason.contains("registry.max_lag_seconds"), "{reason}");
    let metrics = service.get_from_operators("/metrics").1;
    let left_out = metrics.lines().find(|line| line.starts_with("padan_registry_too_far_behind{")).unwrap();
    assert!(left_out.ends_with("} 1"), "{left_out}");
    let in_turn = metrics.lines().find(|line| line.starts_with("padan_registry_in_turn{")).unwrap();
    assert!(in_turn.ends_with("} 1"), "it does not fail: {in_turn}");

    let report = String::from_utf8(service.command(&["doctor"]).stdout).unwrap();
    let line = report.lines().find(|line| line.split_whitespace().nth(1) == Some("registry")).unwrap();
    assert!(line.starts_with("FAIL") && line.contains("400 s behind"), "{line}");

    service.runtime.block_on(service.registry.execute("DROP FUNCTION padan.lag_seconds"));
    wait_for_reason(&service, "VERIFIED");
    let log = service.logged();
    assert_eq!(log.matches("registry replica is left out").count(), 1, "{log}");
    assert_eq!(log.matches("registry replica is used again").count(), 1, "{log}");
    let errors =
        log.lines().filter(|line| line.contains(r#""level":"ERROR""#) && line.contains("sqlx")).count();
    assert_eq!(errors, 0, "each attempt to connect is logged: {log}");
}

fn wait_for_reason(service: &TestProgram, reason: &str) {
    let began = Instant::now();
    while service.verify(&Claim::matching()).reason_code != reason {
        assert!(began.elapsed() < Duration::from_secs(30), "{reason} is not answered");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn the_lag_of_a_standby_is_exported() {
    let mut service = TestProgram::start();
    let standby = service.runtime.block_on(service.registry.on_standby());
    service.change_settings(&service.registry.url(), &standby.url());
    service.kill();
    service.restart();
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");

    let text = service.metrics();
    let host = text.split("padan_registry_in_turn{host=\"").nth(1).unwrap().split('"').next().unwrap();
    let lag = format!("padan_registry_replica_lag_seconds{{host=\"{host}\"}}");
    service.wait_for_metric(&lag, |seconds| seconds < 1.0);
    service.runtime.block_on(standby.paused_during(async {
        service.registry.execute("UPDATE civil_registry.person SET name = 'Agus Wijaya'").await;
        tokio::task::block_in_place(|| {
            service.wait_for_metric(&lag, |seconds| seconds > 3.0);
            // The standby has not replayed the change yet.
            assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
        });
    }));
    service.wait_for_metric(&lag, |seconds| seconds < 1.0);
    assert_eq!(service.verify(&Claim::matching()).reason_code, "NAME_MISMATCH");
}
