//! The management interface: who may call what, what it records, and what an attacker gets from it.

use std::{collections::BTreeMap, fs, thread, time::Duration};

use reqwest::blocking::Response;
use serde_json::{Value, json};

use crate::{
    clients::Credentials,
    metrics,
    service::{Claim, TestService, project},
    site::BUDI,
};

/// A service with the management interface, and a token of an operator in each role.
struct Managed {
    service: TestService,
    tokens: BTreeMap<&'static str, String>,
}

const ROLES: [&str; 3] = ["support", "operator", "auditor"];

impl Managed {
    fn start() -> Self {
        Self::with("")
    }

    fn with(settings: &str) -> Self {
        let mut service = TestService::with(&format!("[http]\nmanagement = false\n{settings}"));
        fs::write(service.folder().join("management-url"), service.store.url()).unwrap();
        service.change_settings("[store]\n", "[store]\nmanagement_url_file = \"management-url\"\n");
        service.change_settings("management = false", "management = true");
        service.kill();
        service.restart();
        let tokens = ROLES.map(|role| (role, add(&service, &format!("{role}-1"), role)));
        Self { service, tokens: BTreeMap::from(tokens) }
    }

    fn send(&self, token: &str, method: &str, path: &str, body: &Value) -> Response {
        let url = format!("http://{}/admin/v1{path}", self.service.admin);
        let request = self.service.client.request(method.parse().unwrap(), url).bearer_auth(token);
        let request = if method == "GET" { request } else { request.body(body.to_string()) };
        request.send().unwrap()
    }

    /// The status and the body of an answer to an operator in this role.
    fn ask(&self, role: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.send(&self.tokens[role], method, path, body);
        let status = answer.status().as_u16();
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(answer.headers().contains_key("request-id"));
        (status, serde_json::from_str(&answer.text().unwrap()).unwrap_or_default())
    }

    fn ask_raw(&self, role: &str, path: &str) -> u16 {
        self.send(&self.tokens[role], "GET", path, &Value::Null).status().as_u16()
    }

    fn get(&self, role: &str, path: &str) -> Value {
        let (status, body) = self.ask(role, "GET", path, &Value::Null);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    fn post(&self, role: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(role, "POST", path, body);
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    fn status_of(&self, token: &str) -> u16 {
        self.send(token, "GET", "/session", &Value::Null).status().as_u16()
    }

    /// The acts of operators' accounts by the audit trail, with the account.
    fn acts(&self) -> Vec<String> {
        let query = "SELECT reason || ' ' || (fields::json -> 'request' ->> 'account') FROM store.audit_event
                      WHERE kind = 'admin' AND fields::json -> 'request' IS NOT NULL ORDER BY at, sequence";
        self.service.runtime.block_on(self.service.store.texts(query))
    }

    fn execute(&self, statement: &str) {
        self.service.runtime.block_on(self.service.store.execute(statement));
    }

    fn run(&self, words: &[&str]) {
        let done = self.service.command(words);
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

/// Adds an operator by the command, and returns its token.
fn add(service: &TestService, name: &str, role: &str) -> String {
    let added = service.command(&["operator", "add", name, "--role", role, "--json"]);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    added["token"].as_str().unwrap().to_owned()
}

/// The operations of the OpenAPI document: method, path, operation.
fn operations(managed: &Managed) -> Vec<(String, String, Value)> {
    let url = format!("http://{}/admin/v1/openapi.json", managed.service.admin);
    let document: Value = managed.service.client.get(url).send().unwrap().json().unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let path = path.strip_prefix("/admin/v1").unwrap().to_owned();
        let item = item.as_object().unwrap().clone();
        item.into_iter().map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
    });
    operations.collect()
}

#[test]
fn each_route_is_answered_to_its_roles_only() {
    let managed = Managed::with("[clients]\nfailed_credentials = { burst = 0, seconds_apart = 1 }\n");
    let operations = operations(&managed);
    assert!(operations.len() >= 20, "{}", operations.len());
    for (method, path, operation) in &operations {
        let path = path.replace("{name}", "nobody").replace("{id}", "none");
        for role in ROLES {
            let is_permitted = operation["x-roles"].as_array().unwrap().contains(&json!(role));
            let (status, body) = managed.ask(role, method, &path, &json!({}));
            assert_ne!(status, 401, "{method} {path} as {role}");
            assert_eq!(status != 403, is_permitted, "{method} {path} as {role}: {status} {body}");
            assert!(status < 500, "{method} {path} as {role}: {status} {body}");
        }
        for wrong in ["", "none", &managed.tokens["operator"][1..]] {
            assert_eq!(managed.send(wrong, method, &path, &json!({})).status(), 401, "{method} {path}");
        }
    }
    // What a role may do is what the session tells it.
    for role in ROLES {
        let session = managed.get(role, "/session");
        assert_eq!((&session["name"], &session["role"]), (&json!(format!("{role}-1")), &json!(role)));
        let told = session["operations"].as_array().unwrap().len();
        let of_role = |(_, _, operation): &&(_, _, Value)| {
            operation["x-roles"].as_array().unwrap().contains(&json!(role))
        };
        assert_eq!(told, operations.iter().filter(of_role).count());
    }
}

#[test]
fn the_table_of_routes_in_the_documentation_is_that_of_the_program() {
    let managed = Managed::start();
    let mark = |operation: &Value, role: &str| {
        if operation["x-roles"].as_array().unwrap().contains(&json!(role)) { "yes" } else { "-" }
    };
    let lines = operations(&managed).into_iter().map(|(method, path, operation)| {
        let row = operation["x-audit-row"].as_str().map_or("none".to_owned(), |row| format!("`{row}`"));
        let row = row.replace(" or ", "` or `");
        let [support, operator, auditor] = ROLES.map(|role| mark(&operation, role));
        format!("| `{method} {path}` | {support} | {operator} | {auditor} | {row} |")
    });
    let text = fs::read_to_string(project().join("docs/management.md")).unwrap();
    let table = text
        .split("| route | support | operator | auditor | row in the audit trail |\n|---|---|---|---|---|\n");
    let table: Vec<_> = table.last().unwrap().lines().take_while(|line| line.starts_with('|')).collect();
    let mut expected: Vec<_> = lines.collect();
    let mut documented: Vec<_> = table.into_iter().map(str::to_owned).collect();
    expected.sort();
    documented.sort();
    assert_eq!(documented, expected);
}

#[test]
fn a_client_is_added_used_changed_and_removed() {
    let managed = Managed::with("[clients]\nrefresh_seconds = 1\n");
    let added =
        managed.post("operator", "/clients", &json!({ "name": "telco", "rules": { "daily_quota": 7 } }));
    let secret = |key: &str| added[key].as_str().unwrap().to_owned();
    let credentials: Credentials = ["username", "password", "api_key"].map(secret);
    crate::clients::wait_for(&managed.service, &credentials, "VERIFIED");
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
    managed.run(&["audit", "verify"]);
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
fn a_token_counts_only_while_its_account_does() {
    let managed = Managed::start();
    let token = add(&managed.service, "rina", "auditor");
    assert_eq!(managed.status_of(&token), 200);
    managed.run(&["operator", "set", "rina", "--disable"]);
    assert_eq!(managed.status_of(&token), 401);
    managed.run(&["operator", "set", "rina", "--enable", "--role", "support"]);
    let answer = managed.send(&token, "GET", "/clients", &Value::Null);
    assert_eq!(answer.status(), 403, "the role is that of now");
    managed.run(&["operator", "set", "rina", "--valid-for", "2s"]);
    assert_eq!(managed.status_of(&token), 200);
    thread::sleep(Duration::from_millis(2100));
    assert_eq!(managed.status_of(&token), 401);
    managed.run(&["operator", "set", "rina", "--no-expiry"]);
    assert_eq!(managed.status_of(&token), 200);
    managed.run(&["operator", "rotate", "rina", "--yes"]);
    assert_eq!(managed.status_of(&token), 401);

    // Whoever can write to the database gives nobody a role, and revives nobody.
    let support = managed.tokens["support"].clone();
    managed.execute("CREATE TABLE public.kept AS SELECT * FROM store.operator");
    managed.execute("UPDATE store.operator SET role = 'operator' WHERE name = 'support-1'");
    assert_eq!(managed.status_of(&support), 401);
    managed.service.wait_for_log("operator support-1 in store.operator was changed by others than Padan");
    let restore = "DELETE FROM store.operator; INSERT INTO store.operator SELECT * FROM public.kept";
    managed.execute(restore);
    assert_eq!(managed.status_of(&support), 200);
    managed.run(&["operator", "set", "support-1", "--valid-for", "1d"]);
    assert_eq!(managed.status_of(&support), 200);
    managed.execute(restore);
    assert_eq!(managed.status_of(&support), 401);
    managed.service.wait_for_log("an older row of operator support-1 was restored");
    managed.execute(
        "INSERT INTO store.operator (name, role, token_sha256) VALUES ('x', 'operator', sha256('known'))",
    );
    assert_eq!(managed.status_of("known"), 401);
    managed.run(&["operator", "remove", "operator-1", "--yes"]);
    assert_eq!(managed.status_of(&managed.tokens["operator"]), 401);
}

#[test]
fn wrong_tokens_are_limited_and_lock_nobody_out() {
    let clients = "[clients]\nfailed_credentials = { burst = 3, seconds_apart = 60 }\n";
    let managed = Managed::with(clients);
    let statuses: Vec<_> = (0..6).map(|number| managed.status_of(&format!("wrong-{number}"))).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429]);
    let refused = managed.send("wrong", "GET", "/session", &Value::Null);
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    // From the same address, tokens that this process has not seen before are admitted.
    for role in ROLES {
        assert_eq!(managed.status_of(&managed.tokens[role]), 200, "{role}");
    }
    assert_eq!(managed.status_of("wrong"), 429);
}

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
    let other = add(&managed.service, "operator-2", "operator");
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
    managed.run(&["audit", "verify"]);
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

#[test]
fn models_enrolments_usage_and_health_are_shown() {
    let managed = Managed::start();
    managed.service.verify(&Claim::matching());
    let models = managed.get("auditor", "/models");
    assert_eq!(models["active"], Value::Null);
    let in_use = models["in_use"]["model_set"].as_str().unwrap();
    let refused = json!({ "model_set": in_use });
    let (status, _) = managed.ask("operator", "POST", "/models/activation", &refused);
    assert_eq!(status, 409, "nobody is enrolled");
    let (status, _) = managed.ask("operator", "POST", "/models/activation", &json!({ "model_set": "none" }));
    assert_eq!(status, 409);
    managed.post("operator", "/models/activation", &json!({ "model_set": in_use, "force": true }));
    assert_eq!(managed.get("operator", "/models")["active"]["model_set"], in_use);
    assert_eq!(managed.acts(), ["MODEL_ACTIVATED operator-1"]);
    assert_eq!(managed.get("operator", "/enrolments")["enrolments"], json!([]));
    let usage = managed.get("auditor", "/usage");
    assert_eq!((&usage["rows"][0]["outcome"], &usage["rows"][0]["calls"]), (&json!("VERIFIED"), &json!(1)));
    let health = managed.get("support", "/health");
    assert_eq!((&health["ready"], &health["replicas"][0]["in_turn"]), (&json!(true), &json!(true)));
    let series = "padan_management_requests_total{operation=\"showHealth\",status=\"200\"}";
    metrics::wait_for(&managed.service, series, |count| count >= 1.0);
}

/// No token, NIK or request id that an operator sends is in the log, and none of them in the metrics.
#[test]
fn nothing_that_an_operator_sends_is_logged() {
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

#[test]
fn the_interface_is_off_unless_it_is_set() {
    let service = TestService::start();
    assert_eq!(service.get_from_operators("/admin/v1/session").0, 404);
    assert_eq!(service.get_from_operators("/admin/v1/openapi.json").0, 404);
    let settings = format!("[http]\nmanagement = true\n{}", service.settings());
    let refused = service.command_with_settings(&["serve"], &settings);
    assert!(!refused.status.success());
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains("store.management_url_file"), "{text}");
}
