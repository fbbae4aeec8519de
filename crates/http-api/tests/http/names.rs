//! Names as clients send them, against names as registers have them.

use std::collections::BTreeMap;

use padan_domain::CitizenStatus;
use padan_registry::SampleRegistry;
use padan_test_service::{Answer, BUDI, CREDENTIALS, Claim, Photos, TestService, person, text_fields};
use serde_json::{Value, json};

/// The claimed name, the name in the registry, and the rules by which they match; none if they differ.
const CASES: &[(&str, &str, &[&str])] = &[
    ("dr. Ni Putu Ayu Lestari, Sp.A(K)", "Ni Putu Ayu Lestari", &["titles"]),
    ("Ni Putu Ayu Lestari, S. Ked., M.Biomed.Sc., MMRS", "NI PUTU AYU LESTARI", &["titles"]),
    ("Ar. Nurhaliza Rahmawati", "Nurhaliza Rahmawati", &["titles"]),
    ("Nurhaliza Rahmawati, S.T., IPM., ASEAN Eng.", "NURHALIZA RAHMAWATI", &["titles"]),
    ("Tn. Budi Santoso", "Budi Santoso", &["titles"]),
    ("Budi Santoso", "BUDI SANTOSO, S.E., M.M.", &["titles"]),
    ("Ma ruf Hidayat", "Ma'ruf Hidayat", &["apostrophes"]),
    ("Ma\\'ruf Hidayat", "Ma'ruf Hidayat", &["escapes"]),
    ("Ma&#39;ruf Hidayat", "Ma'ruf Hidayat", &["escapes"]),
    ("Ma%27ruf Hidayat", "Ma'ruf Hidayat", &["escapes"]),
    ("Maâ€™ruf Hidayat", "Ma'ruf Hidayat", &["escapes"]),
    ("Maruf Hidayat", "Ma'ruf Hidayat", &["exact"]),
    ("M. Rizal Pratama", "Muhammad Rizal Pratama", &["spelling"]),
    ("Md. Rizal Pratama", "Muhammad Rizal Pratama", &["spelling"]),
    ("Mohammed Rizal Pratama", "Muhammad Rizal Pratama", &["spelling"]),
    ("H. Moh. Rizal Pratama, S.Kom.", "Muhammad Rizal Pratama", &["titles", "spelling"]),
    ("Suparman Suparman", "Suparman", &["single_names"]),
    ("Suparman LNU", "Suparman", &["single_names"]),
    ("Budi Santosa", "Budi Santoso", &[]),
    ("Budi", "Budi Santoso", &[]),
    ("Santoso Budi", "Budi Santoso", &[]),
    ("Siti Aminah, Sari", "Siti Aminah", &[]),
    ("Muhammad Haji Lulung", "Muhammad Lulung", &[]),
];

fn ask(service: &TestService, id: &str, fields: &[(&str, &str)]) -> Answer {
    let request = service.request("POST", "/identity/v1/verification", CREDENTIALS);
    request.header("x-request-id", id).multipart(text_fields(fields)).send().unwrap().into()
}

/// The column `name_rules` of the audit trail by request id. The trail must be intact.
fn recorded_rules(service: &TestService) -> BTreeMap<String, Value> {
    assert_eq!(service.faults_of_audit_trail(), Vec::<String>::new());
    let rows = service.recorded_requests().into_iter();
    rows.map(|row| (row["request_id"].as_str().unwrap().to_owned(), row["name_rules"].clone())).collect()
}

#[test]
fn a_name_matches_by_the_rules_that_the_audit_trail_records() {
    let service = TestService::prepare("").own_registry().start();
    let nik = |index: usize| format!("31740114038710{index:02}");
    service.runtime.block_on(async {
        let mut registry = SampleRegistry::connect(&service.registry.url().into()).await.unwrap();
        for (index, (_, registered, _)) in CASES.iter().enumerate() {
            registry.put(&person(&nik(index), registered, CitizenStatus::Active, None)).await.unwrap();
        }
    });
    let mut expected = BTreeMap::new();
    for (index, (claimed, registered, rules)) in CASES.iter().enumerate() {
        let answer = ask(&service, &format!("case-{index}"), &[("nik", &nik(index)), ("name", claimed)]);
        let code = if rules.is_empty() { "NAME_MISMATCH" } else { "VERIFIED" };
        assert_eq!(answer.reason_code, code, "{claimed} / {registered}");
        let recorded = if rules.is_empty() { Value::Null } else { json!({ "name": rules }) };
        expected.insert(format!("case-{index}"), recorded);
    }
    let mother = [("nik", BUDI), ("name", "Budi Santoso"), ("mother_maiden_name", "Hj. Siti Ma rufah")];
    assert_eq!(ask(&service, "mother", &mother).reason_code, "VERIFIED");
    let rules = json!({ "name": ["exact"], "mother_maiden_name": ["titles", "apostrophes"] });
    expected.insert("mother".to_owned(), rules);
    assert_eq!(recorded_rules(&service), expected);
}

#[test]
fn the_rules_of_a_face_verification_are_recorded_even_if_the_face_does_not_match() {
    let service = TestService::start();
    for (id, name, photo, code) in [
        ("match", "Budi Santoso, S.Kom.", "101_s1.jpg", "VERIFIED"),
        ("face", "Drs. Budi Santoso", "118_s1.jpg", "FACE_MISMATCH"),
        ("name", "Agus", "101_s1.jpg", "NAME_MISMATCH"),
    ] {
        let claim = Claim::matching().name(name).photo(Photos::read(photo));
        let request = service.request("POST", "/identity/v1/face-verification", CREDENTIALS);
        let answer: Answer =
            request.header("x-request-id", id).multipart(claim.form()).send().unwrap().into();
        assert_eq!(answer.reason_code, code);
    }
    let recorded = recorded_rules(&service);
    assert_eq!(recorded["match"], json!({ "name": ["titles"] }));
    assert_eq!(recorded["face"], json!({ "name": ["titles"] }));
    assert_eq!(recorded["name"], Value::Null);
}

#[test]
fn a_rule_that_is_switched_off_does_not_apply() {
    let service = TestService::with("[verification.names]\ntitles = false\nsingle_names = false\n");
    let code = |name| ask(&service, "any", &[("nik", BUDI), ("name", name)]).reason_code;
    assert_eq!(code("Budi Santoso"), "VERIFIED");
    assert_eq!(code("Budi Santoso, S.Kom."), "NAME_MISMATCH");
    assert_eq!(code("Budi&nbsp;Santoso"), "VERIFIED");
}
