//! A second model set that is measured beside the one that decides.

use std::{
    collections::BTreeMap,
    fs,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use padan_test_service::{Answer, CREDENTIALS, Claim, Photos, add, project};
use padan_testing::assert_documented;
use serde_json::Value;

use crate::service::TestProgram;

const OTHER: &str = "mobilefacenet";
/// A machine that runs many tests at once may have no capacity to spare.
const MEASURED: &str = "compared|busy";
const LOADED: &str = "padan_shadow_loaded{contract=\"CONTRACT\",model_set=\"mobilefacenet\"}";

fn output(service: &TestProgram, words: &[&str]) -> (bool, String) {
    let output = service.command(words);
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

fn done(service: &TestProgram, words: &[&str]) -> String {
    let (success, text) = output(service, words);
    assert!(success, "{words:?}: {text}");
    text
}

/// A service whose people are enrolled for both sets.
fn enrolled() -> TestProgram {
    let service = TestProgram::start();
    service.runtime.block_on(add(&service.registry, "3174011403870001", Photos::read("118_id.jpg")));
    for set in ["sface", OTHER] {
        done(&service, &["enroll", "--model", set, "--failures", "/dev/null"]);
    }
    service
}

/// Begins to measure the other set, and waits until the service has loaded it.
fn measure(service: &TestProgram, share: &str) {
    done(service, &["models", "shadow", OTHER, "--share", share]);
    wait_until_loaded(service, 1.0);
}

fn wait_until_loaded(service: &TestProgram, loaded: f64) {
    let contract = texts(service, "SELECT contract_id FROM store.shadow_model").remove(0);
    service.wait_for_metric(&LOADED.replace("CONTRACT", &contract), |value| value == loaded);
}

fn wait_until_unloaded(service: &TestProgram) {
    wait_for(service, || !service.get_from_operators("/metrics").1.contains("padan_shadow_loaded{"));
}

fn texts(service: &TestProgram, query: &str) -> Vec<String> {
    service.runtime.block_on(service.store.texts(query))
}

fn wait_for(service: &TestProgram, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_mins(1), "it does not happen:\n{}", service.logged());
        thread::sleep(Duration::from_millis(200));
    }
}

/// How many requests came to an outcome that this pattern matches, in the store.
fn counted(service: &TestProgram, outcome: &str) -> i64 {
    let query = format!(
        "SELECT coalesce(sum(requests), 0)::text FROM store.shadow_count WHERE outcome ~ '^({outcome})$'"
    );
    texts(service, &query)[0].parse().unwrap()
}

fn wait_for_count(service: &TestProgram, outcome: &str, count: i64) {
    wait_for(service, || counted(service, outcome) >= count);
    assert_eq!(counted(service, outcome), count);
}

fn shown(service: &TestProgram) -> Value {
    let shown = service.command(&["models", "shadow", "--json"]);
    serde_json::from_slice(&shown.stdout).unwrap_or_else(|error| panic!("{error}: {shown:?}"))
}

/// What `padan doctor` says about the store.
#[derive(Debug)]
struct DoctorStore {
    message: String,
    warnings: String,
}

fn doctor_store(service: &TestProgram) -> DoctorStore {
    store_check(&service.command(&["doctor", "--json"]))
}

fn store_check(report: &Output) -> DoctorStore {
    let report: Value =
        serde_json::from_slice(&report.stdout).unwrap_or_else(|error| panic!("{error}: {report:?}"));
    assert_documented("doctor", &report);
    let mut checks = report["checks"].as_array().unwrap().iter();
    let store = checks.find(|check| check["check"] == "store").unwrap();
    let message = store["message"].as_str().unwrap().to_owned();
    DoctorStore { message, warnings: store["warnings"].to_string() }
}

/// Where the interval of five percent begins in which a photo lies under a set, by another command.
fn interval_of(service: &TestProgram, set: &str, photos: [&str; 2]) -> i64 {
    let [reference, probe] = photos.map(|photo| project().join("people/images").join(photo));
    let set = format!("inference.model_set={set}");
    let (reference, probe) = (reference.to_str().unwrap(), probe.to_str().unwrap());
    let compared = service.command(&["compare", reference, probe, "--json", "--set", &set]);
    let compared: Value = serde_json::from_slice(&compared.stdout).unwrap();
    let percentage = compared["percentage"].as_f64().unwrap();
    ((percentage / 5.0).floor() as i64 * 5).min(95)
}

/// The nice values of the threads that embed, in order: those of the service, and that of the set that is measured.
fn priorities(service: &TestProgram) -> Vec<i32> {
    let threads = fs::read_dir(format!("/proc/{}/task", service.process_id())).unwrap();
    let of_threads =
        threads.filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("stat")).ok());
    let mut found: Vec<i32> = of_threads
        .filter(|stat| stat.contains("(face-"))
        // `man 5 proc`: the 19th field is the nice value, and the name is the second.
        .map(|stat| stat.rsplit(") ").next().unwrap().split(' ').nth(16).unwrap().parse().unwrap())
        .collect();
    found.sort_unstable();
    found
}

/// What an answer has to be the same in, whatever is measured.
fn essence(answer: &Answer) -> (u16, String, String) {
    (answer.status, answer.reason_code.clone(), answer.body.clone())
}

#[test]
fn a_shadow_set_changes_no_answer_and_its_counts_are_right() {
    let service = enrolled();
    let selfies = ["101_s1.jpg", "101_s2.jpg", "118_s1.jpg"];
    let right = |photo: &str| Claim::matching().photo(Photos::read(photo));
    let wrong = || Claim::matching().name("Somebody Else");
    let ask = || {
        let claims = selfies
            .iter()
            .map(|photo| right(photo))
            .chain([wrong(), right("101_s1.jpg").photo(Photos::without_face())]);
        claims.map(|claim| essence(&service.verify(&claim))).collect::<Vec<_>>()
    };
    let rows = || {
        let query =
            "SELECT concat_ws(' ', reason, percentage, contract_id, calibration_id, fields, name_rules)
                       FROM store.audit_event WHERE kind = 'request' ORDER BY at, sequence";
        texts(&service, query)
    };
    let before = ask();
    let (rows_before, workers) = (rows(), priorities(&service));
    measure(&service, "1");
    // One more thread, at a lower priority.
    assert_eq!(priorities(&service), [&workers[..], &[(workers[0] + 10).min(19)]].concat());
    assert_eq!(ask(), before);
    assert_eq!(rows()[rows_before.len()..], rows_before[..], "the audit trail differs");
    // The photo without a face was compared by nobody.
    wait_for_count(&service, "compared", 4);

    let mut expected = BTreeMap::new();
    for (photo, claims_match) in
        [(selfies[0], true), (selfies[1], true), (selfies[2], true), (selfies[0], false)]
    {
        let cell = ["sface", OTHER].map(|set| interval_of(&service, set, ["101_id.jpg", photo]));
        *expected.entry(format!("{claims_match} {} {}", cell[0], cell[1])).or_insert(0) += 1;
    }
    let stored = texts(
        &service,
        "SELECT claims_match::text || ' ' || percentage || ' ' || shadow_percentage || ' ' || requests
           FROM store.shadow_count ORDER BY 1",
    );
    let mut lines: Vec<_> = expected.iter().map(|(cell, requests)| format!("{cell} {requests}")).collect();
    lines.sort();
    assert_eq!(stored, lines);
    let people =
        texts(&service, "SELECT count(*)::text FROM store.shadow_count WHERE cpu_microseconds < 1000");
    assert_eq!(people, ["0"], "a comparison took no time");

    let shown = shown(&service);
    assert_documented("models shadow", &shown);
    assert_eq!(
        (&shown["requests"], &shown["decisions"], &shown["share"]),
        (&4.into(), &3.into(), &1.0.into())
    );
    assert_eq!((&shown["would_pass"], &shown["would_fail"]), (&0.into(), &0.into()));
    assert!(shown["cpu_seconds_per_selfie"].as_f64().unwrap() > 0.001);
    let text = done(&service, &["models", "shadow"]);
    assert!(text.contains("4 were compared") && text.contains("Of 3 requests in which name"), "{text}");
    let contract = shown["contract"].as_str().unwrap();
    let metrics = service.get_from_operators("/metrics").1;
    for line in [
        format!("padan_shadow_requests_total{{contract=\"{contract}\",outcome=\"compared\"}} 4"),
        format!("padan_shadow_decisions_total{{change=\"same\",contract=\"{contract}\"}} 3"),
        format!("padan_shadow_share{{contract=\"{contract}\",model_set=\"{OTHER}\"}} 1"),
    ] {
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
    let requests: f64 = metrics
        .lines()
        .filter(|line| line.starts_with("padan_shadow_percentages_total"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum();
    assert_eq!(requests, 4.0);

    let admin = format!("http://{}", service.admin);
    let status = service.command(&["status", "--json", "--url", &admin]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_documented("status", &status);
    let expected = serde_json::json!({
        "model_set": OTHER, "contract": contract, "percent": 100.0, "is_loaded": true, "compared": 4, "not_compared": 0,
    });
    assert_eq!(status["shadow"], expected);
    let doctor = doctor_store(&service);
    assert!(doctor.message.contains("mobilefacenet is measured on 100 % of the requests"), "{doctor:?}");
    assert!(!doctor.warnings.contains("measure"), "{doctor:?}");

    let off = done(&service, &["models", "shadow", "--off"]);
    assert!(off.contains("unload it within seconds"), "{off}");
    wait_until_unloaded(&service);
    wait_for(&service, || priorities(&service) == workers);
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    let acts =
        "SELECT reason FROM store.audit_event WHERE kind = 'admin' AND reason LIKE 'SHADOW%' ORDER BY at";
    assert_eq!(texts(&service, acts), ["SHADOW_MODEL_SET", "SHADOW_MODEL_ENDED"]);
    assert!(done(&service, &["audit", "verify"]).contains("intact"));
    assert_eq!(self::shown(&service), serde_json::json!({ "measured": false }));
    let status = service.command(&["status", "--json", "--url", &admin]);
    assert!(serde_json::from_slice::<Value>(&status.stdout).unwrap()["shadow"].is_null(), "{status:?}");
    assert!(!doctor_store(&service).message.contains("measured"));
    assert!(done(&service, &["models", "shadow", "--off"]).contains("No model set was measured"));
}

#[test]
fn counts_of_several_processes_add_up_and_survive_a_kill() {
    let mut service = enrolled();
    measure(&service, "1");
    let second = service.start_second_process();
    let verify_at_second = || {
        let request =
            service.request_at(second.address, "POST", "/identity/v1/face-verification", CREDENTIALS);
        let answer: Answer = request.multipart(Claim::matching().form()).send().unwrap().into();
        assert_eq!(answer.reason_code, "VERIFIED");
    };
    wait_for(&service, || {
        fs::read_to_string(service.folder().join("second-log"))
            .unwrap()
            .contains("measuring the shadow model")
    });
    for _ in 0..3 {
        assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
        verify_at_second();
    }
    wait_for_count(&service, MEASURED, 6);
    // What was saved is there after a kill, once; what waits in memory is lost with the process.
    service.kill();
    service.restart();
    wait_until_loaded(&service, 1.0);
    for _ in 0..2 {
        assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    }
    wait_for_count(&service, MEASURED, 8);
    // A kill while selfies are embedded loses them, and adds none twice.
    for _ in 0..3 {
        assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    }
    service.kill();
    service.restart();
    thread::sleep(Duration::from_secs(11));
    let after = counted(&service, MEASURED);
    assert!((8..=11).contains(&after), "{after}");
}

#[test]
fn what_cannot_be_measured_is_refused_with_a_reason() {
    let service = TestProgram::start();
    let refused = |words: &[&str], expected: &str| {
        let (success, text) = output(&service, &[&["models", "shadow"], words].concat());
        assert!(!success && text.contains(expected), "{words:?}: {text}");
    };
    refused(&[OTHER], "padan enroll --model mobilefacenet");
    refused(&["nosuchset"], "nosuchset");
    refused(&["sface"], "is the set that services use");
    for share in ["0", "1.5", "-0.1", "ten", "NaN"] {
        refused(&[OTHER, &format!("--share={share}")], "above 0 and up to 1");
    }
    refused(&["--share", "0.5"], "SET");
    refused(&[OTHER, "--off"], "cannot be used with");
    assert!(texts(&service, "SELECT model_set FROM store.shadow_model").is_empty());
    assert!(done(&service, &["models", "shadow"]).contains("No model set is measured"));
}

#[test]
fn an_activation_shows_what_was_counted_and_asks() {
    let service = enrolled();
    let activate = |more: &[&str]| service.command(&[&["models", "activate", OTHER], more].concat());
    let shown = |more: &[&str]| {
        let output = activate(more);
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, text) = shown(&["--dry-run"]);
    assert!(code == Some(0) && text.contains("No request was measured with mobilefacenet"), "{text}");
    measure(&service, "1");
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    wait_for_count(&service, "compared", 1);
    // A decision that would change, as another process would have added it.
    service.runtime.block_on(service.store.execute(
        "INSERT INTO store.shadow_count
         SELECT day, contract_id, calibration_id, shadow_contract_id, shadow_calibration_id, outcome, true, 80, 60, 3, 0
           FROM store.shadow_count LIMIT 1",
    ));
    let (code, text) = shown(&[]);
    assert_eq!(code, Some(5), "{text}");
    assert!(
        text.contains("3 (75.00 %") && text.contains("80 to 85 %") && text.contains("60 to 65 %"),
        "{text}"
    );
    assert!(texts(&service, "SELECT model_set FROM store.active_model").is_empty());
    let (code, text) = shown(&["--yes"]);
    assert!(code == Some(0) && text.contains("3 (75.00 %") && text.contains("is active"), "{text}");
    // It decides now, and is measured no more.
    assert!(texts(&service, "SELECT model_set FROM store.shadow_model").is_empty());
    wait_until_unloaded(&service);
    wait_for(&service, || {
        service.get_from_operators("/metrics").1.contains(&format!("model_set=\"{OTHER}\""))
    });
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    let ended = "SELECT fields::json->'after'->>'shadow_ended' FROM store.audit_event WHERE reason = 'MODEL_ACTIVATED'";
    assert_eq!(texts(&service, ended), ["true"]);
    assert!(done(&service, &["audit", "verify"]).contains("intact"));
}

#[test]
fn missing_templates_and_a_set_that_others_wrote_are_counted_and_disturb_nobody() {
    let service = enrolled();
    measure(&service, "1");
    service.runtime.block_on(service.store.execute(
        "DELETE FROM store.face_template USING store.shadow_model WHERE face_template.contract_id = shadow_model.contract_id",
    ));
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    wait_for_count(&service, "no_template", 1);
    let contracts = "SELECT count(DISTINCT contract_id)::text FROM store.face_template";
    assert_eq!(texts(&service, contracts), ["1"], "the shadow set has made a template");
    service.runtime.block_on(service.store.execute("UPDATE store.shadow_model SET share_millionths = 5"));
    service.wait_for_log("no shadow model is measured");
    wait_until_unloaded(&service);
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    let (success, text) = output(&service, &["models", "shadow"]);
    assert!(!success && text.contains("store.shadow_model.mac"), "{text}");
    let doctor = doctor_store(&service);
    assert!(doctor.warnings.contains("no shadow model is measured: set it again"), "{doctor:?}");
    let (success, text) = output(&service, &["audit", "verify"]);
    assert!(!success && text.contains("the row in store.shadow_model is not one that Padan wrote"), "{text}");
    // Setting it again signs it again.
    measure(&service, "0.5");
}

#[test]
fn a_service_that_cannot_load_the_set_counts_and_serves_on() {
    let (home, deps) = (tempfile::tempdir().unwrap(), project().join(".deps"));
    let own = home.path().join(".deps");
    fs::create_dir_all(own.join("models")).unwrap();
    std::os::unix::fs::symlink(deps.join("onnxruntime"), own.join("onnxruntime")).unwrap();
    let model = |file: &str| own.join("models").join(file);
    for file in ["sface.onnx", "yunet.onnx"] {
        fs::copy(deps.join("models").join(file), model(file)).unwrap();
    }
    let service = TestProgram::in_home(home.path().to_owned(), "");
    done(&service, &["enroll", "--model", OTHER, "--failures", "/dev/null"]);
    done(&service, &["models", "shadow", OTHER, "--share", "1"]);
    wait_until_loaded(&service, 0.0);
    service.wait_for_log("cannot load the shadow model");
    let status = service.command(&["status", "--url", &format!("http://{}", service.admin)]);
    let status = String::from_utf8(status.stdout).unwrap();
    assert!(status.contains("shadow       mobilefacenet, NOT LOADED (see its log)"), "{status}");
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_padan"));
    doctor.args(["doctor", "--json", "--config"]).arg(service.folder().join("padan.toml"));
    doctor.env("PADAN_MODELS", own.join("models")).current_dir(home.path());
    let doctor = store_check(&doctor.output().unwrap());
    assert!(doctor.warnings.contains("so no service on this machine measures it: install it"), "{doctor:?}");
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    wait_for_count(&service, "not_loaded", 1);
    // A damaged file is not used either.
    fs::write(model("mobilefacenet.onnx"), b"no model").unwrap();
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    assert_eq!(service.get_from_operators("/readyz").0, 200);
    assert_eq!(service.logged().matches("cannot load the shadow model").count(), 1);
    fs::copy(deps.join("models/mobilefacenet.onnx"), model("mobilefacenet.onnx")).unwrap();
    wait_until_loaded(&service, 1.0);
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    wait_for_count(&service, "compared", 1);
}
