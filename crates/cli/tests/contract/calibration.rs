//! A calibration that is activated while the service serves.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use padan_inference::{CalibrationFile, Catalogue};
use padan_test_service::{Answer, CREDENTIALS, Claim};
use serde_json::Value;

use crate::service::TestProgram;

/// The shipped calibration with a pass mark that nobody but the photo itself reaches.
fn strict() -> CalibrationFile {
    let catalogue = Catalogue::load(&[]).unwrap();
    let mut file = catalogue.calibration(&catalogue.set("sface").unwrap()).unwrap();
    for point in file.points.iter_mut().filter(|point| point.percentage >= 75.0) {
        point.cosine = 0.95 + 0.01 * (point.cosine - 0.4);
    }
    file.pass_mark.cosine = file.calibration().unwrap().pass_cosine();
    file
}

/// Asks seldom, since each face that fails counts, and ten are allowed.
fn wait_for_reason(service: &TestProgram, reason: &str) {
    for _ in 0..8 {
        if service.verify(&Claim::matching()).reason_code == reason {
            return;
        }
        thread::sleep(Duration::from_millis(1500));
    }
    panic!("{reason} does not come:\n{}", service.logged());
}

fn calibrations(service: &TestProgram) -> Vec<String> {
    let query =
        "SELECT DISTINCT calibration_id FROM store.audit_event WHERE calibration_id IS NOT NULL ORDER BY 1";
    service.runtime.block_on(service.store.texts(query))
}

#[test]
fn an_activated_calibration_decides_within_seconds_and_old_rows_keep_theirs() {
    let mut service = TestProgram::start();
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    let installed = calibrations(&service);
    let (strict, file) = (strict(), service.folder().join("strict.toml"));
    fs::write(&file, strict.to_toml().unwrap()).unwrap();
    let activated = service.command(&["calibration", "activate", file.to_str().unwrap()]);
    assert!(activated.status.success(), "{activated:?}");
    let printed = String::from_utf8(activated.stderr).unwrap();
    assert!(printed.contains("The pass mark moves from cosine 0.4265 to 0.9503"), "{printed}");
    wait_for_reason(&service, "FACE_MISMATCH");
    let mut both = [installed.clone(), vec![strict.id()]].concat();
    both.sort();
    assert_eq!(calibrations(&service), both);
    let (_, shown) = service.get_from_operators("/metrics");
    assert!(
        shown.contains(&format!("padan_calibration_info{{calibration=\"{}\"}} 1", strict.id())),
        "{shown}"
    );
    let doctor = String::from_utf8(service.command(&["doctor"]).stdout).unwrap();
    assert!(doctor.contains(&format!("calibration {} of sface is active", strict.id())), "{doctor}");
    let shown: Value =
        serde_json::from_slice(&service.command(&["calibration", "show", "--json"]).stdout).unwrap();
    assert_eq!((&shown["active"], &shown["calibration"]), (&true.into(), &strict.id().into()));
    let shown: Value =
        serde_json::from_slice(&service.command(&["calibration", "show", "--json", "--installed"]).stdout)
            .unwrap();
    assert_eq!((&shown["active"], &shown["calibration"]), (&Value::Null, &installed[0].clone().into()));
    let status = service.command(&["status", "--json", "--url", &format!("http://{}", service.admin)]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["model"]["calibration"], strict.id());

    service.kill();
    service.restart();
    assert_eq!(service.verify(&Claim::matching()).reason_code, "FACE_MISMATCH", "from the first request on");

    let returned = service.command(&["calibration", "activate", "--installed", "sface"]);
    assert!(returned.status.success(), "{returned:?}");
    wait_for_reason(&service, "VERIFIED");
    let acts = "SELECT fields::json #>> '{after,calibration}' FROM store.audit_event
                 WHERE reason = 'CALIBRATION_ACTIVATED' ORDER BY at, sequence";
    let after = service.runtime.block_on(
        service.store.texts(&acts.replace("SELECT ", "SELECT coalesce(").replace(" FROM", ", 'none') FROM")),
    );
    assert_eq!(after, [strict.id(), "none".to_owned()]);
    assert!(service.command(&["audit", "verify"]).status.success());
}

#[test]
fn a_calibration_that_sql_changed_is_not_used_and_shows() {
    let service = TestProgram::start();
    let (strict, file) = (strict(), service.folder().join("strict.toml"));
    fs::write(&file, strict.to_toml().unwrap()).unwrap();
    assert!(service.command(&["calibration", "activate", file.to_str().unwrap()]).status.success());
    wait_for_reason(&service, "FACE_MISMATCH");
    let change = "UPDATE store.active_calibration SET calibration_id = repeat('ab', 8)";
    service.runtime.block_on(service.store.execute(change));
    service.wait_for_log("cannot use the active calibration, the former one stays");
    assert_eq!(service.verify(&Claim::matching()).reason_code, "FACE_MISMATCH");
    service.wait_for_metric("padan_model_behind", |outdated| outdated == 1.0);
    assert!(!service.command(&["doctor"]).status.success());
    service.runtime.block_on(service.store.execute("UPDATE store.active_calibration SET file = file || '#'"));
    let verified = service.command(&["audit", "verify"]);
    assert!(!verified.status.success());
    let printed = String::from_utf8(verified.stdout).unwrap();
    assert!(printed.contains("the active calibration of sface is not the one"), "{printed}");
    // Activating it again writes a row that Padan signs.
    assert!(service.command(&["calibration", "activate", file.to_str().unwrap()]).status.success());
    service.wait_for_metric("padan_model_behind", |outdated| outdated == 0.0);
    assert!(service.command(&["audit", "verify"]).status.success());
}

#[test]
fn a_file_that_is_no_calibration_of_an_installed_set_is_refused() {
    let service = TestProgram::start();
    let file = service.folder().join("wrong.toml");
    let refused = |text: &str| {
        fs::write(&file, text).unwrap();
        let output = service.command(&["calibration", "activate", file.to_str().unwrap()]);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused("version = 2").contains("is no calibration"));
    let text = strict().to_toml().unwrap();
    assert!(
        refused(&text.replace("set = \"sface\"", "set = \"mobilefacenet\""))
            .contains("made for mobilefacenet")
    );
    assert!(refused(&text.replace("set = \"sface\"", "set = \"other\"")).contains("other"));
    let damaged = |from: &str, to: &str| {
        assert!(text.contains(from), "{text}");
        refused(&text.replacen(from, to, 1))
    };
    assert!(refused(&text[..text.len() / 2]).contains("wrong.toml"));
    let pass_mark = format!("cosine = {}", strict().pass_mark.cosine);
    assert!(damaged(&pass_mark, "cosine = 0.5").contains("was changed after it was made"));
    assert!(refused(&format!("{text}#{}", "a".repeat(1_000_000))).contains("which no calibration has"));
    let rows = "SELECT reason FROM store.audit_event WHERE reason = 'CALIBRATION_ACTIVATED'";
    assert_eq!(service.runtime.block_on(service.store.texts(rows)), Vec::<String>::new());
}

#[test]
fn two_processes_and_one_that_starts_later_use_the_active_calibration() {
    let service = TestProgram::start();
    let second = service.start_second_process();
    let (strict, file) = (strict(), service.folder().join("strict.toml"));
    fs::write(&file, strict.to_toml().unwrap()).unwrap();
    assert!(service.command(&["calibration", "activate", file.to_str().unwrap()]).status.success());
    let reason_at = |address| {
        let request = service.request_at(address, "POST", "/identity/v1/face-verification", CREDENTIALS);
        Answer::from(request.multipart(Claim::matching().form()).send().unwrap()).reason_code
    };
    for address in [service.address, second.address] {
        let began = Instant::now();
        while reason_at(address) != "FACE_MISMATCH" {
            assert!(began.elapsed() < Duration::from_secs(20), "{address} does not follow");
            thread::sleep(Duration::from_millis(200));
        }
    }
    let third = service.start_second_process();
    assert_eq!(reason_at(third.address), "FACE_MISMATCH", "from its first request on");
}

#[test]
fn an_activation_that_is_killed_changes_nothing() {
    let service = TestProgram::start();
    let (strict, file) = (strict(), service.folder().join("strict.toml"));
    fs::write(&file, strict.to_toml().unwrap()).unwrap();
    let words = ["calibration", "activate", file.to_str().unwrap()];
    let waits = "SELECT count(*)::text FROM pg_locks
                  WHERE NOT granted AND relation = 'store.active_calibration'::regclass";
    let lock = "store.active_calibration IN SHARE ROW EXCLUSIVE MODE";
    service.runtime.block_on(service.store.locked_during(lock, async {
        let mut command = service.start_command(&words);
        let began = Instant::now();
        while service.store.texts(waits).await == ["0"] {
            assert!(began.elapsed() < Duration::from_secs(20), "the command does not wait for the lock");
            thread::sleep(Duration::from_millis(20));
        }
        command.kill().unwrap();
        command.wait().unwrap();
    }));
    let runtime = &service.runtime;
    let rows = "SELECT reason FROM store.audit_event WHERE reason = 'CALIBRATION_ACTIVATED'
                UNION ALL SELECT calibration_id FROM store.active_calibration";
    let began = Instant::now();
    let sessions = "SELECT count(*)::text FROM pg_locks WHERE relation = 'store.active_calibration'::regclass
                       AND mode = 'ShareRowExclusiveLock'";
    while runtime.block_on(service.store.texts(sessions)) != ["0"] {
        assert!(began.elapsed() < Duration::from_secs(20), "the killed command's session does not end");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(runtime.block_on(service.store.texts(rows)), Vec::<String>::new());
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    assert!(service.command(&["audit", "verify"]).status.success());
    assert!(service.command(&words).status.success());
    wait_for_reason(&service, "FACE_MISMATCH");
    assert!(service.command(&["audit", "verify"]).status.success());
}
