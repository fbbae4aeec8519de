//! What a face verification does with the score of its selfie.

use std::thread;

use padan_test_service::{Claim, DECEASED, Photos, TestService, liveness_models, selfie_with_blue};
use serde_json::Value;
use tempfile::TempDir;

fn settings(gate: &str, set: &str, folder: &TempDir) -> String {
    let path = folder.path().display();
    format!(
        "[verification]\nliveness = {{ gate = \"{gate}\", at = 0.5 }}\n\
         [inference]\nmodel_folder = \"{path}\"\nliveness_set = \"{set}\"\n"
    )
}

fn readiness(service: &TestService) -> Value {
    serde_json::from_str(&service.get_from_operators("/readyz").1).unwrap()
}

#[test]
fn the_gate_that_records_refuses_nobody() {
    let folder = liveness_models();
    let service = TestService::with(&settings("record", "mean", &folder));
    let answer = service.verify(&Claim::matching());
    assert_eq!((answer.status, &*answer.reason_code), (200, "VERIFIED"), "{}", answer.body);
    let row = &service.recorded_requests()[0];
    // 1 - (exp(2) / (1 + exp(2) + exp(1)) + 1 / (1 + 2 exp(1))) / 2
    assert!((row["spoof"].as_f64().unwrap() - 0.589_698).abs() < 1e-5, "{row}");
    let (_, metrics) = service.get_from_operators("/metrics");
    for line in [
        "padan_spoof_score_count 1",
        r#"padan_spoof_score_bucket{le="0.5"} 0"#,
        r#"padan_spoof_score_bucket{le="0.6"} 1"#,
        r#"padan_verification_step_duration_seconds_count{step="liveness"} 1"#,
        r#"padan_verification_step_duration_seconds_count{step="detect"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in:\n{metrics}");
    }
    assert_eq!(readiness(&service)["liveness_gate"], "record");
    // The score is signed.
    let verify = || service.faults_of_audit_trail().is_empty();
    assert!(verify());
    for change in ["spoof = 0.1", "spoof = NULL"] {
        let change = format!("UPDATE store.audit_event SET {change} WHERE kind = 'request'");
        service.runtime.block_on(service.store.execute(&change));
        assert!(!verify(), "{change}");
    }
}

#[test]
fn the_gate_that_refuses_takes_a_score_from_the_bound_on_for_an_attack() {
    let folder = liveness_models();
    let service = TestService::with(&settings("refuse", "blue", &folder));
    let send = |blue: u8, nik: Option<&str>| {
        let claim = Claim { photo: selfie_with_blue(blue), ..Claim::matching() };
        service.verify(&nik.map_or(claim.clone(), |nik| claim.nik(nik)))
    };
    send(0, None).assert_refused(400, "SPOOF_SUSPECTED", "face_image may be a photo of a photo");
    assert_eq!(send(220, None).status, 200);
    // What is decided before the photo is looked at wins, and so does a photo that cannot be compared.
    assert_eq!(send(0, Some(DECEASED)).reason_code, "NIK_DECEASED");
    let photo = Photos::without_face();
    assert_eq!(service.verify(&Claim { photo, ..Claim::matching() }).reason_code, "NO_FACE");
    let rows = service.recorded_requests();
    let score = |at: usize| rows[at]["spoof"].as_f64();
    assert!(score(0).unwrap() > 0.99 && score(1).unwrap() < 0.01, "{rows:#?}");
    assert!(rows[0]["person_key"].is_string() && rows[0]["percentage"].is_null());
    assert_eq!((score(2), score(3)), (None, None));
    let (_, metrics) = service.get_from_operators("/metrics");
    assert!(metrics.contains("padan_spoof_score_count 2\n"), "{metrics}");
    assert!(metrics.contains(r#"padan_quality_rejections_total{reason="SPOOF_SUSPECTED"} 1"#), "{metrics}");
    assert_eq!(readiness(&service)["liveness_gate"], "refuse from 0.5");
}

#[test]
fn a_photo_cannot_be_changed_until_the_gate_takes_it() {
    let folder = liveness_models();
    let limit = "[verification.failed_faces]\nmost = 4\nwindow_seconds = 60\n";
    let service = TestService::with(&format!("{}{limit}", settings("refuse", "blue", &folder)));
    let send = |blue| service.verify(&Claim { photo: selfie_with_blue(blue), ..Claim::matching() });
    let one_by_one = [0, 220, 1, 2].map(|blue| send(blue).reason_code);
    assert_eq!(one_by_one, ["SPOOF_SUSPECTED", "VERIFIED", "SPOOF_SUSPECTED", "SPOOF_SUSPECTED"]);
    let answers: Vec<_> = thread::scope(|scope| {
        let sent: Vec<_> = (3..15).map(|blue| scope.spawn(move || send(blue))).collect();
        sent.into_iter().map(|answer| answer.join().unwrap()).collect()
    });
    let count = |code: &str| answers.iter().filter(|answer| answer.reason_code == code).count();
    assert_eq!((count("SPOOF_SUSPECTED"), count("TOO_MANY_FAILED_FACES")), (1, 11));
    send(220).assert_refused(429, "TOO_MANY_FAILED_FACES", "Too many failed attempts for this NIK");
    let (_, metrics) = service.get_from_operators("/metrics");
    // Half of the limit had failed before the third and the fourth.
    let repeated = "padan_client_repeated_faces_total{client=\"bank\"} 2\n";
    assert!(metrics.contains(repeated), "{repeated} is not in:\n{metrics}");
}
