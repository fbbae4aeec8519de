//! `padan compare` decides as the service does.

use padan_test_service::{Photos, project};
use serde_json::Value;

use crate::service::TestProgram;

/// What `padan compare` finds: whether the faces match, and the percentage that it shows.
fn compared_by_program(service: &TestProgram, captured: &str, stored: &str) -> (bool, f64) {
    let path = |name: &str| project().join("people/images").join(name).display().to_string();
    let output = service.command(&["compare", "--json", &path(stored), &path(captured)]);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    (found["match"].as_bool().unwrap(), found["shown_percentage"].as_f64().unwrap())
}

#[test]
fn the_result_is_that_of_the_program_on_every_pair() {
    let service = TestProgram::start();
    for (captured, stored) in [
        ("101_s1.jpg", "101_id.jpg"),
        ("101_s2.jpg", "101_s3.jpg"),
        ("118_s1.jpg", "101_id.jpg"),
        ("110_s1.jpg", "142_s2.jpg"),
        ("101_s1.jpg", "101_s1.jpg"),
    ] {
        let (matches, percentage) = compared_by_program(&service, captured, stored);
        let answer = service.compare(&Photos::read(captured), &Photos::read(stored));
        let result = &answer.json()["result"];
        let hundredths = (percentage * 100.0).round();
        assert_eq!(result["match_percentage"].as_f64(), Some(hundredths / 10_000.0), "{captured} {stored}");
        let (words, code) = if matches { ("match", "MATCH") } else { ("not match", "NOT_MATCH") };
        answer.assert_compared(&result["match_percentage"].to_string(), words, code);
        assert_eq!(percentage >= 75.0, matches);
    }
}
