//! The management interface: who may call what, what it records, and what an attacker gets from it.

mod calibrations;
mod cohorts;
mod jobs;
mod operators;
mod provider;
mod sessions;
mod tokens;

use std::{
    fs,
    ops::{Deref, DerefMut},
};

use padan_test_service::{Claim, ManagedService};
use serde_json::{Value, json};

use crate::service::TestProgram;

/// The program with the management interface, and a token of an operator in each role.
struct Managed(ManagedService<TestProgram>);

impl Managed {
    fn start() -> Self {
        Self::with("")
    }

    fn with(settings: &str) -> Self {
        let mut service = TestProgram::with(&format!("[http]\nmanagement = false\n{settings}"));
        fs::write(service.folder().join("management-url"), service.store.url()).unwrap();
        service.change_settings("[store]\n", "[store]\nmanagement_url_file = \"management-url\"\n");
        service.change_settings("management = false", "management = true");
        service.kill();
        service.restart();
        Self(ManagedService::new(service, add))
    }

    fn run(&self, words: &[&str]) {
        let done = self.service.command(words);
        assert!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Deref for Managed {
    type Target = ManagedService<TestProgram>;

    fn deref(&self) -> &ManagedService<TestProgram> {
        &self.0
    }
}

impl DerefMut for Managed {
    fn deref_mut(&mut self) -> &mut ManagedService<TestProgram> {
        &mut self.0
    }
}

/// Adds an operator by the command, and returns its token.
fn add(service: &TestProgram, name: &str, role: &str) -> String {
    let added = service.command(&["operator", "add", name, "--role", role, "--json"]);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    added["token"].as_str().unwrap().to_owned()
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
    let service = TestProgram::start();
    assert_eq!(service.get_from_operators("/admin/v1/session").0, 404);
    assert_eq!(service.get_from_operators("/admin/v1/openapi.json").0, 404);
    let settings = format!("[http]\nmanagement = true\n{}", service.settings());
    let refused = service.command_with_settings(&["serve"], &settings);
    assert!(!refused.status.success());
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.contains("store.management_url_file"), "{text}");
}

#[test]
fn no_role_sees_faces_unless_the_setting_names_it() {
    let managed = Managed::start();
    for role in ["operator", "support"] {
        assert_eq!(managed.get(role, "/session")["show_faces"], false);
        let asked = managed.send_form(role, "/verifications?faces=true", Claim::matching().form());
        assert_eq!((asked.0, &asked.1["code"]), (403, &json!("FORBIDDEN")), "{role}");
    }
    assert_eq!(managed.acts(), Vec::<String>::new());
    for wrong in ["auditor", "everybody", ""] {
        let set = format!("[http]\nshow_faces_to = [\"{wrong}\"]\n");
        let settings = managed.service.settings().replace("[http]\n", &set);
        let refused = managed.service.command_with_settings(&["config", "check"], &settings);
        assert_eq!(refused.status.success(), wrong.is_empty(), "{wrong}");
    }
}
