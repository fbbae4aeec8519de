//! The output of commands with `--json`, compared with docs/json-output.md.

use std::fs;

use padan_test_service::BUDI;
use padan_testing::assert_documented;
use serde_json::Value;

use crate::{clients::add, service::TestProgram};

/// What a command with `--json` prints, and its exit code.
fn printed(service: &TestProgram, words: &[&str]) -> (Value, i32) {
    let output = service.command(&[words, &["--json"]].concat());
    let document =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (document, output.status.code().unwrap())
}

/// Runs a command that succeeds, and checks its fields under this heading.
fn documented(service: &TestProgram, heading: &str, words: &[&str]) -> Value {
    let (document, code) = printed(service, words);
    assert_eq!(code, 0, "{words:?} {document:#}");
    assert_documented(heading, &document);
    document
}

#[test]
fn commands_about_clients_print_the_documented_fields() {
    let service = TestProgram::start();
    let limits =
        ["--rate", "3", "--daily-quota", "9", "--network", "10.0.0.0/8", "--endpoint", "verification"];
    let added = documented(&service, "client add", &[&["client", "add", "telco"], &limits[..]].concat());
    assert_eq!(added["username"], "telco");
    documented(&service, "client add", &["client", "add", "shop"]);
    let list = documented(&service, "client list", &["client", "list"]);
    let names: Vec<_> = list["clients"].as_array().unwrap().iter().map(|client| &client["name"]).collect();
    assert!(names.contains(&&Value::from("telco")) && names.contains(&&Value::from("shop")), "{names:?}");
    let shown = documented(&service, "client show", &["client", "show", "telco"]);
    assert_eq!(shown["networks"], serde_json::json!(["10.0.0.0/8"]));
    let set = documented(&service, "client set", &["client", "set", "telco", "--daily-quota", "10"]);
    assert_eq!((&set["before"]["daily_quota"], &set["after"]["daily_quota"]), (&9.into(), &10.into()));
    let plan = documented(&service, "client rotate --dry-run", &["client", "rotate", "telco", "--dry-run"]);
    assert!(plan["plan"][1].as_str().unwrap().contains("becomes invalid within seconds"), "{plan:#}");
    let rotated =
        documented(&service, "client add", &["client", "rotate", "telco", "--yes", "--password-only"]);
    assert_eq!((rotated["api_key"].is_null(), rotated["password"].is_string()), (true, true));
    let output = service.command(&["client", "show", "nobody", "--json"]);
    assert!(output.stdout.is_empty());
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    let expected = serde_json::json!({ "error": { "message": "there is no client nobody", "exit_code": 1 } });
    assert_eq!((error, output.status.code()), (expected, Some(1)));
}

#[test]
fn commands_about_operators_print_the_documented_fields() {
    let service = TestProgram::start();
    let add = ["operator", "add", "rina", "--role", "support", "--valid-for", "30d"];
    let added = documented(&service, "operator add", &add);
    let list = documented(&service, "operator list", &["operator", "list"]);
    let [rina] = list["operators"].as_array().unwrap().as_slice() else { panic!("{list:#}") };
    assert_eq!((&rina["name"], &rina["role"]), (&"rina".into(), &"support".into()));
    assert_eq!((rina["expires_at"].is_string(), rina["last_used_at"].is_null()), (true, true));
    let code = documented(&service, "operator code", &["operator", "code", "rina"]);
    assert_eq!(code["secret"].as_str().unwrap().len(), 32);
    let plan =
        documented(&service, "operator rotate --dry-run", &["operator", "rotate", "rina", "--dry-run"]);
    assert!(plan["plan"][1].as_str().unwrap().starts_with("Replaces the token."), "{plan:#}");
    let rotated = documented(&service, "operator add", &["operator", "rotate", "rina", "--yes"]);
    assert_ne!(rotated["token"], added["token"]);
    let output = service.command(&["operator", "rotate", "nobody", "--yes", "--json"]);
    assert_eq!((output.stdout.is_empty(), output.status.code()), (true, Some(1)));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let error: Value = serde_json::from_str(stderr.lines().last().unwrap()).unwrap();
    assert_eq!(error["error"]["message"], "there is no operator nobody");
}

#[test]
fn commands_about_stored_data_print_the_documented_fields() {
    let service = TestProgram::with("[clients]\nrefresh_seconds = 1\n");
    let credentials = add(&service, "telco", &[]);
    service.wait_for(&credentials, "VERIFIED");
    documented(&service, "doctor", &["doctor"]);
    documented(&service, "config check", &["config", "check"]);
    let usage = documented(&service, "usage", &["usage"]);
    assert_eq!(
        (&usage["calls"][0]["client"], &usage["calls"][0]["outcome"]),
        (&"telco".into(), &"VERIFIED".into())
    );
    documented(&service, "usage --cpu", &["usage", "--cpu"]);
    documented(&service, "enroll --status", &["enroll", "--status"]);
    service.command(&["enroll", "--failures", "/dev/null"]);
    let status = documented(&service, "enroll --status", &["enroll", "--status"]);
    assert!(status["enrolments"][0]["templates"].as_u64().unwrap() > 0, "{status:#}");

    let keys = documented(&service, "keys rotate --dry-run", &["keys", "rotate", "--dry-run"]);
    assert_eq!((&keys["keys"][0]["first"], &keys["keys"][0]["in_settings"]), (&true.into(), &true.into()));
    documented(&service, "keys rotate", &["keys", "rotate"]);
    documented(&service, "templates prune --dry-run", &["templates", "prune", "--dry-run"]);
    documented(&service, "templates prune", &["templates", "prune", "--yes"]);
    let pruned = ["audit", "prune", "--older-than", "24months", "--dry-run"];
    assert_eq!(documented(&service, "audit prune", &pruned)["dry_run"], true);

    let heads = documented(&service, "audit heads", &["audit", "heads"]);
    let file = service.folder().join("heads.json");
    fs::write(&file, format!("{heads:#}")).unwrap();
    let verify = ["audit", "verify", "--heads", file.to_str().unwrap()];
    let verified = documented(&service, "audit verify", &verify);
    let known = heads["heads"].as_array().unwrap().len();
    assert_eq!((&verified["intact"], &verified["heads_from_files"]), (&true.into(), &known.into()));

    let found = documented(&service, "person find", &["person", "find", "--nik", BUDI]);
    assert_eq!(
        (&found["clients"][0]["client"], &found["clients"][0]["requests"]),
        (&"telco".into(), &1.into())
    );
    let dry = documented(&service, "person forget", &["person", "forget", "--nik", BUDI, "--dry-run"]);
    assert_eq!(
        (&dry["dry_run"], &dry["templates"], &dry["audit_rows"]),
        (&true.into(), &1.into(), &1.into())
    );
    let gone = documented(&service, "person forget", &["person", "forget", "--nik", BUDI, "--yes"]);
    assert_eq!((&gone["templates"], &gone["audit_rows"]), (&dry["templates"], &dry["audit_rows"]));

    let execute = |statement: &str| service.runtime.block_on(service.store.execute(statement));
    execute("UPDATE store.audit_event SET reason = 'FACE_MISMATCH' WHERE reason = 'VERIFIED'");
    let (document, code) = printed(&service, &["audit", "verify"]);
    assert_documented("audit verify", &document);
    assert_eq!(
        (&document["intact"], document["fault_count"].as_u64().unwrap() > 0, code),
        (&false.into(), true, 1)
    );
}
