//! Clients in the store: their rules, rates and quotas, and the limits for wrong credentials.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
    time::Duration,
};

use padan_test_service::{Answer, BUDI, Credentials, text_fields};
use serde_json::Value;

use crate::service::TestProgram;

fn secrets(service: &TestProgram, words: &[&str]) -> Value {
    let output = service.command(&[&["client"], words, &["--json"]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(crate) fn add(service: &TestProgram, name: &str, rules: &[&str]) -> Credentials {
    let secrets = secrets(service, &[&["add", name], rules].concat());
    ["username", "password", "api_key"].map(|key| secrets[key].as_str().unwrap().to_owned())
}

pub(crate) fn change(service: &TestProgram, words: &[&str]) {
    let output = service.command(&[&["client"], words].concat());
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_doctor_reports_missing_clients_and_excess_privileges() {
    let service = TestProgram::with("[clients]\nrefresh_seconds = 1\n");
    let doctor = service.command(&["doctor"]);
    let report = String::from_utf8(doctor.stdout).unwrap();
    assert_eq!(doctor.status.code(), Some(1), "{report}");
    assert!(report.contains("there are no clients") && report.contains("is a superuser"), "{report}");
    add(&service, "telco", &[]);
    let doctor = service.command(&["doctor"]);
    let report = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.status.success() && report.contains("is a superuser"), "{report}");
    assert!(report.contains("warn  registry") && report.contains("is a primary"), "{report}");
    assert!(!report.contains("the clock of"), "{report}");
}

#[test]
fn a_client_is_added_changed_and_removed() {
    let service = TestProgram::with("[clients]\nrefresh_seconds = 1\n");
    let first = add(&service, "telco", &[]);
    assert_eq!(service.verify_name(&first).reason_code, "VERIFIED", "a new client can call at once");
    let [user, password, key] = &first;
    for wrong in
        [[user, key, password], [user, password, &"0".repeat(64)], [&"nobody".to_owned(), password, key]]
    {
        assert_eq!(service.verify_name(&wrong.map(ToOwned::to_owned)).reason_code, "UNAUTHORIZED");
    }
    change(&service, &["disable", "telco", "--yes"]);
    service.wait_for(&first, "FORBIDDEN");
    change(&service, &["enable", "telco"]);
    service.wait_for(&first, "VERIFIED");
    change(&service, &["set", "telco", "--endpoint", "face-verification"]);
    service.wait_for(&first, "FORBIDDEN");
    change(&service, &["set", "telco", "--endpoint", "all", "--network", "192.0.2.0/24"]);
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(service.verify_name(&first).reason_code, "FORBIDDEN");
    change(&service, &["set", "telco", "--network", "127.0.0.0/8"]);
    service.wait_for(&first, "VERIFIED");

    let rotated = secrets(&service, &["rotate", "telco", "--yes", "--keep-old", "4s"]);
    let second = [
        user.clone(),
        rotated["password"].as_str().unwrap().into(),
        rotated["api_key"].as_str().unwrap().into(),
    ];
    assert_eq!(service.verify_name(&second).reason_code, "VERIFIED");
    assert_eq!(service.verify_name(&first).reason_code, "VERIFIED", "the old secrets stay valid for a while");
    thread::sleep(Duration::from_secs(5));
    assert_eq!(service.verify_name(&first).reason_code, "UNAUTHORIZED");
    assert_eq!(service.verify_name(&second).reason_code, "VERIFIED");

    // After a theft nothing must stay valid, and nobody must have to think of an option.
    let rotated = secrets(&service, &["rotate", "telco", "--yes"]);
    service.wait_for(&second, "UNAUTHORIZED");
    let second = [
        user.clone(),
        rotated["password"].as_str().unwrap().into(),
        rotated["api_key"].as_str().unwrap().into(),
    ];
    assert_eq!(service.verify_name(&second).reason_code, "VERIFIED");

    let shown = String::from_utf8(service.command(&["client", "show", "telco"]).stdout).unwrap();
    assert!(shown.contains("telco") && shown.contains("127.0.0.0/8"), "{shown}");
    change(&service, &["remove", "telco", "--yes"]);
    service.wait_for(&second, "UNAUTHORIZED");
    assert!(!service.command(&["client", "show", "telco"]).status.success());
    assert!(!service.command(&["client", "add", "telco", "--username", "default-username"]).status.success());

    let dump = service.store.dump();
    let everything = service.logged() + &dump + &shown;
    for secret in first.iter().skip(1).chain(&second[1..]) {
        assert!(!everything.contains(secret.as_str()), "a secret is in log, store or list");
    }
}

#[test]
fn a_new_client_has_a_rate_that_is_lifted_by_a_word_of_its_own() {
    let service = TestProgram::start();
    let told = |name: &str, rules: &[&str]| {
        let output = service.command(&[&["client", "add", name], rules].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let rate = |name: &str| {
        let shown = service.command(&["client", "show", name, "--json"]).stdout;
        let shown: Value = serde_json::from_slice(&shown).unwrap();
        (shown["requests_per_second"].as_f64(), shown["burst"].as_u64())
    };
    assert!(told("telco", &[]).contains("20 requests a second to each process, and 40 at once"));
    assert_eq!(rate("telco"), (Some(20.0), Some(40)));
    assert!(told("shop", &["--rate", "3"]).contains("3 requests a second to each process, and 3 at once"));
    assert!(told("bank", &["--no-rate"]).contains("without a limit"));
    assert_eq!(rate("bank"), (None, None));
    change(&service, &["set", "telco", "--daily-quota", "9"]);
    assert_eq!(rate("telco"), (Some(20.0), Some(40)), "what `set` does not name of the rate stays");
    change(&service, &["set", "bank", "--daily-quota", "9"]);
    assert_eq!(rate("bank"), (None, None));
    change(&service, &["set", "telco", "--rate", "5"]);
    assert_eq!(rate("telco"), (Some(5.0), Some(5)));
    change(&service, &["set", "telco", "--no-rate"]);
    assert_eq!(rate("telco"), (None, None));
    assert!(!service.command(&["client", "set", "telco", "--no-rate", "--rate", "1"]).status.success());
    assert!(!service.command(&["client", "set", "nobody", "--no-rate"]).status.success());
}

#[test]
fn a_change_of_one_limit_keeps_the_others_and_is_printed() {
    let service = TestProgram::start();
    let limits = "--network 127.0.0.0/8 --certificate bank.example --endpoint verification --fields name \
                  --daily-quota 900 --monthly-quota 9000";
    add(&service, "telco", &limits.split_whitespace().collect::<Vec<_>>());
    let shown = |name: &str| -> Value {
        serde_json::from_slice(&service.command(&["client", "show", name, "--json"]).stdout).unwrap()
    };
    let before = shown("telco");
    let set = service.command(&["client", "set", "telco", "--rate", "5"]);
    assert!(set.status.success(), "{set:?}");
    let mut expected = before;
    (expected["requests_per_second"], expected["burst"]) = (5.0.into(), 5.into());
    let mut after = shown("telco");
    expected["changed_at"] = after["changed_at"].take();
    after["changed_at"] = expected["changed_at"].clone();
    assert_eq!(after, expected);
    let printed = String::from_utf8(set.stdout).unwrap();
    assert!(printed.contains("requests_per_second  20.0 -> 5.0\n"), "{printed}");
    assert!(printed.contains("daily_quota          900\n"), "{printed}");

    let listed = String::from_utf8(service.command(&["client", "list"]).stdout).unwrap();
    assert!(listed.contains("with certificate bank.example, to verification"), "{listed}");

    let nothing = service.command(&["client", "set", "telco"]);
    assert!(!nothing.status.success() && shown("telco") == after, "a command without limits changes nothing");
    let lift =
        "--network any --no-certificate --endpoint all --fields default --no-daily-quota --no-monthly-quota";
    let lift: Vec<_> = ["set", "telco"].into_iter().chain(lift.split_whitespace()).collect();
    change(&service, &lift);
    let after = shown("telco");
    let empty = serde_json::json!([]);
    assert_eq!((&after["networks"], &after["certificates"]), (&empty, &empty));
    assert_eq!((&after["endpoints"], &after["daily_quota"]), (&Value::Null, &Value::Null));
    assert_eq!((&after["monthly_quota"], &after["requests_per_second"]), (&Value::Null, &5.0.into()));
}

#[test]
fn a_quota_is_shared_by_two_processes() {
    const QUOTA: u32 = 300;
    let service = TestProgram::start();
    let other = service.start_second_process();
    let limits = ["--no-rate", "--daily-quota", "300", "--monthly-quota", "100000"];
    let client = add(&service, "telco", &limits);
    let first = service.verify_name(&client);
    assert_eq!(first.number_in("ratelimit-limit"), 300);
    assert_eq!(first.number_in("ratelimit-remaining"), 299);
    let reset = first.number_in("ratelimit-reset");
    assert!((1..=86_401).contains(&reset), "{reset}");
    let admitted = AtomicU32::new(1);
    thread::scope(|scope| {
        for address in [service.address, other.address, service.address, other.address] {
            let (service, client, admitted) = (&service, &client, &admitted);
            scope.spawn(move || {
                for _ in 0..150 {
                    if service.verify_name_at(address, client).status == 200 {
                        admitted.fetch_add(1, Relaxed);
                    }
                }
            });
        }
    });
    // Each process takes a hundredth of the quota at a time, and smaller parts near its end, so that none is left over.
    let admitted = admitted.into_inner();
    assert!((QUOTA - 2 * 3..=QUOTA).contains(&admitted), "{admitted} of {QUOTA}");
    let refused = service.verify_name_at(other.address, &client);
    refused.assert_refused(429, "QUOTA_EXCEEDED", "Quota exceeded");
    assert_eq!(refused.number_in("ratelimit-remaining"), 0);
    assert!(refused.number_in("retry-after").abs_diff(reset) < 120);
    let shown: Value =
        serde_json::from_slice(&service.command(&["client", "show", "telco", "--json"]).stdout).unwrap();
    assert_eq!(shown["used_this_day"], 300);
}

#[test]
fn the_unused_part_of_a_quota_is_returned_at_shutdown() {
    let mut service = TestProgram::start();
    let client = add(&service, "telco", &["--daily-quota", "10000"]);
    assert_eq!(service.verify_name(&client).number_in("ratelimit-remaining"), 9999);
    service.signal(rustix::process::Signal::TERM);
    assert!(service.process().wait().unwrap().success());
    let shown: Value =
        serde_json::from_slice(&service.command(&["client", "show", "telco", "--json"]).stdout).unwrap();
    assert_eq!(shown["used_this_day"], 1);
}

#[test]
fn a_field_that_was_not_granted_is_answered_null_right_or_wrong() {
    let service = TestProgram::with("[clients]\nrefresh_seconds = 1\n");
    let telco = add(&service, "telco", &[]);
    let ask = |mother: &str, card: &str| {
        let fields = [("nik", BUDI), ("no_kk", card), ("mother_maiden_name", mother), ("rt", "3")];
        let request =
            service.request("POST", "/identity/v1/verification", telco.each_ref().map(String::as_str));
        Answer::from(request.multipart(text_fields(&fields)).send().unwrap())
    };
    let withheld = r#"{"verification_status":true,"reason":"Verification Success","result":{"nik":true,"no_kk":null,"mother_maiden_name":null,"rt":true}}"#;
    ask("Siti Ma'rufah", "3174012002050001").assert(200, "VERIFIED", withheld);
    ask("Aminah", "3174012002050009").assert(200, "VERIFIED", withheld);
    ask("Aminah", "3174").assert_refused(400, "INVALID_FIELD", "Invalid no_kk format");
    let words = ["audit", "export", "--format", "jsonl", "--client", "telco", "--kind", "request"];
    let exported = service.command(&words).stdout;
    let exported = String::from_utf8(exported).unwrap();
    let row: Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    assert_eq!((&row["fields"]["mother_maiden_name"], &row["fields"]["rt"]), (&Value::Null, &true.into()));

    change(&service, &["set", "telco", "--fields", "mother_maiden_name"]);
    thread::sleep(Duration::from_secs(2));
    ask("Aminah", "3174012002050009").assert(
        200,
        "FIELD_MISMATCH",
        r#"{"verification_status":false,"reason":"mother_maiden_name does not match","result":{"nik":true,"no_kk":null,"mother_maiden_name":false,"rt":null}}"#,
    );
    let shown: Value =
        serde_json::from_slice(&service.command(&["client", "show", "telco", "--json"]).stdout).unwrap();
    assert_eq!(shown["fields"], serde_json::json!(["mother_maiden_name"]));
    let listed = String::from_utf8(service.command(&["client", "list"]).stdout).unwrap();
    assert!(listed.contains("fields mother_maiden_name"), "{listed}");
    assert!(!service.command(&["client", "set", "telco", "--fields", "shoe_size"]).status.success());
}

#[test]
fn the_flag_is_signed_and_stays() {
    let service = TestProgram::start();
    let dev = add(&service, "dev", &["--sandbox", "--no-rate"]);
    service.wait_for(&dev, "NIK_NOT_FOUND");
    let real = add(&service, "shop-two", &[]);
    service.wait_for(&real, "VERIFIED");
    let listed = String::from_utf8(service.command(&["client", "list"]).stdout).unwrap();
    let line = |name: &str| listed.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("dev").contains(" enabled   sandbox"), "{listed}");
    assert!(!line("shop-two").contains("sandbox"), "{listed}");
    let shown = service.command(&["client", "show", "dev", "--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&shown.stdout).unwrap()["sandbox"], true);
    for words in
        [&["set", "dev", "--daily-quota", "5"][..], &["add", "x", "--sandbox", "--monthly-quota", "5"]]
    {
        let refused = service.command(&[&["client"], words].concat());
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && said.contains("a sandbox client has no quota"), "{said}");
    }
    change(&service, &["set", "dev", "--rate", "50"]);
    service.wait_for(&dev, "NIK_NOT_FOUND");

    // Whoever can write to the table gets no data of a person by it, and a real client no invented answers.
    let flip = "UPDATE store.client SET sandbox = NOT sandbox";
    service.runtime.block_on(service.store.execute(&format!(
        "DO $$ BEGIN
             {flip};
             RAISE 'the sandbox was changed';
         EXCEPTION WHEN raise_exception THEN
             IF SQLERRM NOT LIKE '%stays what it is%' THEN RAISE; END IF;
         END $$"
    )));
    service
        .runtime
        .block_on(service.store.execute(&format!("ALTER TABLE store.client DISABLE TRIGGER USER; {flip}")));
    service.wait_for(&dev, "UNAUTHORIZED");
    service.wait_for(&real, "UNAUTHORIZED");
    let verified = service.command(&["audit", "verify"]);
    let said = String::from_utf8(verified.stdout).unwrap() + &String::from_utf8(verified.stderr).unwrap();
    assert!(!verified.status.success() && said.contains("dev"), "{said}");
}
