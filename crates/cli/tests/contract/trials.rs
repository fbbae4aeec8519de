//! Callers that find something out by trying: fields, NIKs and faces.

use std::{sync::Mutex, thread, time::Duration};

use serde_json::Value;

use crate::{
    clients::{Credentials, add, change},
    photos::Photos,
    service::{Answer, Claim, TestService, text_fields},
    site::{BUDI, CREDENTIALS, INACTIVE, UNKNOWN},
};

const BASIC: &str = "/identity/v1/verification";
const TOO_MANY: &str = "TOO_MANY_FAILED_FIELDS";

/// Settings in which only one limit of wrong fields is on.
fn only(limit: &str, most: u32) -> String {
    let limits = ["person", "person_long", "client", "client_long"].map(|key| {
        let most = if key == limit { most } else { 0 };
        format!("{key} = {{ most = {most}, window_seconds = 60 }}\n")
    });
    format!("[verification.failed_fields]\n{}", limits.concat())
}

fn ask_as(service: &TestService, credentials: &Credentials, fields: &[(&str, &str)]) -> Answer {
    let request = service.request("POST", BASIC, credentials.each_ref().map(String::as_str));
    request.multipart(text_fields(fields)).send().unwrap().into()
}

fn bank() -> Credentials {
    CREDENTIALS.map(str::to_owned)
}

fn count(answers: &[Answer], reason_code: &str) -> usize {
    answers.iter().filter(|answer| answer.reason_code == reason_code).count()
}

#[track_caller]
fn assert_wait(answer: &Answer) {
    answer.assert_refused(429, TOO_MANY, "Too many failed attempts");
    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((45..=61).contains(&wait), "{wait}");
}

#[test]
fn a_field_of_a_person_cannot_be_found_by_trying() {
    let service = TestService::with(&only("person", 5));
    let guess = |name: &str| ask_as(&service, &bank(), &[("nik", BUDI), ("mother_maiden_name", name)]);
    let names: Vec<_> = (0..225).map(|number| format!("Siti {}", "a".repeat(1 + number))).collect();
    let answers: Vec<_> = names.iter().map(|name| guess(name)).collect();
    assert_eq!((count(&answers, "FIELD_MISMATCH"), count(&answers, TOO_MANY)), (5, 220));
    assert_wait(&answers[224]);
    assert_wait(&guess("Siti Ma'rufah"));
    // The other endpoint judges name and date as well.
    assert_wait(&service.verify(&Claim::matching()));
    assert_eq!(ask_as(&service, &bank(), &[("nik", UNKNOWN)]).reason_code, "NIK_NOT_FOUND");
    let other = add(&service, "telco", &[]);
    assert_eq!(ask_as(&service, &other, &[("nik", BUDI)]).reason_code, "VERIFIED");
    let shown = service.get_from_operators("/metrics").1;
    for line in [
        "padan_client_misses_total{client=\"bank\"} 6",
        "padan_client_refusals_total{client=\"bank\",reason=\"fields\"} 222",
    ] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
}

#[test]
fn names_and_dates_of_a_face_verification_count_as_well() {
    let service = TestService::with(&only("person_long", 3));
    let wrong = [Claim::matching().name("Agus"), Claim::matching().date_of_birth("15-03-1987")];
    for claim in [&wrong[0], &wrong[1], &wrong[0]] {
        assert_eq!(service.verify(claim).status, 200);
    }
    assert_wait(&service.verify(&wrong[1]));
    assert_wait(&ask_as(&service, &bank(), &[("nik", BUDI), ("rt", "3")]));
}

#[test]
fn processes_count_wrong_fields_together_and_simultaneous_ones_as_well() {
    let service = TestService::with(&only("person", 6));
    let second = service.start_second_process();
    let guess = |address| -> Answer {
        let request = service.request_at(address, "POST", BASIC, CREDENTIALS);
        request.multipart(text_fields(&[("nik", BUDI), ("rt", "9")])).send().unwrap().into()
    };
    for address in [service.address, second.address, service.address] {
        assert_eq!(guess(address).reason_code, "FIELD_MISMATCH");
    }
    let answers: Vec<_> = thread::scope(|scope| {
        let guesses: Vec<_> = (0..40).map(|_| scope.spawn(|| guess(second.address))).collect();
        guesses.into_iter().map(|guess| guess.join().unwrap()).collect()
    });
    assert_eq!((count(&answers, "FIELD_MISMATCH"), count(&answers, TOO_MANY)), (3, 37));
    assert_eq!(guess(service.address).reason_code, TOO_MANY);
}

#[test]
fn a_person_cannot_be_found_by_trying_niks() {
    for limit in ["client", "client_long"] {
        let service = TestService::with(&only(limit, 6));
        let try_nik = |number: u32| {
            let nik = format!("317401140387{number:04}");
            ask_as(&service, &bank(), &[("nik", &nik), ("name", "Budi Santoso")])
        };
        let answers: Vec<_> = (100..120).map(try_nik).collect();
        assert_eq!((count(&answers, "NIK_NOT_FOUND"), count(&answers, TOO_MANY)), (6, 14));
        assert_wait(&try_nik(0));
        assert_wait(&service.verify(&Claim::matching()));
        let other = add(&service, "telco", &[]);
        assert_eq!(ask_as(&service, &other, &[("nik", BUDI)]).reason_code, "VERIFIED");
    }
}

#[test]
fn requests_that_match_do_not_count() {
    let service = TestService::with(&only("client", 4));
    for _ in 0..3 {
        assert_eq!(ask_as(&service, &bank(), &[("nik", UNKNOWN)]).reason_code, "NIK_NOT_FOUND");
    }
    let answers: Vec<_> = thread::scope(|scope| {
        let requests: Vec<_> = (0..30)
            .map(|_| scope.spawn(|| ask_as(&service, &bank(), &[("nik", BUDI), ("rt", "3")])))
            .collect();
        requests.into_iter().map(|request| request.join().unwrap()).collect()
    });
    assert_eq!(count(&answers, "VERIFIED"), 30, "they wait for each other near the limit");
    assert_eq!(ask_as(&service, &bank(), &[("nik", INACTIVE)]).reason_code, "NIK_INACTIVE");
}

#[test]
fn a_field_that_was_not_granted_is_answered_null_right_or_wrong() {
    let service = TestService::with("[clients]\nrefresh_seconds = 1\n");
    let telco = add(&service, "telco", &[]);
    let ask = |mother: &str, card: &str| {
        let fields = [("nik", BUDI), ("no_kk", card), ("mother_maiden_name", mother), ("rt", "3")];
        ask_as(&service, &telco, &fields)
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
fn faces_of_a_person_are_limited_over_all_clients() {
    let limit = "[verification.failed_faces_of_person]\nmost = 4\nwindow_seconds = 60\n";
    let service = TestService::with(limit);
    let telco = add(&service, "telco", &[]);
    let verify_as = |credentials: &Credentials, claim: &Claim| -> Answer {
        let path = "/identity/v1/face-verification";
        let request = service.request("POST", path, credentials.each_ref().map(String::as_str));
        request.multipart(claim.form()).send().unwrap().into()
    };
    let stranger = Claim::matching().photo(Photos::read("110_s1.jpg"));
    for client in [bank(), telco.clone(), bank(), telco.clone()] {
        assert_eq!(verify_as(&client, &stranger).reason_code, "FACE_MISMATCH");
    }
    for client in [bank(), telco] {
        let refused = verify_as(&client, &Claim::matching());
        refused.assert_refused(429, "TOO_MANY_FAILED_FACES", "Too many failed attempts for this NIK");
    }
    let fields = ask_as(&service, &bank(), &[("nik", BUDI), ("name", "Budi Santoso")]);
    assert_eq!(fields.reason_code, "VERIFIED", "a verification without a face goes on");
    // Half of four had failed before the third and the fourth.
    let shown = service.get_from_operators("/metrics").1;
    for client in ["bank", "telco"] {
        let line = format!("padan_client_repeated_faces_total{{client=\"{client}\"}} 1");
        assert!(shown.contains(&line), "{line} is not in {shown}");
    }
}

#[test]
fn faces_that_pass_are_limited_as_well() {
    let limit = "[verification.compared_faces_of_person]\nmost = 3\nwindow_seconds = 60\n";
    let service = TestService::with(limit);
    for _ in 0..3 {
        assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    }
    assert_eq!(service.verify(&Claim::matching()).reason_code, "TOO_MANY_FAILED_FACES");
}

#[test]
fn the_percentage_can_be_coarsened_and_withheld_and_the_trail_keeps_it() {
    let service = TestService::with("[verification]\npercentage_step = 5.0\npercentage_needs_match = true\n");
    let stranger = || Claim::matching().photo(Photos::read("110_s1.jpg"));
    let fine = |answer: &Answer| {
        let rows = service.command(&["audit", "export", "--format", "jsonl"]).stdout;
        let rows = String::from_utf8(rows).unwrap();
        let id = answer.headers["request-id"].to_str().unwrap();
        let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let row = rows.into_iter().find(|row| row["request_id"] == id).expect("a row");
        row["percentage"].as_f64().unwrap()
    };
    for claim in [Claim::matching(), stranger(), stranger().name("Agus")] {
        let answer = service.verify(&claim);
        let (shown, recorded) = (answer.percentage(), fine(&answer));
        assert!(shown % 5.0 == 0.0 || shown == 1.0, "{shown}");
        assert!(shown <= recorded && recorded < shown + 5.0, "{shown} of {recorded}");
        assert_eq!(shown >= 75.0, recorded >= 75.0);
    }
    let neither = service.verify(&stranger().name("Agus").date_of_birth("01-01-1990"));
    assert_eq!(neither.reason_code, "NAME_MISMATCH");
    assert_eq!(neither.json()["result"]["face_image_percentage"], Value::Null);
    assert!(fine(&neither) >= 1.0, "it counts as a failed face");
}

#[test]
fn a_step_that_contradicts_the_pass_mark_is_refused() {
    let service = TestService::start();
    let checked = service.command(&["config", "check", "--set", "verification.percentage_step=10"]);
    let stderr = String::from_utf8(checked.stderr).unwrap();
    assert!(!checked.status.success() && stderr.contains("75 must be a multiple"), "{stderr}");
}

/// Integrators test with one person. None of their requests fails, so none is refused for failures.
#[test]
fn requests_for_one_person_wait_for_their_turn_in_the_order_in_which_they_came() {
    let service = TestService::with("[verification]\nfailed_faces = { most = 1, window_seconds = 900 }\n");
    let ended = Mutex::new(Vec::new());
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    thread::scope(|scope| {
        for number in 0..10 {
            let (service, ended) = (&service, &ended);
            scope.spawn(move || {
                let answer = service.verify(&Claim::matching());
                assert_eq!(answer.reason_code, "VERIFIED");
                ended.lock().unwrap().push(number);
            });
            thread::sleep(Duration::from_millis(30));
        }
    });
    let ended = ended.into_inner().unwrap();
    assert!(ended.is_sorted(), "{ended:?}");
    let log = service.logged();
    let waited = log.lines().filter(|line| line.contains("turn=")).count();
    assert!(waited >= 5, "{waited} requests have logged the wait for their turn");
    let (_, metrics) = service.get_from_operators("/metrics");
    assert!(metrics.contains("padan_verification_step_duration_seconds_count{step=\"turn\"}"), "{metrics}");
}

#[test]
fn a_request_whose_turn_does_not_come_in_time_is_refused_for_load_and_not_for_failures() {
    let service = TestService::with(
        "[verification]\nbudget_ms = 2400\nfailed_faces = { most = 1, window_seconds = 900 }\n\
         [http]\nsaturated_seconds = 1\nmax_in_flight = 400\n",
    );
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    let answers: Vec<_> = thread::scope(|scope| {
        let requests: Vec<_> = (0..100).map(|_| scope.spawn(|| service.verify(&Claim::matching()))).collect();
        requests.into_iter().map(|request| request.join().unwrap()).collect()
    });
    let (verified, refused) = (count(&answers, "VERIFIED"), count(&answers, "OVERLOADED"));
    assert!(verified > 0 && refused > 0, "{verified} {refused}");
    // A busy machine may not connect to the registry in time, but nothing here has failed or is wrong with the store.
    let busy = count(&answers, "REGISTRY_UNAVAILABLE");
    let codes = || answers.iter().map(|answer| &answer.reason_code).collect::<Vec<_>>();
    assert_eq!(verified + refused + busy, answers.len(), "{:?}", codes());
    // The service as a whole is not full, so a balancer must not be told so.
    for _ in 0..12 {
        let (_, ready) = service.get_from_operators("/readyz");
        assert!(!ready.contains("capacity"), "{ready}");
        thread::sleep(Duration::from_millis(100));
    }
    let (_, metrics) = service.get_from_operators("/metrics");
    let line = format!("padan_client_refusals_total{{client=\"bank\",reason=\"turn\"}} {refused}");
    assert!(metrics.contains(&line), "{line} is not in {metrics}");
}
