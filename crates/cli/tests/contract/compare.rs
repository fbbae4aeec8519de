//! `padan compare` decides as the service does.

use bytes::Bytes;
use padan_test_service::{Answer, Photos, file, project};
use reqwest::blocking::multipart::Form;
use serde_json::Value;

use crate::service::TestProgram;

const MATCH: &str = "/face/v1/match";

fn pair(captured: &Bytes, stored: &Bytes) -> Form {
    Form::new().part("captured_image", file(captured)).part("stored_image", file(stored))
}

fn compare(service: &TestProgram, captured: &Bytes, stored: &Bytes) -> Answer {
    service.send_to(MATCH, pair(captured, stored))
}

fn assert_result(answer: &Answer, percentage: &str, words: &str, code: &str) {
    answer.assert(
        200,
        code,
        &format!(
            r#"{{"status":"success","result":{{"match_percentage":{percentage},"match_status":"{words}","match_status_code":"{code}"}}}}"#
        ),
    );
}

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
        let answer = compare(&service, &Photos::read(captured), &Photos::read(stored));
        let result = &answer.json()["result"];
        let hundredths = (percentage * 100.0).round();
        assert_eq!(result["match_percentage"].as_f64(), Some(hundredths / 10_000.0), "{captured} {stored}");
        let (words, code) = if matches { ("match", "MATCH") } else { ("not match", "NOT_MATCH") };
        assert_result(&answer, &result["match_percentage"].to_string(), words, code);
        assert_eq!(percentage >= 75.0, matches);
    }
}
