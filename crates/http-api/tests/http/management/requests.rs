//! The requests of clients: listed, and watched as they are answered.

use std::io::{BufRead as _, BufReader};

use padan_test_service::Claim;
use serde_json::{Value, json};

use super::Managed;

#[test]
fn requests_are_listed_by_client_reason_and_result() {
    let managed = Managed::start();
    managed.service.verify(&Claim::matching());
    let refused = managed.service.verify(&Claim { nik: "123".to_owned(), ..Claim::matching() });
    assert_eq!(refused.reason_code, "INVALID_NIK");
    let reasons = |search: Value| -> Vec<String> {
        let page = managed.post("operator", "/requests/list", &search);
        let rows = page["rows"].as_array().unwrap();
        rows.iter().map(|row| row["reason"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(reasons(json!({})), ["INVALID_NIK", "VERIFIED"], "neither acts of operators nor searches");
    assert_eq!(reasons(json!({ "refused": true })), ["INVALID_NIK"]);
    assert_eq!(reasons(json!({ "reason": "VERIFIED" })), ["VERIFIED"]);
    assert_eq!(reasons(json!({ "client": "nobody" })), Vec::<String>::new());
    let (status, _) = managed.ask("operator", "POST", "/requests/list", &json!({ "kind": "admin" }));
    assert_eq!(status, 400);
}

#[test]
fn a_watch_shows_requests_as_they_are_answered() {
    let managed = Managed::start();
    let before = managed.service.verify(&Claim::matching());
    let stream = managed.send(&managed.tokens["auditor"], "GET", "/requests/live", &Value::Null);
    assert_eq!(
        (stream.status().as_u16(), &stream.headers()["content-type"]),
        (200, &"text/event-stream".parse().unwrap())
    );
    let sent = managed.service.verify(&Claim::matching());
    let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "event: row"));
    let data = lines.next().unwrap();
    let row: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(row["request_id"], sent.headers["request-id"].to_str().unwrap());
    assert_ne!(row["request_id"], before.headers["request-id"].to_str().unwrap());
    assert_eq!(managed.acts(), ["AUDIT_SEARCHED auditor-1"], "one row for the whole watch");
    let (status, _) = managed.ask("auditor", "GET", "/requests/live?nik=1", &Value::Null);
    assert_eq!(status, 400);
}
