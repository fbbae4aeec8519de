//! The audit trail of the running service: every answer has a row, even if the process or the database is killed.

use std::{
    collections::{BTreeMap, HashMap},
    io::{BufRead as _, BufReader, Write as _},
    process::Output,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use padan_test_service::{
    Answer, BROKEN_PORTRAIT, BUDI, CREDENTIALS, Claim, DECEASED, Photos, UNKNOWN, text_fields,
};
use rustix::process::Signal;
use serde_json::Value;

use crate::service::{StopOnDrop, TestProgram};

const OUTAGE: &str = r#"{"verification_status":false,"reason":"Something wrong in Dukcapil server","result":{"nik":null,"name":null,"date_of_birth":null,"face_image_percentage":null}}"#;
/// A person whose requests are answered without inference, so that a second has time for many.
const QUICK: &str = DECEASED;

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The rows of the trail by request id.
fn rows(service: &TestProgram, filter: &[&str]) -> BTreeMap<String, Value> {
    let exported = text(&service.command(&[&["audit", "export", "--format", "jsonl"], filter].concat()));
    exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|row: &Value| row["kind"] == "request")
        // The row of a forgotten person has no request id.
        .map(|row| (row["request_id"].as_str().unwrap_or(&row["sequence"].to_string()).to_owned(), row))
        .collect()
}

fn assert_verified(service: &TestProgram) {
    let verified = service.command(&["audit", "verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

/// Sends a claim with a request id; an error when the connection breaks.
fn send(service: &TestProgram, id: &str, claim: &Claim) -> reqwest::Result<Answer> {
    let request = service.request("POST", "/identity/v1/face-verification", CREDENTIALS);
    request.header("x-request-id", id).multipart(claim.form()).send().map(Answer::from)
}

#[test]
fn every_outcome_has_a_row() {
    let service = TestProgram::start();
    let claim = Claim::matching();
    let mut expected = BTreeMap::new();
    for (id, claim) in [
        ("verified", claim.clone()),
        ("name", claim.clone().name("Agus Wijaya")),
        ("unknown", claim.clone().nik(UNKNOWN)),
        ("deceased", claim.clone().nik(DECEASED)),
        ("portrait", claim.clone().nik(BROKEN_PORTRAIT)),
        ("malformed", claim.clone().nik("1")),
        ("born", claim.clone().date_of_birth("1987-03-14")),
        ("face", claim.clone().photo(Photos::read("110_s1.jpg"))),
        ("no-face", claim.clone().photo(Photos::without_face())),
        ("no-photo", claim.clone().photo(b"GIF89a".as_slice())),
    ] {
        expected.insert(id.to_owned(), send(&service, id, &claim).unwrap());
    }
    let other = |id: &str| {
        service.request("POST", "/identity/v1/verification", CREDENTIALS).header("x-request-id", id)
    };
    let fields = text_fields(&[("nik", BUDI), ("name", "Budi Santoso"), ("city", "Bandung")]);
    expected.insert("basic".into(), other("basic").multipart(fields).send().unwrap().into());
    expected.insert("no-form".into(), other("no-form").body("{}").send().unwrap().into());
    let stranger =
        service.request("POST", "/identity/v1/face-verification", ["bank-user", "wrong", "bank-key"]);
    assert_eq!(stranger.header("x-request-id", "stranger").send().unwrap().status(), 401);

    let rows = rows(&service, &[]);
    let reasons =
        |reason: &dyn Fn(&String) -> String| expected.keys().map(|id| (id.clone(), reason(id))).collect();
    let answered: BTreeMap<String, String> = reasons(&|id| expected[id].reason_code.clone());
    let recorded: BTreeMap<String, String> =
        rows.iter().map(|(id, row)| (id.clone(), row["reason"].as_str().unwrap().to_owned())).collect();
    assert_eq!(recorded, answered);
    assert!(rows.values().all(|row| row["client"] == "bank" && row["milliseconds"].as_f64().unwrap() >= 0.0));

    let (verified, basic) = (&rows["verified"], &rows["basic"]);
    assert_eq!(verified["percentage"].as_f64(), Some(expected["verified"].percentage()));
    assert_eq!(verified["fields"], serde_json::json!({"nik": true, "name": true, "date_of_birth": true}));
    assert_eq!(verified["nik_plausible"], true);
    assert_eq!(verified["contract_id"].as_str().unwrap().len(), 16);
    assert_eq!(verified["calibration_id"].as_str().unwrap().len(), 16);
    assert_eq!(verified["endpoint"], "face-verification");
    assert_eq!(rows["name"]["fields"]["name"], false);
    assert_eq!(
        (&rows["unknown"]["percentage"], &rows["unknown"]["contract_id"]),
        (&0.0.into(), &Value::Null)
    );
    assert_eq!(rows["malformed"]["person_key"], Value::Null);
    assert_eq!((&basic["endpoint"], &basic["fields"]["city"]), (&"verification".into(), &false.into()));
    assert_eq!(verified["person_key"], basic["person_key"]);
    assert_ne!(verified["person_key"], rows["unknown"]["person_key"]);
    assert_verified(&service);
    let used = text(&service.command(&["usage", "--csv"]));
    let day = (chrono::Utc::now() + chrono::TimeDelta::hours(7)).date_naive();
    assert!(used.lines().any(|line| line == format!("bank,{day},face-verification,VERIFIED,1,no")), "{used}");
    assert_eq!(used.lines().count(), 1 + expected.len());
    wait_for_processor_time(&service, &format!("bank,{day},"));
}

/// Waits until the processor time is saved, which happens every few seconds.
fn wait_for_processor_time(service: &TestProgram, start: &str) {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let used = text(&service.command(&["usage", "--cpu", "--csv"]));
        let seconds = used.lines().find_map(|line| line.strip_prefix(start)?.parse::<f64>().ok());
        if seconds.is_some_and(|seconds| seconds > 0.0) {
            assert_eq!(used.lines().next(), Some("client,day,cpu_seconds"));
            assert_eq!(used.lines().count(), 2, "{used}");
            return;
        }
        assert!(Instant::now() < until, "{used}");
        thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_dump_of_the_store_contains_no_personal_data() {
    let service = TestProgram::start();
    let claim = Claim::matching();
    for (id, claim) in [
        ("all", claim.clone()),
        ("3174011403870000", claim.clone().name("Agus Wijaya")),
        ("order-3174011403870000", claim.clone().nik(BROKEN_PORTRAIT).date_of_birth("02-11-1994")),
        ("c", claim.clone().nik(UNKNOWN)),
        ("d", claim.photo(Photos::read("110_s1.jpg"))),
    ] {
        assert_eq!(send(&service, id, &claim).unwrap().status, 200);
    }
    let dump = service.store.dump();
    assert_eq!(dump.matches("face-verification").count(), 5, "{dump}");
    let niks = [BUDI, UNKNOWN, BROKEN_PORTRAIT];
    let spelled = niks.iter().flat_map(|nik| [(*nik).to_owned(), hex::encode(nik)]);
    let others =
        ["budi", "santoso", "agus", "wijaya", "14-03-1987", "1987-03-14", "02-11-1994", "1994-11-02", "jfif"];
    let lower = dump.to_lowercase();
    for word in spelled.chain(others.map(str::to_owned)) {
        assert!(!lower.contains(&word), "the store contains {word}");
    }
}

#[test]
fn a_request_whose_client_disconnects_has_a_row() {
    let service = TestProgram::start();
    let credentials = "authorization: Basic YmFuay11c2VyOnBhc3M6d29yZA==\r\nx-api-key: bank-key\r\n";
    let form = format!("--b\r\ncontent-disposition: form-data; name=\"nik\"\r\n\r\n{BUDI}\r\n--b--\r\n");
    let length = form.len();
    let request = format!(
        "POST /identity/v1/verification HTTP/1.1\r\nhost: padan\r\n{credentials}x-request-id: gone\r\n\
         content-type: multipart/form-data; boundary=b\r\ncontent-length: {length}\r\n\r\n{form}"
    );
    // While the registry's table is locked, the request has no outcome.
    service.runtime.block_on(service.registry.locked_during("civil_registry.person", async {
        let mut connection = service.connect();
        connection.write_all(request.as_bytes()).unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        drop(connection);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }));
    let began = Instant::now();
    loop {
        if let Some(row) = rows(&service, &[]).get("gone") {
            assert_eq!((&row["reason"], &row["fields"]["nik"]), (&"UNANSWERED".into(), &Value::Null));
            assert_eq!(row["person_key"].as_str().unwrap().len(), 64);
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "no row");
    }
}

#[test]
fn a_request_that_waits_for_its_row_counts_as_in_flight() {
    let service = Arc::new(TestProgram::with("[http]\nmax_in_flight = 1\n"));
    let verify_unknown_nik = |service: &TestProgram| {
        service.send_to("/identity/v1/verification", text_fields(&[("nik", UNKNOWN)]))
    };
    // While the table is locked no row is written.
    let (waiting, refused) =
        service.runtime.block_on(service.store.locked_during("store.audit_event", async {
            tokio::task::block_in_place(|| {
                let waiting = Arc::clone(&service);
                let waiting = thread::spawn(move || verify_unknown_nik(&waiting));
                thread::sleep(Duration::from_millis(400));
                (waiting, verify_unknown_nik(&service))
            })
        }));
    refused.assert_refused(429, "OVERLOADED", "Too many requests");
    assert_eq!(waiting.join().unwrap().reason_code, "NIK_NOT_FOUND");
    assert_eq!(
        verify_unknown_nik(&service).reason_code,
        "NIK_NOT_FOUND",
        "the permit is released with the answer"
    );
}

#[test]
fn no_row_of_an_answer_is_lost_in_twenty_kills_under_load() {
    let mut service = TestProgram::with("[http]\nworkers = 2\n");
    let answered = Mutex::new(HashMap::new());
    let number = AtomicUsize::new(0);
    for kill in 0..20 {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while !over.load(Relaxed) {
                        let id = format!("r-{}", number.fetch_add(1, Relaxed));
                        let nik = if id.ends_with('7') { BUDI } else { QUICK };
                        if let Ok(answer) = send(&service, &id, &Claim::matching().nik(nik)) {
                            answered.lock().unwrap().insert(id, answer.reason_code);
                        }
                    }
                });
            }
            thread::sleep(Duration::from_millis(150 + 37 * (kill % 5)));
            let _ends = StopOnDrop(&over);
            service.signal(Signal::KILL);
        });
        service.kill();
        service.restart();
    }
    let (answered, rows) = (answered.into_inner().unwrap(), rows(&service, &[]));
    assert!(answered.len() > 200, "only {} answers", answered.len());
    for (id, reason) in &answered {
        let row = rows.get(id).unwrap_or_else(|| panic!("{id} was answered {reason} and has no row"));
        assert_eq!(row["reason"], **reason, "{id}");
    }
    assert_verified(&service);

    service.runtime.block_on(service.store.execute(
        "UPDATE store.audit_event SET reason = 'VERIFIED' WHERE ctid = (SELECT ctid FROM store.audit_event LIMIT 1)
            AND reason <> 'VERIFIED'
            OR request_id = 'r-3'",
    ));
    let verified = service.command(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(1), "{verified:?}");
    assert!(String::from_utf8(verified.stdout).unwrap().contains("it was changed"));
}

#[test]
fn an_outage_of_the_store_under_load_fails_requests_and_loses_no_rows() {
    let service = TestProgram::start();
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    let answers = Mutex::new(Vec::new());
    let (number, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut back = Instant::now();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    let id = format!("load-{}", number.fetch_add(1, Relaxed));
                    let nik = if id.ends_with('7') { BUDI } else { QUICK };
                    let began = Instant::now();
                    let answer = send(&service, &id, &Claim::matching().nik(nik)).unwrap();
                    answers.lock().unwrap().push((id, answer, began, Instant::now()));
                }
            });
        }
        thread::sleep(Duration::from_millis(500));
        let _ends = StopOnDrop(&over);
        service.runtime.block_on(async {
            service.store.unavailable_during(tokio::time::sleep(Duration::from_secs(3))).await;
        });
        back = Instant::now();
        thread::sleep(Duration::from_secs(6));
    });
    let (answers, rows) = (answers.into_inner().unwrap(), rows(&service, &[]));
    let mut failed = 0;
    for (id, answer, began, ended) in &answers {
        let took = *ended - *began;
        // The connection, a statement and the audit row may each take a second or two.
        assert!(took < Duration::from_secs(6), "{id} took {took:?}");
        if answer.status == 503 {
            failed += 1;
            answer.assert(503, "STORE_UNAVAILABLE", OUTAGE);
            assert!(*began < back + Duration::from_secs(5), "{id} failed long after the store was back");
        } else {
            assert_eq!(
                rows.get(id).map(|row| &row["reason"]),
                Some(&answer.reason_code.clone().into()),
                "{id}"
            );
        }
    }
    assert!(failed > 0, "no request failed during the outage");
    assert!(
        answers.iter().filter(|(_, _, began, _)| *began > back).any(|(_, answer, ..)| answer.status == 200)
    );
    assert_verified(&service);
}

#[test]
fn failed_faces_are_limited_for_one_person_only() {
    let service = TestProgram::with("[verification]\nfailed_faces = { most = 3, window_seconds = 60 }\n");
    let stranger = Claim::matching().photo(Photos::read("110_s1.jpg"));
    for _ in 0..2 {
        assert_eq!(service.verify(&stranger).reason_code, "FACE_MISMATCH");
    }
    assert_eq!(service.verify(&stranger.clone().name("Agus Wijaya")).reason_code, "NAME_MISMATCH");
    let refused = service.verify(&Claim::matching());
    refused.assert_refused(429, "TOO_MANY_FAILED_FACES", "Too many failed attempts for this NIK");
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((50..=61).contains(&wait), "{wait}");
    assert_eq!(service.verify(&Claim::matching().nik(UNKNOWN)).reason_code, "NIK_NOT_FOUND");
    // A refusal is counted but not recorded, so that it does not extend the window.
    assert_eq!(rows(&service, &["--nik", BUDI]).len(), 3);
    let input = format!("{BUDI}\n");
    let exported = service.command_with_input(&["audit", "export", "--nik", "-"], &input);
    assert!(String::from_utf8(exported.stderr).unwrap().contains("3 rows written"));
    let forgotten =
        service.command_with_input(&["person", "forget", "--nik", "-", "--by", "dpo", "--yes"], &input);
    assert!(forgotten.status.success(), "{forgotten:?}");
    assert!(rows(&service, &["--nik", BUDI]).is_empty());
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    assert_eq!(rows(&service, &["--client", "bank"]).len(), 5);
    assert_verified(&service);
}

#[test]
fn an_export_whose_reader_closes_the_pipe_succeeds() {
    let service = TestProgram::start();
    assert_eq!(service.verify(&Claim::matching().nik(QUICK)).status, 200);
    // More than fits into the buffer of a pipe.
    service.runtime.block_on(service.store.execute(
        "INSERT INTO store.audit_event (at, writer, sequence, kind, reason, fields, milliseconds, key_id, mac)
         SELECT at, writer, 1 + number, kind, reason, fields, milliseconds, key_id, mac
           FROM store.audit_event, generate_series(1, 5000) AS number",
    ));
    for format in ["csv", "jsonl"] {
        let mut export = service.start_command(&["audit", "export", "--format", format]);
        let mut first = String::new();
        BufReader::new(export.stdout.take().unwrap()).read_line(&mut first).unwrap();
        assert!(first.contains("request_id"), "{first}");
        let ended = export.wait_with_output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success() && !stderr.contains("pipe"), "{format}: {stderr}");
    }
}

#[test]
fn failed_faces_are_limited_among_simultaneous_requests() {
    const MOST: usize = 4;
    let service = TestProgram::with("[verification]\nfailed_faces = { most = 4, window_seconds = 60 }\n");
    let stranger = Claim::matching().photo(Photos::read("110_s1.jpg"));
    let reasons = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| reasons.lock().unwrap().push(service.verify(&stranger).reason_code));
        }
    });
    let count = |code: &str| reasons.lock().unwrap().iter().filter(|reason| *reason == code).count();
    let (answered, refused) = (count("FACE_MISMATCH"), count("TOO_MANY_FAILED_FACES"));
    assert!((1..=MOST).contains(&answered), "{answered} of {MOST}");
    assert_eq!(answered + refused, 30);
    // A face that matches does not count as failed.
    let other = Claim::matching().nik(BUDI);
    let forgotten = service.command(&["person", "forget", "--nik", BUDI, "--by", "dpo", "--yes"]);
    assert!(forgotten.status.success(), "{forgotten:?}");
    for _ in 0..3 * MOST {
        assert_eq!(service.verify(&other).reason_code, "VERIFIED");
    }
}

#[test]
fn forgetting_an_unknown_person_changes_nothing() {
    let service = TestProgram::start();
    let forgotten = service.command(&["person", "forget", "--nik", UNKNOWN, "--by", "dpo", "--yes"]);
    assert!(forgotten.status.success(), "{forgotten:?}");
    let stderr = String::from_utf8(forgotten.stderr).unwrap();
    assert!(stderr.contains("Nothing is stored about this person"), "{stderr}");
    let announced = "SELECT fields FROM store.audit_event WHERE kind = 'forget'";
    assert!(service.runtime.block_on(service.store.texts(announced)).is_empty());
}

#[test]
fn a_request_id_that_may_contain_a_nik_is_returned_but_not_recorded() {
    let service = TestProgram::start();
    let answer = send(&service, "order-3174011403870000", &Claim::matching()).unwrap();
    assert_eq!(answer.headers["request-id"], "order-3174011403870000");
    let recorded = answer.headers["recorded-request-id"].to_str().unwrap();
    assert_eq!(rows(&service, &[])[recorded]["reason"], "VERIFIED");
    let logged = service.logged();
    assert!(logged.contains(recorded) && !logged.contains(BUDI), "{logged}");
    // The same number in base64 and in hexadecimal.
    for sent in ["MzE3NDAxMTQwMzg3MDAwMA", "b46bf1e3d9f30"] {
        let answer = send(&service, sent, &Claim::matching()).unwrap();
        assert_eq!(answer.headers["request-id"], sent);
        assert!(answer.headers.contains_key("recorded-request-id") && !service.logged().contains(sent));
    }
    let answer = send(&service, "order-7", &Claim::matching()).unwrap();
    assert!(!answer.headers.contains_key("recorded-request-id"));
}

#[test]
fn logged_heads_reveal_rows_that_were_deleted_together_with_their_heads() {
    let mut service = TestProgram::start();
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    // The service records and logs the head at a graceful shutdown.
    service.signal(Signal::TERM);
    assert!(service.process().wait().unwrap().success());
    assert!(service.logged().contains("audit head"), "{}", service.logged());
    let log = service.log.to_str().unwrap().to_owned();
    let verify = |service: &TestProgram| service.command(&["audit", "verify", "--heads", &log]);
    assert!(verify(&service).status.success(), "{:?}", verify(&service));
    service
        .runtime
        .block_on(service.store.execute("DELETE FROM store.audit_event; DELETE FROM store.audit_head"));
    let found = verify(&service);
    assert_eq!(found.status.code(), Some(1), "{found:?}");
    assert!(String::from_utf8(found.stdout).unwrap().contains("it was written and is missing"));
}

#[test]
fn a_row_that_others_wrote_does_not_steer_the_terminal() {
    let service = TestProgram::start();
    assert_eq!(service.verify(&Claim::matching()).status, 200);
    service.runtime.block_on(service.store.execute(
        r"INSERT INTO store.audit_event (at, writer, sequence, kind, request_id, client, endpoint, reason, fields,
                                         milliseconds, key_id, mac)
          SELECT at, writer, sequence + 9, kind, E'\x1b[2J\u202eThe audit trail is intact', E'bank\x1b]0;x\x07', endpoint,
                 E'VERIFIED\u009b', fields, milliseconds, key_id, mac
            FROM store.audit_event WHERE kind = 'request'",
    ));
    let shown = |words: &[&str]| {
        let output = service.command(words);
        let shown = [output.stdout, output.stderr].concat();
        String::from_utf8(shown).unwrap()
    };
    let steers = |text: &str| text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']);
    for words in [&["audit", "verify"][..], &["audit", "verify", "--json"], &["usage"], &["usage", "--json"]]
    {
        let shown = shown(words);
        assert!(shown.contains("\\u001b") && !steers(&shown), "{words:?}: {shown}");
    }
    // A pipe gets the data as they are.
    assert!(steers(&shown(&["audit", "export", "--format", "csv"])));
    assert!(steers(&shown(&["usage", "--csv"])));
}
