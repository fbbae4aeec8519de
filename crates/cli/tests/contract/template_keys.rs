//! Templates that cannot be decrypted, because a key was lost or rows were damaged, are created again.

use padan_test_service::{BUDI, Claim};

use crate::service::TestProgram;

/// The key of every test service, and another one.
const FORMER: &str = "89abcdef01234567";
const LATTER: &str = "fedcba9876543210";

fn unreadable(service: &TestProgram) -> String {
    let (_, metrics) = service.get_from_operators("/metrics");
    metrics
        .lines()
        .find_map(|line| line.strip_prefix("padan_templates_unreadable_total "))
        .unwrap()
        .to_owned()
}

/// Runs an enrolment and returns how many people it embedded.
fn enrolled(service: &TestProgram) -> u64 {
    let failures = service.folder().join("failures.csv");
    let output = service.command(&["enroll", "--failures", failures.to_str().unwrap()]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    let before = stderr.split(" were embedded in this run").next().unwrap();
    before.split_whitespace().last().unwrap().parse().unwrap_or_else(|_| panic!("{stderr}"))
}

#[test]
fn a_lost_key_or_a_damaged_row_costs_one_embedding_and_fails_no_request() {
    let mut service = TestProgram::start();
    let claim = Claim::matching();
    assert_eq!(service.verify(&claim).reason_code, "VERIFIED");
    service.kill();
    service.change_settings(&format!("\"{FORMER}"), &format!("\"{LATTER}"));
    service.restart();
    assert_eq!(service.verify(&claim).reason_code, "VERIFIED");
    assert_eq!(unreadable(&service), "1");
    assert_eq!(service.verify(&claim).reason_code, "VERIFIED");
    assert_eq!(unreadable(&service), "1", "the new template is stored");

    service.runtime.block_on(
        service.store.execute(
            "UPDATE store.face_template SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)",
        ),
    );
    assert_eq!(service.verify(&claim).reason_code, "VERIFIED");
    assert_eq!(service.verify(&claim).reason_code, "VERIFIED");
    assert_eq!(unreadable(&service), "2");
    let logged = service.logged();
    let lines: Vec<_> =
        logged.lines().filter(|line| line.contains("a face template is made again")).collect();
    assert_eq!(lines.len(), 2, "{logged}");
    assert!(lines[0].contains("which is not among store.template_keys"), "{}", lines[0]);
    assert!(lines[1].contains("has a value that Padan never writes"), "{}", lines[1]);
    assert!(!logged.contains(BUDI), "{logged}");
}

#[test]
fn enrolment_replaces_templates_of_a_lost_key() {
    let mut service = TestProgram::start();
    assert_eq!(enrolled(&service), 2, "Budi, and one whose portrait is unusable");
    assert_eq!(enrolled(&service), 0);
    service.kill();
    service.change_settings(&format!("\"{FORMER}"), &format!("\"{LATTER}"));
    assert_eq!(enrolled(&service), 2, "the reason why a portrait is unusable is sealed too");
    assert_eq!(enrolled(&service), 0);
    service.restart();
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    assert_eq!(unreadable(&service), "0");
}

/// The registry's photo stays the same. What an earlier program stored about it, without a seal, counts no more than what
/// somebody else writes into the table.
#[test]
fn a_portrait_that_an_earlier_program_could_not_use_is_tried_again_once() {
    let service = TestProgram::start();
    let claim = Claim::matching();
    let execute = |statement: &str| service.runtime.block_on(service.store.execute(statement));
    let mark = |version: &str| {
        execute(&format!(
            "UPDATE store.face_template
                SET key_id = NULL, sealed = NULL, unusable_reason = 'IMAGE_UNREADABLE', decoder_version = {version}"
        ));
    };
    let current = || {
        let versions = service.store.texts("SELECT decoder_version::text FROM store.face_template");
        service.runtime.block_on(versions).join(" ")
    };
    assert_eq!(service.verify(&claim).reason_code, "VERIFIED");
    let version = current();
    assert_ne!(version, "0");

    for marked in [version.as_str(), "0"] {
        mark(marked);
        assert_eq!(service.verify(&claim).reason_code, "VERIFIED");
        assert_eq!(current(), version);
    }
    assert_eq!(enrolled(&service), 1, "the one whose portrait is unusable");
    assert_eq!(enrolled(&service), 0, "this decoder has tried it");
    mark("0");
    assert_eq!(enrolled(&service), 2);
    assert_eq!(enrolled(&service), 0, "the unusable portrait was tried again once");
}
