//! What a face verification does with the score of its selfie.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    passive_liveness::{models, selfie_with_blue, service_with},
    photos::Photos,
    service::{Claim, TestService},
    site::DECEASED,
};

fn settings(gate: &str, set: &str, folder: &TempDir) -> String {
    let path = folder.path().display();
    format!(
        "[verification]\nliveness = {{ gate = \"{gate}\", at = 0.5 }}\n\
         [inference]\nmodel_folder = \"{path}\"\nliveness_set = \"{set}\"\n"
    )
}

fn rows(service: &TestService) -> Vec<Value> {
    let exported = service.command(&["audit", "export", "--format", "jsonl", "--kind", "request"]);
    let text = String::from_utf8(exported.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn readiness(service: &TestService) -> Value {
    serde_json::from_str(&service.get_from_operators("/readyz").1).unwrap()
}

#[test]
fn the_gate_that_records_refuses_nobody() {
    let folder = models();
    let service = TestService::with(&settings("record", "mean", &folder));
    let answer = service.verify(&Claim::matching());
    assert_eq!((answer.status, &*answer.reason_code), (200, "VERIFIED"), "{}", answer.body);
    let row = &rows(&service)[0];
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
    let verify = || service.command(&["audit", "verify"]).status.success();
    assert!(verify());
    for change in ["spoof = 0.1", "spoof = NULL"] {
        let change = format!("UPDATE store.audit_event SET {change} WHERE kind = 'request'");
        service.runtime.block_on(service.store.execute(&change));
        assert!(!verify(), "{change}");
    }
}

#[test]
fn the_gate_that_refuses_takes_a_score_from_the_bound_on_for_an_attack() {
    let folder = models();
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
    let rows = rows(&service);
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
fn an_evaluation_counts_the_errors_on_attacks_and_on_living_persons() {
    let folder = models();
    let service = service_with("blue", &folder);
    let photos = tempfile::tempdir().unwrap();
    let put = |name: &str, photo: &bytes::Bytes| {
        let file = photos.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, photo).unwrap();
    };
    // The network takes blue photos for living persons. No two photos have the same bytes.
    let (living, attack) = ([215, 216, 217, 218, 219, 220], [0, 1, 2, 3]);
    for blue in living {
        put(&format!("bona-fide/{blue}.png"), &selfie_with_blue(blue));
    }
    for blue in &attack[..2] {
        put(&format!("bona-fide/{blue}.png"), &selfie_with_blue(*blue));
    }
    put("bona-fide/nobody.png", &Photos::without_face());
    for (at, blue) in [4, 5, 6, 221].into_iter().enumerate() {
        put(&format!("attack/print/{at}.png"), &selfie_with_blue(blue));
    }
    for (at, blue) in [222, 223, 7].into_iter().enumerate() {
        put(&format!("attack/screen/{at}.png"), &selfie_with_blue(blue));
    }
    put("attack/screen/two.png", &Photos::two_faces());
    put("notes.txt", &bytes::Bytes::from_static(b"x"));

    let (of, out) = (photos.path().display().to_string(), photos.path().join("out").display().to_string());
    let evaluated = service.command(&["evaluate", "--liveness", &of, "--out", &out]);
    let said = String::from_utf8(evaluated.stdout).unwrap();
    assert!(evaluated.status.success(), "{said}{}", String::from_utf8_lossy(&evaluated.stderr));
    let figures: Value =
        serde_json::from_slice(&fs::read(photos.path().join("out/evaluation.json")).unwrap()).unwrap();
    // Counted by hand; the bounds were computed in Python by bisection of the binomial distribution.
    let near = |rate: &Value, expected: [f64; 3]| {
        for (key, expected) in ["value", "low", "high"].into_iter().zip(expected) {
            assert!((rate[key].as_f64().unwrap() - expected).abs() < 1e-9, "{key} of {rate}");
        }
    };
    near(&figures["bona_fide"]["error_rate"], [0.25, 0.031_854_026_25, 0.650_855_794_413]);
    near(&figures["bona_fide"]["non_response_rate"], [1.0 / 9.0, 0.002_809_136_747, 0.482_496_514_917]);
    near(&figures["attacks"]["print"]["error_rate"], [0.25, 0.006_309_463_21, 0.805_879_550_317]);
    near(&figures["attacks"]["screen"]["error_rate"], [2.0 / 3.0, 0.094_299_324_05, 0.991_596_241_340]);
    near(&figures["attacks"]["screen"]["non_response_rate"], [0.25, 0.006_309_463_21, 0.805_879_550_317]);
    near(&figures["acer"], [0.458_333_333_333, 0.044_052_289_477, 0.845_007_346_795]);
    assert_eq!(figures["worst_kind"], "screen");
    assert_eq!(figures["non_responses"], serde_json::json!({ "NO_FACE": 1, "SEVERAL_FACES": 1 }));
    let page = fs::read_to_string(photos.path().join("out/report.html")).unwrap();
    for text in [&said, &page] {
        assert!(text.contains("This is no certified detection"), "{text}");
        assert!(
            text.contains("66.67 % (9.43 to 99.16)") && text.contains("45.83 % (4.41 to 84.50)"),
            "{text}"
        );
    }
    assert!(page.contains("notes.txt") && !page.contains("src=\"http"), "{page}");

    let refused = service.command(&[
        "evaluate",
        "--liveness",
        &of,
        "--set",
        "verification.liveness={gate=\"off\",at=0}",
    ]);
    assert!(!refused.status.success());
    let without = TestService::start().command(&["evaluate", "--liveness", &of]);
    let said = String::from_utf8(without.stderr).unwrap();
    assert!(!without.status.success() && said.contains("there is no liveness set to measure"), "{said}");
}

#[test]
fn a_gate_without_a_set_is_refused_before_the_start() {
    let service = TestService::start();
    assert_eq!(readiness(&service)["liveness_gate"], "off");
    let said = String::from_utf8(service.command(&["doctor"]).stdout).unwrap();
    assert!(said.contains("liveness gate of face verification: off"), "{said}");
    for gate in ["record", "refuse"] {
        let with_gate = service.settings().replace(
            "[verification.failed_fields]\n",
            &format!(
                "[verification]\nliveness = {{ gate = \"{gate}\", at = 0.5 }}\n[verification.failed_fields]\n"
            ),
        );
        assert!(with_gate.contains("liveness = "), "{with_gate}");
        for command in [&["config", "check"][..], &["serve"], &["doctor"]] {
            let refused = service.command_with_settings(command, &with_gate);
            let said =
                String::from_utf8(refused.stderr).unwrap() + &String::from_utf8(refused.stdout).unwrap();
            let expected = format!("verification.liveness.gate = \"{gate}\" needs a liveness set");
            assert!(!refused.status.success() && said.contains(&expected), "{command:?}: {said}");
        }
    }
}
