//! What is recorded, found and erased.

use std::{thread, time::Duration};

use padan_test_service::{BUDI, Claim, ran_in_own_process};
use serde_json::{Value, json};

use super::Managed;

#[test]
fn the_trail_is_searched_page_by_page() {
    let managed = Managed::start();
    for _ in 0..5 {
        assert_eq!(managed.service.verify(&Claim::matching()).status, 200);
    }
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let search = json!({ "kind": "request", "limit": 2, "cursor": cursor });
        let page = managed.post("auditor", "/audit/search", &search);
        let rows = page["rows"].as_array().unwrap();
        assert!(rows.len() <= 2);
        seen.extend(rows.iter().map(|row| row["request_id"].as_str().unwrap().to_owned()));
        cursor = page["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(seen.len(), 5);
    let newest_first = managed.service.runtime.block_on(managed.service.store.texts(
        "SELECT request_id FROM store.audit_event WHERE kind = 'request' ORDER BY at DESC, sequence DESC",
    ));
    assert_eq!(seen, newest_first);

    let found = |path: &str, role: &str, search: Value| {
        managed.post(role, path, &search)["rows"].as_array().unwrap().len()
    };
    assert_eq!(found("/requests/search", "support", json!({ "request_id": seen[2] })), 1);
    // Nothing is a pattern.
    for pattern in ["%", "_", "*", "' OR 1=1 --", &seen[2][..30]] {
        assert_eq!(found("/requests/search", "support", json!({ "request_id": pattern })), 0, "{pattern}");
        assert_eq!(found("/audit/search", "auditor", json!({ "client": pattern })), 0, "{pattern}");
    }
    assert_eq!(found("/people/search", "auditor", json!({ "nik": BUDI })), 5);
    assert_eq!(found("/people/search", "operator", json!({ "nik": "3174011403870999" })), 0);
    // A place that somebody makes up selects nothing that the criteria exclude.
    let made_up = "4000000000000000.ffffffffffffffffffffffffffffffff.9";
    let search = json!({ "request_id": "none", "cursor": made_up });
    assert_eq!(found("/requests/search", "support", search), 0);
    let first = json!({ "reason": "VERIFIED", "from": "2020-01-01T00:00:00Z", "to": "2020-02-01T00:00:00Z" });
    assert_eq!(found("/audit/search", "auditor", first), 0);
    // The rows of the searches name the operators, and neither the person nor the id that was typed.
    let acts = managed.acts();
    assert!(acts.contains(&"PERSON_SEARCHED operator-1".to_owned()), "{acts:?}");
    assert!(acts.contains(&"REQUEST_SEARCHED support-1".to_owned()), "{acts:?}");
    let recorded = managed
        .service
        .runtime
        .block_on(managed.service.store.texts("SELECT fields FROM store.audit_event WHERE kind = 'admin'"));
    assert!(!recorded.concat().contains(BUDI));
    // Support never sees what operators do.
    let of_admin = managed.service.runtime.block_on(managed.service.store.texts(
        "SELECT fields::json -> 'request' ->> 'request_id' FROM store.audit_event
          WHERE reason = 'AUDIT_SEARCHED' LIMIT 1",
    ));
    assert_eq!(found("/requests/search", "support", json!({ "request_id": of_admin[0] })), 0);
}

#[test]
fn the_trail_is_exported_and_verified() {
    let managed = Managed::start();
    managed.service.verify(&Claim::matching());
    let token = &managed.tokens["auditor"];
    let exported =
        managed.send(token, "POST", "/audit/exports", &json!({ "kind": "request" })).text().unwrap();
    let rows: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["reason"], "VERIFIED");
    assert_eq!(rows[0]["person_key"].as_str().unwrap().len(), 64);
    assert!(!exported.contains(BUDI));

    let verify = || {
        let started = managed.post("auditor", "/audit/verifications", &Value::Null);
        let path = format!("/audit/verifications/{}", started["id"].as_str().unwrap());
        loop {
            let state = managed.get("operator", &path);
            if state["state"] != "running" {
                return state;
            }
            thread::sleep(Duration::from_millis(50));
        }
    };
    let intact = verify();
    assert_eq!(intact["state"], "intact", "{intact}");
    assert!(intact["checked_rows"].as_u64().unwrap() >= 6, "{intact}");
    managed.execute("UPDATE store.audit_event SET reason = 'FACE_MISMATCH' WHERE kind = 'request'");
    let changed = verify();
    assert_eq!((&changed["state"], &changed["report"]["fault_count"]), (&json!("changed"), &json!(1)));
    let listed = managed.get("auditor", "/audit/verifications");
    assert_eq!(listed["verifications"].as_array().unwrap().len(), 2);
    assert_eq!(listed["verifications"][0]["id"], changed["id"]);
    let acts = managed.acts();
    assert_eq!(acts[0], "AUDIT_EXPORTED auditor-1");
    assert_eq!(acts.iter().filter(|act| *act == "AUDIT_VERIFIED auditor-1").count(), 2);
}

#[test]
fn an_erasure_needs_the_preview_of_the_same_operator() {
    let managed = Managed::start();
    managed.service.verify(&Claim::matching());
    let other = managed.service.add_operator("operator-2", "operator");
    let preview = managed.post("operator", "/people/erasures/preview", &json!({ "nik": BUDI }));
    assert_eq!((&preview["templates"], &preview["audit_rows"]), (&json!(1), &json!(1)));
    let confirmation = preview["confirmation"].as_str().unwrap();
    let (until, signature) = confirmation.split_once('.').unwrap();
    let later = format!("{}.{signature}", until.parse::<u64>().unwrap() + 3600);
    for (token, nik, confirmation) in [
        (&managed.tokens["operator"], BUDI, "1.2"),
        (&managed.tokens["operator"], BUDI, later.as_str()),
        (&managed.tokens["operator"], "3174011403870999", confirmation),
        (&other, BUDI, confirmation),
    ] {
        let body = json!({ "nik": nik, "confirmation": confirmation });
        let answer = managed.send(token, "POST", "/people/erasures", &body);
        assert_eq!(answer.status(), 409, "{confirmation}");
    }
    let body = json!({ "nik": BUDI, "confirmation": confirmation });
    let erased = managed.post("operator", "/people/erasures", &body);
    assert_eq!((&erased["templates"], &erased["audit_rows"]), (&json!(1), &json!(1)));
    let found = managed.post("auditor", "/people/search", &json!({ "nik": BUDI }));
    assert_eq!(found["rows"], json!([]));
    assert_eq!(managed.acts()[..2], ["PERSON_LOOKED_UP operator-1", "PERSON_FORGOTTEN operator-1"]);
    assert_eq!(managed.service.faults_of_audit_trail(), Vec::<String>::new());
}

/// No token, NIK or request id that an operator sends is in the log, and none of them in the metrics.
#[test]
fn nothing_that_an_operator_sends_is_logged() {
    if ran_in_own_process() {
        return;
    }
    let managed = Managed::start();
    managed.post("auditor", "/people/search", &json!({ "nik": BUDI }));
    managed.post("operator", "/people/erasures/preview", &json!({ "nik": BUDI }));
    managed.post("support", "/requests/search", &json!({ "request_id": format!("id-{BUDI}") }));
    managed.ask("operator", "POST", "/people/search", &json!({ "nik": BUDI, "more": BUDI }));
    assert_eq!(managed.status_of(BUDI), 401);
    managed.ask_raw("operator", &format!("/clients/{BUDI}"));
    managed.service.wait_for_log("showClient");
    let (_, metrics) = managed.service.get_from_operators("/metrics");
    let logged = managed.service.logged();
    for text in [&logged, &metrics] {
        assert!(!text.contains(BUDI));
        assert!(managed.tokens.values().all(|token| !text.contains(token.as_str())));
    }
    assert!(logged.contains("auditor-1"), "the log says who called");
}
