//! The management interface: who may call what, what it records, and what an attacker gets from it.

mod by_hand;
mod calibrations;
mod clients;
mod cohorts;
mod jobs;
mod operators;
mod provider;
mod requests;
mod sessions;
mod tokens;
mod trail;

use std::{collections::BTreeMap, fs};

use reqwest::blocking::Response;
use serde_json::{Value, json};

use crate::{
    metrics,
    service::{Claim, TestService, project},
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
        // A stream of events goes on.
        if answer.headers().get("content-type").is_some_and(|of| of == "text/event-stream") {
            return (status, Value::Null);
        }
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
    let managed = Managed::with(
        "manage_operators = true\n[clients]\nfailed_credentials = { burst = 0, seconds_apart = 1 }\n",
    );
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
        // Routes for those who are no operators yet.
        if operation["security"] == json!([]) {
            continue;
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
        let row = row.replace(" or ", "` or `").replace(" and ", "` and `");
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
fn what_an_activation_would_change_is_shown_before_it() {
    let managed = Managed::start();
    let preview =
        || managed.post("auditor", "/models/activation/preview", &json!({ "model_set": "mobilefacenet" }));
    let before = preview();
    assert_eq!(
        (&before["active_model_set"], &before["model_set"]),
        (&json!("sface"), &json!("mobilefacenet"))
    );
    assert_eq!((&before["requests"], &before["enrolled"]), (&json!(0), &json!(false)));
    assert_eq!((&before["percentages"], &before["cpu_seconds_per_selfie"]), (&json!([]), &Value::Null));
    let text = |field: &str| before[field].as_str().unwrap().to_owned();
    let [active, of_active, other, of_other] =
        ["active_contract", "active_calibration", "contract", "calibration"].map(text);
    let count = |days: u32, of_other: &str, outcome: &str, claims: bool, cell: [u8; 2], requests: u32| {
        let [percentage, shadow] = cell;
        managed.execute(&format!(
            "INSERT INTO store.shadow_count (day, contract_id, calibration_id, shadow_contract_id, shadow_calibration_id,
                                             outcome, claims_match, percentage, shadow_percentage, requests, cpu_microseconds)
             VALUES ((now() AT TIME ZONE 'Asia/Jakarta')::date - {days}, '{active}', '{of_active}', '{other}', '{of_other}',
                     '{outcome}', {claims}, {percentage}, {shadow}, {requests}, {requests} * 20000)"
        ));
    };
    count(0, &of_other, "compared", true, [75, 70], 3);
    count(29, &of_other, "compared", true, [70, 75], 5);
    count(0, &of_other, "compared", false, [70, 75], 7);
    count(0, &of_other, "compared", true, [95, 90], 11);
    count(0, &of_other, "busy", true, [95, 0], 13);
    // Counts of another month, or under another calibration, say nothing about this exchange.
    count(30, &of_other, "compared", true, [95, 0], 1000);
    count(0, "0000000000000000", "compared", true, [95, 0], 1000);
    let shown = preview();
    let figures = ["requests", "compared", "decisions", "would_pass", "would_fail"].map(|name| &shown[name]);
    assert_eq!(figures, [39, 26, 19, 5, 3].map(|count| json!(count)).each_ref());
    assert_eq!(
        shown["percentages"],
        json!([
            { "percentage": 70, "shadow_percentage": 75, "requests": 12, "decisions": 5 },
            { "percentage": 75, "shadow_percentage": 70, "requests": 3, "decisions": 3 },
            { "percentage": 95, "shadow_percentage": 90, "requests": 11, "decisions": 11 },
        ])
    );
    let outcomes = json!([{ "outcome": "compared", "requests": 26 }, { "outcome": "busy", "requests": 13 }]);
    assert_eq!(shown["outcomes"], outcomes);
    // 39 requests took 20 ms each, and 26 were embedded.
    assert_eq!(shown["cpu_seconds_per_selfie"], json!(0.03));
    let unknown = json!({ "model_set": "none" });
    assert_eq!(managed.ask("operator", "POST", "/models/activation/preview", &unknown).0, 409);
    assert_eq!(managed.acts(), Vec::<String>::new(), "looking changes nothing");
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
    assert_eq!(health["live"], Value::Null, "nobody else's template was there to compare with");
    assert_eq!((&health["ready"], &health["replicas"][0]["in_turn"]), (&json!(true), &json!(true)));
    let series = "padan_management_requests_total{operation=\"showHealth\",status=\"200\"}";
    metrics::wait_for(&managed.service, series, |count| count >= 1.0);
}

#[test]
fn health_has_what_was_measured_on_the_people_who_are_verified() {
    let managed = Managed::start();
    let in_use = managed.get("auditor", "/models")["in_use"]["contract"].as_str().unwrap().to_owned();
    // 32,000 comparisons of strangers, all of them at a cosine of 0: none reaches the pass mark.
    managed.execute(&format!(
        "INSERT INTO store.live_similarity (day, contract_id, score, compared, part, counts)
         SELECT current_date, '{in_use}', 'cosine', compared, part,
                array_fill(0::bigint, ARRAY[100]) || 1000::bigint || array_fill(0::bigint, ARRAY[199])
           FROM unnest(ARRAY['impostor_by_probe', 'impostor_by_reference']) AS compared, generate_series(0, 31) AS part"
    ));
    let live = &managed.get("support", "/health")["live"];
    assert_eq!(live["comparisons"], 32_000, "{live}");
    let points = live["points"].as_array().unwrap();
    let mark = points.iter().find(|point| point["percentage"] == 75.0).unwrap();
    assert_eq!((&mark["false_match_rate"], &mark["low"]), (&json!(0.0), &json!(0.0)));
    // The rule of three: with no match in n comparisons, at most about 3.7 / n at 97.5 %.
    let high = mark["high"].as_f64().unwrap();
    assert!((3.0 / 32_000.0..8.0 / 32_000.0).contains(&high), "{high}");
    let highs: Vec<_> = points.iter().map(|point| point["high"].as_f64().unwrap()).collect();
    assert!(highs.is_sorted_by(|one, other| one >= other), "{highs:?}");
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
