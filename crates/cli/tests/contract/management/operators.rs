//! Operators who manage other operators, and what they cannot do by it.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Managed, add, sessions};

const ON: &str = "manage_operators = true\n";

/// The entries of the list, by name.
fn listed(managed: &Managed, role: &str) -> HashMap<String, Value> {
    let list = managed.get(role, "/operators");
    let entries = list["operators"].as_array().unwrap().iter();
    entries.map(|entry| (entry["name"].as_str().unwrap().to_owned(), entry.clone())).collect()
}

fn refusal(managed: &Managed, method: &str, path: &str, body: &Value) -> (u16, String) {
    let (status, answer) = managed.ask("operator", method, path, body);
    (status, answer["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn an_operator_adds_changes_and_stops_others_and_each_act_has_its_row() {
    let managed = Managed::with(ON);
    assert_eq!(managed.get("operator", "/session")["manage_operators"], true);
    let addition = json!({ "name": "rina", "role": "support", "valid_for_seconds": 86_400, "password": true, "code": true });
    let added = managed.post("operator", "/operators", &addition);
    let text = |key: &str| added[key].as_str().unwrap_or_default().to_owned();
    let (token, password, secret) = (text("token"), text("password"), text("code_secret"));
    assert_eq!((token.len(), password.len(), secret.len()), (64, 24, 32), "{added}");
    assert_eq!(text("code_address"), format!("otpauth://totp/Padan:rina?secret={secret}&issuer=Padan"));
    let rina = &listed(&managed, "operator")["rina"];
    for (key, value) in [
        ("origin", json!("store")),
        ("role", json!("support")),
        ("disabled", json!(false)),
        ("has_password", json!(true)),
        ("has_code", json!(true)),
        ("last_signed_in_at", Value::Null),
        ("sessions", json!(0)),
        ("own", json!(false)),
    ] {
        assert_eq!(rina[key], value, "{key}");
    }
    assert!(rina["expires_at"].is_string());
    assert_eq!(listed(&managed, "operator")["operator-1"]["own"], true);
    assert_eq!(managed.status_of(&token), 200);

    // The password and the code sign in, which the list shows.
    let session = sessions::session_of(&managed, "rina", &password, Some(&sessions::code_of(&secret)));
    assert_eq!(sessions::session_status(&managed, &session), 200);
    let rina = &listed(&managed, "operator")["rina"];
    assert!(rina["last_signed_in_at"].is_string());
    assert_eq!(rina["sessions"], 1);

    let changed = managed.ask(
        "operator",
        "PATCH",
        "/operators/rina",
        &json!({ "role": "auditor", "expires_at": null }),
    );
    assert_eq!(
        (changed.0, &changed.1["role"], &changed.1["expires_at"]),
        (200, &json!("auditor"), &Value::Null)
    );
    let (status, disabled) =
        managed.ask("operator", "PUT", "/operators/rina/state", &json!({ "disabled": true }));
    assert_eq!((status, &disabled["disabled"], &disabled["sessions"]), (200, &json!(true), &json!(0)));
    assert_eq!((managed.status_of(&token), sessions::session_status(&managed, &session)), (401, 401));
    let (status, _) = managed.ask("operator", "PUT", "/operators/rina/state", &json!({ "disabled": false }));
    assert_eq!((status, managed.status_of(&token)), (200, 200));
    assert_eq!(sessions::session_status(&managed, &session), 401, "its session does not come back");

    let rotated =
        managed.post("operator", "/operators/rina/rotation", &json!({ "token": true, "password": true }));
    assert_eq!(
        (managed.status_of(&token), managed.status_of(rotated["token"].as_str().unwrap())),
        (401, 200)
    );
    assert_ne!(rotated["password"], json!(password));
    assert_eq!(rotated["code_secret"], Value::Null);
    let acts: Vec<_> = managed
        .acts()
        .into_iter()
        .filter(|act| act.ends_with(" operator-1"))
        .map(|act| act.replace(" operator-1", ""))
        .collect();
    assert_eq!(
        acts,
        [
            "OPERATOR_ADDED",
            "OPERATOR_PASSWORD_SET",
            "OPERATOR_CODE_SET",
            "OPERATOR_CHANGED",
            "OPERATOR_CHANGED",
            "OPERATOR_CHANGED",
            "OPERATOR_ROTATED",
            "OPERATOR_PASSWORD_SET",
        ]
    );
    // No secret is in the log or in the trail.
    let rows =
        managed.service.runtime.block_on(managed.service.store.texts("SELECT fields FROM store.audit_event"));
    let written = managed.service.logged() + &rows.concat();
    for shown in [
        &token,
        &password,
        &secret,
        rotated["token"].as_str().unwrap(),
        rotated["password"].as_str().unwrap(),
    ] {
        assert!(!written.contains(shown));
    }
    managed.run(&["audit", "verify"]);
}

#[test]
fn rights_are_given_by_the_command_alone_unless_it_is_set() {
    let managed = Managed::start();
    add(&managed.service, "rina", "support");
    assert_eq!(managed.get("operator", "/session")["manage_operators"], false);
    for (method, path, body) in [
        ("POST", "/operators", json!({ "name": "eve", "role": "operator" })),
        ("PATCH", "/operators/rina", json!({ "role": "operator" })),
        ("PATCH", "/operators/rina", json!({ "expires_at": null })),
        ("PUT", "/operators/rina/state", json!({ "disabled": false })),
        ("POST", "/operators/rina/rotation", json!({ "token": true })),
    ] {
        assert_eq!(
            refusal(&managed, method, path, &body),
            (403, "OPERATORS_BY_COMMAND".to_owned()),
            "{method} {path}"
        );
    }
    assert_eq!(managed.acts(), Vec::<String>::new());
    assert_eq!(listed(&managed, "operator").len(), 4);
    // What takes something away is permitted, since it cannot wait.
    let (status, _) = managed.ask("operator", "PUT", "/operators/rina/state", &json!({ "disabled": true }));
    assert_eq!(status, 200);
    assert_eq!(managed.acts(), ["OPERATOR_CHANGED operator-1"]);
}

#[test]
fn nobody_changes_the_own_account_and_the_last_operator_stays() {
    let managed = Managed::with(ON);
    let conflict = (409, "CONFLICT".to_owned());
    for (method, path, body) in [
        ("PATCH", "/operators/operator-1", json!({ "role": "auditor" })),
        ("PATCH", "/operators/operator-1", json!({ "expires_at": null })),
        ("PUT", "/operators/operator-1/state", json!({ "disabled": true })),
        ("POST", "/operators/operator-1/rotation", json!({ "token": true })),
        ("POST", "/operators", json!({ "name": "operator-1", "role": "auditor" })),
        ("POST", "/operators", json!({ "name": "oidc:248289761001", "role": "auditor" })),
    ] {
        assert_eq!(refusal(&managed, method, path, &body), conflict, "{method} {path}");
    }
    for (method, path, body) in [
        ("POST", "/operators", json!({ "name": "two words", "role": "support" })),
        ("POST", "/operators", json!({ "name": "rina", "role": "root" })),
        ("POST", "/operators", json!({ "name": "rina", "role": "support", "code": true })),
        ("POST", "/operators", json!({ "name": "rina", "role": "support", "valid_for_seconds": 0 })),
        ("PATCH", "/operators/support-1", json!({})),
        ("PATCH", "/operators/support-1", json!({ "role": null })),
        ("PATCH", "/operators/support-1", json!({ "role": "root" })),
        ("PATCH", "/operators/support-1", json!({ "disabled": true })),
        ("PUT", "/operators/support-1/state", json!({})),
        ("POST", "/operators/support-1/rotation", json!({})),
    ] {
        assert_eq!(
            refusal(&managed, method, path, &body),
            (400, "INVALID".to_owned()),
            "{method} {path} {body}"
        );
    }
    for (method, path, body) in [
        ("PATCH", "/operators/nobody", json!({ "role": "support" })),
        ("PUT", "/operators/oidc:1/state", json!({ "disabled": true })),
        ("POST", "/operators/nobody/rotation", json!({ "token": true })),
        ("DELETE", "/operators/nobody/sessions", json!({})),
    ] {
        assert_eq!(refusal(&managed, method, path, &body), (404, "NOT_FOUND".to_owned()), "{method} {path}");
    }
    assert_eq!(managed.acts(), Vec::<String>::new());

    // Two operators disable each other at the same time: one of them stays.
    let other = add(&managed.service, "operator-2", "operator");
    let disable = |token: &str, name: &str| {
        let answer =
            managed.send(token, "PUT", &format!("/operators/{name}/state"), &json!({ "disabled": true }));
        answer.status().as_u16()
    };
    let statuses = std::thread::scope(|scope| {
        let one = scope.spawn(|| disable(&managed.tokens["operator"], "operator-2"));
        let two = scope.spawn(|| disable(&other, "operator-1"));
        [one.join().unwrap(), two.join().unwrap()]
    });
    assert!(statuses.contains(&200), "{statuses:?}");
    let left = [&managed.tokens["operator"], &other].map(|token| managed.status_of(token));
    assert!(left == [200, 401] || left == [401, 200], "{left:?} after {statuses:?}");
}

#[test]
fn all_sessions_of_an_account_are_ended_by_the_command_and_by_the_route() {
    let managed = Managed::start();
    sessions::set_password(&managed, "support-1", sessions::PASSWORD);
    sessions::set_password(&managed, "operator-1", sessions::PASSWORD);
    let begin = |name: &str| sessions::session_of(&managed, name, sessions::PASSWORD, None);
    let (first, second, other) = (begin("support-1"), begin("support-1"), begin("operator-1"));
    assert_eq!(listed(&managed, "operator")["support-1"]["sessions"], 2);
    assert_eq!(managed.ask("operator", "DELETE", "/operators/support-1/sessions", &Value::Null).0, 204);
    let status = |session: &str| sessions::session_status(&managed, session);
    assert_eq!([status(&first), status(&second), status(&other)], [401, 401, 200]);
    assert_eq!(managed.status_of(&managed.tokens["support"]), 200, "a token is no session");
    assert_eq!(managed.ask("operator", "DELETE", "/operators/support-1/sessions", &Value::Null).0, 404);

    let third = begin("support-1");
    let asked = managed.service.command(&["operator", "end-sessions", "support-1", "--dry-run"]);
    assert!(asked.status.success() && status(&third) == 200);
    managed.run(&["operator", "end-sessions", "support-1", "--yes"]);
    assert_eq!([status(&third), status(&other)], [401, 200]);
    let refused = managed.service.command(&["operator", "end-sessions", "support-1", "--yes"]);
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && text.contains("support-1 has no session"), "{text}");
    let rows =
        "SELECT fields FROM store.audit_event WHERE reason = 'OPERATOR_SESSIONS_ENDED' ORDER BY at, sequence";
    let rows = managed.service.runtime.block_on(managed.service.store.texts(rows));
    let rows: Vec<Value> = rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect();
    let ended = |row: &Value| (row["before"]["account"].clone(), row["before"]["sessions"].clone());
    assert_eq!(
        rows.iter().map(ended).collect::<Vec<_>>(),
        [(json!("support-1"), json!(2)), (json!("support-1"), json!(1))]
    );
    assert_eq!(rows[0]["request"]["account"], "operator-1");
}

#[test]
fn an_operator_whom_sql_added_is_shown_as_refused() {
    let managed = Managed::with(ON);
    managed.execute(
        "INSERT INTO store.operator (name, role, token_sha256) VALUES ('eve', 'operator', sha256('eve'))",
    );
    let list = managed.get("operator", "/operators");
    assert_eq!(list["refused"], json!([{ "name": "eve", "fault": "has no signature" }]));
    assert!(!listed(&managed, "operator").contains_key("eve"));
    assert_eq!(
        refusal(&managed, "PUT", "/operators/eve/state", &json!({ "disabled": false })),
        (409, "CONFLICT".to_owned())
    );
    // It is no operator who could be left.
    let token = add(&managed.service, "operator-2", "operator");
    managed.run(&["operator", "set", "operator-1", "--disable"]);
    assert_eq!(managed.status_of(&token), 200);
}
