//! Clients, as operators manage them.

use padan_test_service::Credentials;
use serde_json::{Value, json};

use super::Managed;

#[test]
fn a_client_is_added_used_changed_and_removed() {
    let managed = Managed::with("[clients]\nrefresh_seconds = 1\n");
    let added =
        managed.post("operator", "/clients", &json!({ "name": "telco", "rules": { "daily_quota": 7 } }));
    let secret = |key: &str| added[key].as_str().unwrap().to_owned();
    let credentials: Credentials = ["username", "password", "api_key"].map(secret);
    managed.service.wait_for(&credentials, "VERIFIED");
    let (status, _) = managed.ask("operator", "POST", "/clients", &json!({ "name": "telco" }));
    assert_eq!(status, 409);
    let shown = managed.get("auditor", "/clients/telco");
    assert_eq!(shown["client"]["rules"]["daily_quota"], 7);
    assert!(shown["used_today"].as_u64().unwrap() >= 1, "{shown}");
    let listed = managed.get("operator", "/clients");
    assert_eq!((&listed["clients"][0]["name"], &listed["refused"]), (&json!("telco"), &json!([])));
    assert!(!listed.to_string().contains(&credentials[1]));

    // Two operators read the same state, and both change it.
    let changed_at = &shown["client"]["changed_at"];
    let change = |rules: Value| json!({ "changed_at": changed_at, "rules": rules });
    let path = "/clients/telco/rules";
    let first = change(json!({ "networks": ["10.0.0.0/8"], "daily_quota": null }));
    let (status, body) = managed.ask("operator", "PATCH", path, &first);
    assert_eq!(status, 200, "{body}");
    let rules = &body["client"]["rules"];
    assert_eq!((&rules["networks"], &rules["daily_quota"]), (&json!(["10.0.0.0/8"]), &Value::Null));
    assert_eq!(rules["rate"], json!({ "per_second": 20.0, "burst": 40 }), "what is not named stays");
    let (status, body) = managed.ask("operator", "PATCH", path, &change(json!({ "networks": [] })));
    assert_eq!((status, &body["code"]), (409, &json!("CONFLICT")));
    assert_eq!(
        managed.get("operator", "/clients/telco")["client"]["rules"]["networks"],
        json!(["10.0.0.0/8"])
    );

    let (status, _) = managed.ask("operator", "PUT", "/clients/telco/state", &json!({ "disabled": true }));
    assert_eq!(status, 200);
    assert_eq!(managed.get("operator", "/clients/telco")["client"]["disabled"], true);
    let rotated = managed.post("operator", "/clients/telco/rotation", &json!({ "password": false }));
    assert_eq!(rotated["password"], Value::Null);
    assert_ne!(rotated["api_key"], json!(credentials[2]));
    let (status, _) = managed.ask("operator", "DELETE", "/clients/telco", &Value::Null);
    assert_eq!(status, 204);
    let (status, _) = managed.ask("operator", "DELETE", "/clients/telco", &Value::Null);
    assert_eq!(status, 404);
    let acts = ["ADDED", "CHANGED", "DISABLED", "ROTATED", "REMOVED"];
    assert_eq!(managed.acts(), acts.map(|act| format!("CLIENT_{act} operator-1")));
    assert_eq!(managed.service.faults_of_audit_trail(), Vec::<String>::new());
}

#[test]
fn wrong_input_is_refused_without_a_change_or_a_row() {
    let managed = Managed::start();
    let refused = [
        ("POST", "/clients", json!({ "name": "two words" })),
        ("POST", "/clients", json!({ "name": "a", "username": "demo" })),
        ("POST", "/clients", json!({ "name": "a", "rules": { "networks": ["10.0.0.0/99"] } })),
        ("POST", "/clients", json!({ "name": "a", "rules": { "daily_quota": 0 } })),
        ("POST", "/clients", json!({ "name": "a", "rules": { "fields": ["no_field"] } })),
        ("POST", "/clients", json!({ "name": "a", "rules": { "rate": { "per_second": 1e300 } } })),
        ("POST", "/clients", json!({ "name": "a", "role": "operator" })),
        ("POST", "/clients", json!([])),
        ("POST", "/clients", json!("a")),
        ("POST", "/people/search", json!({ "nik": "317401140387000" })),
        ("POST", "/people/erasures/preview", json!({ "nik": 3_174_011_403_870_000_u64 })),
        ("POST", "/requests/search", json!({ "request_id": "" })),
        ("POST", "/requests/search", json!({ "request_id": "a", "limit": 501 })),
        ("POST", "/requests/search", json!({ "request_id": "a", "cursor": "1.2.3" })),
        ("POST", "/requests/search", json!({ "request_id": "a", "kind": "admin" })),
        ("POST", "/requests/search", json!({ "request_id": "a", "from": "yesterday" })),
    ];
    for (method, path, body) in refused {
        let (status, answer) = managed.ask("operator", method, path, &body);
        assert_eq!((status, &answer["code"]), (400, &json!("INVALID")), "{path} {body}: {answer}");
        assert!(!answer.to_string().contains("317401140387"), "{answer}");
    }
    for (path, status) in
        [("/usage?from=2025-01-01&to=2026-12-01", 400), ("/usage?nik=1", 400), ("/nothing", 404)]
    {
        assert_eq!(managed.ask_raw("operator", path), status, "{path}");
    }
    let (status, _) = managed.ask("operator", "DELETE", "/usage", &Value::Null);
    assert_eq!(status, 405);
    let long = json!({ "name": "a".repeat(100_000) });
    assert_eq!(managed.ask("operator", "POST", "/clients", &long).0, 413);
    assert_eq!(managed.acts(), Vec::<String>::new());
}

#[test]
fn a_sandbox_client_is_added_and_has_no_quota() {
    let managed = Managed::start();
    let with_quota = json!({ "name": "shop-dev", "sandbox": true, "rules": { "daily_quota": 7 } });
    let (status, body) = managed.ask("operator", "POST", "/clients", &with_quota);
    assert_eq!(status, 400, "{body}");
    managed.post("operator", "/clients", &json!({ "name": "shop-dev", "sandbox": true }));
    let shown = managed.get("operator", "/clients/shop-dev");
    assert_eq!(shown["client"]["sandbox"], true);
    let change = json!({ "changed_at": shown["client"]["changed_at"], "rules": { "monthly_quota": 70 } });
    let (status, body) = managed.ask("operator", "PATCH", "/clients/shop-dev/rules", &change);
    assert_eq!(status, 400, "{body}");
    assert_eq!(managed.acts(), ["CLIENT_ADDED operator-1"]);
}
