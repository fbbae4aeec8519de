//! The management interface: who may call what, and what it shows and records.

mod by_hand;
mod clients;
mod jobs;
mod requests;
mod trail;

use std::{fs, ops::Deref};

use padan_test_service::{Claim, ManagedService, Preparation, ROLES, TestService, project};
use serde_json::{Value, json};

/// A service with the management interface, and a token of an operator in each role.
struct Managed(ManagedService<TestService>);

impl Managed {
    fn start() -> Self {
        Self::with("")
    }

    /// Starts it with these settings, of which the first ones are those of the section `[http]`.
    fn with(settings: &str) -> Self {
        Self::start_prepared(TestService::prepare(&format!("[http]\n{settings}")))
    }

    /// Starts it with these settings and a registry that the test may change.
    fn with_own_registry(settings: &str) -> Self {
        Self::start_prepared(TestService::prepare(&format!("[http]\n{settings}")).own_registry())
    }

    fn start_prepared(preparation: Preparation<'_>) -> Self {
        Self(ManagedService::new(preparation.managed().start(), TestService::add_operator))
    }
}

impl Deref for Managed {
    type Target = ManagedService<TestService>;

    fn deref(&self) -> &ManagedService<TestService> {
        &self.0
    }
}

#[test]
fn each_route_is_answered_to_its_roles_only() {
    let managed = Managed::with(
        "manage_operators = true\n[clients]\nfailed_credentials = { burst = 0, seconds_apart = 1 }\n",
    );
    let operations = managed.operations();
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
    let lines = managed.operations().into_iter().map(|(method, path, operation)| {
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
    managed.service.wait_for_metric(series, |count| count >= 1.0);
}
