//! Long work: exports and enrolments that go on without the browser, and that can be continued after a process was killed.

use std::{
    thread,
    time::{Duration, Instant},
};

use padan_test_service::{BUDI, Claim};
use serde_json::json;

use super::Managed;
use crate::enrolment;

#[test]
fn files_end_with_their_time_and_with_an_erasure() {
    let mut managed = Managed::start();
    managed.service.verify(&Claim::matching());
    let job = managed.exported(&json!({}));
    managed.execute("UPDATE store.job SET kept_until = now() - interval '1 second'");
    assert_eq!(managed.file(&job).0, 404);
    assert_eq!(managed.one("SELECT count(*)::text FROM store.export_part"), "1");
    managed.service.kill();
    managed.service.restart();
    let began = Instant::now();
    while managed.one("SELECT count(*)::text FROM store.export_part") != "0" {
        assert!(began.elapsed() < Duration::from_secs(30), "the file is not removed");
        thread::sleep(Duration::from_millis(100));
    }
    let job = managed.exported(&json!({}));
    assert_eq!(managed.file(&job).0, 200);
    let preview = managed.post("operator", "/people/erasures/preview", &json!({ "nik": BUDI }));
    let erasure = json!({ "nik": BUDI, "confirmation": preview["confirmation"] });
    managed.post("operator", "/people/erasures", &erasure);
    assert_eq!(managed.file(&job).0, 404, "it has rows about the person");
    assert_eq!(managed.one("SELECT count(*)::text FROM store.export_part"), "0");
}

#[test]
fn an_enrolment_is_started_paused_continued_and_survives_its_process() {
    let managed = Managed::with("[enrolment]\nrange_people = 40\nbatch_people = 4\nlease_seconds = 2\n");
    enrolment::populate(&managed.service, 120);
    let set = managed.get("operator", "/models")["in_use"]["model_set"].clone();
    let start = json!({ "model_set": set });
    assert_eq!(managed.ask("operator", "POST", "/enrolments", &json!({ "model_set": "none" })).0, 400);
    let job = managed.post("operator", "/enrolments", &start);
    assert_eq!((&job["state"], &job["operator"]), (&json!("waiting"), &json!("operator-1")));
    assert_eq!(managed.get("operator", "/enrolments")["workers"], 0);
    assert_eq!(managed.ask("operator", "POST", "/enrolments", &start).0, 409, "one at a time");
    let id = &job["id"];
    let state = format!("/enrolments/{}/state", id.as_str().unwrap());
    let wish = |state_name: &str| managed.ask("operator", "PUT", &state, &json!({ "state": state_name }));
    let wait = |state_name: &str| managed.wait_for_job("operator", "/enrolments", id, state_name);
    let templates = || managed.one("SELECT count(*)::text FROM store.face_template").parse::<u32>().unwrap();
    let until = |most: u32| {
        let began = Instant::now();
        while templates() < most {
            assert!(began.elapsed() < Duration::from_mins(4), "no templates are written");
            thread::sleep(Duration::from_millis(20));
        }
    };
    let failures = managed.service.folder().join("failures.csv");
    let words = ["enroll", "--wait", "--rate", "15", "--failures", failures.to_str().unwrap()];
    let mut worker = managed.service.start_command(&words);
    wait("running");
    until(8);
    assert_eq!(managed.get("operator", "/enrolments")["workers"], 1);
    assert_eq!(wish("paused").0, 200);
    let began = Instant::now();
    let mut before = templates();
    // The batch under way is written, and then nothing more.
    loop {
        thread::sleep(Duration::from_secs(3));
        let now = templates();
        if now == before {
            break;
        }
        before = now;
        assert!(began.elapsed() < Duration::from_mins(1), "it goes on in spite of the pause");
    }
    assert!(before < 122, "it had finished before it was paused");
    assert_eq!(wait("paused")["people"], before, "all that was written before the pause counts");
    assert_eq!(wish("paused").0, 409);
    assert_eq!(wish("running").0, 200);
    wait("running");
    until(before + 4);
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert!(templates() < 122, "it had finished before it was killed");
    managed.execute("UPDATE store.job SET lease_until = now() - interval '1 second'");
    let interrupted = wait("interrupted");
    assert!(interrupted["people"].as_u64().unwrap() >= u64::from(before), "{interrupted}");
    let mut worker = managed.service.start_command(&words);
    let done = wait("done");
    assert_eq!(templates(), 122, "{done}");
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert_eq!(wish("running").0, 409);
    let acts = managed.acts();
    for act in ["ENROLMENT_STARTED", "ENROLMENT_PAUSED", "ENROLMENT_CONTINUED"] {
        assert!(acts.contains(&format!("{act} operator-1")), "{act}: {acts:?}");
    }
    // Another one can be started, and ended before a process takes it.
    let other = managed.post("operator", "/enrolments", &start);
    let path = format!("/enrolments/{}/state", other["id"].as_str().unwrap());
    let ended = managed.ask("operator", "PUT", &path, &json!({ "state": "stopped" }));
    assert_eq!((ended.0, &ended.1["state"]), (200, &json!("stopped")));
}
