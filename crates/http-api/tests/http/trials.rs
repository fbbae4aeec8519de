//! Callers that find something out by trying: fields, NIKs and faces.

use std::{thread, time::Duration};

use padan_test_service::{
    Answer, BUDI, CREDENTIALS, Claim, Credentials, INACTIVE, Photos, TestService, UNKNOWN, text_fields,
};
use serde_json::Value;

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
    let other = service.add_client("telco");
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
    let second = service.start_second();
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
        let other = service.add_client("telco");
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
fn faces_of_a_person_are_limited_over_all_clients() {
    let limit = "[verification.failed_faces_of_person]\nmost = 4\nwindow_seconds = 60\n";
    let service = TestService::with(limit);
    let telco = service.add_client("telco");
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
        let rows = service.recorded_requests();
        let id = answer.headers["request-id"].to_str().unwrap();
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
