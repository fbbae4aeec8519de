//! Enrolment of all people: interrupted, shared by processes, for another model, and pruned afterwards.

use std::{
    collections::BTreeMap,
    fs,
    process::{Child, Output},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use padan_test_service::{BROKEN_PORTRAIT, Claim, Photos, add, project};
use rustix::process::{Pid, Signal, kill_process};

use crate::service::{StopOnDrop, TestProgram};

const SETTINGS: &str =
    "[enrolment]\nrange_people = 40\nbatch_people = 16\nlease_seconds = 2\npatience_seconds = 30\n";
/// How many of the site's own people are active and have a portrait: Budi, and one whose portrait is unusable.
const SITE_PEOPLE: u64 = 2;

/// Adds people with Budi's portrait, in forty districts and with 28 days of birth.
pub(crate) fn populate(service: &TestProgram, people: u64) {
    service.runtime.block_on(service.registry.execute(&format!(
        "INSERT INTO civil_registry.person (nik, name, date_of_birth, status, portrait, portrait_updated_at)
         SELECT (320101 + number % 40)::text || lpad((number % 28 + 1)::text, 2, '0') || '0190'
                || lpad(number::text, 4, '0'),
                'Orang Contoh', date '1990-01-01', 'active', portrait, portrait_updated_at
           FROM civil_registry.person, generate_series(1, {people}) AS number
          WHERE nik = '3174011403870000'"
    )));
}

/// When each template was written, by contract and person.
fn templates(service: &TestProgram) -> BTreeMap<String, String> {
    let rows = service.runtime.block_on(service.store.texts(
        "SELECT contract_id || encode(person_key, 'hex') || ' ' || created_at FROM store.face_template",
    ));
    rows.iter().map(|row| row.split_once(' ').unwrap()).map(|(key, at)| (key.into(), at.into())).collect()
}

fn enroll(service: &TestProgram, more: &[&str]) -> Child {
    let failures = service.folder().join("failures.csv");
    let words = [&["enroll", "--failures", failures.to_str().unwrap()], more].concat();
    service.start_command(&words)
}

fn finished(enrolment: Child) -> String {
    let Output { status, stderr, .. } = enrolment.wait_with_output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{stderr}");
    stderr
}

/// The number before these words.
fn number_before(stderr: &str, words: &str) -> u64 {
    let before = stderr.split(words).next().unwrap_or_else(|| panic!("no `{words}` in {stderr}"));
    before.split_whitespace().last().unwrap().parse().unwrap_or_else(|_| panic!("{stderr}"))
}

#[test]
fn a_killed_enrolment_is_continued_and_no_person_is_embedded_twice() {
    let service = TestProgram::with(SETTINGS);
    populate(&service, 300);
    let mut done = BTreeMap::new();
    for killed in 1..=2 {
        let mut enrolment = enroll(&service, &[]);
        let began = Instant::now();
        while templates(&service).len() < 80 * killed {
            assert!(began.elapsed() < Duration::from_mins(1), "no templates are written");
            thread::sleep(Duration::from_millis(20));
        }
        enrolment.kill().unwrap();
        enrolment.wait().unwrap();
        let now = templates(&service);
        assert!(now.len() < 300, "it had finished before it was killed");
        assert!(done.iter().all(|(key, at)| now.get(key) == Some(at)), "a person was embedded twice");
        done = now;
    }
    let stderr = finished(enroll(&service, &[]));
    let all = templates(&service);
    assert_eq!(all.len() as u64, 300 + SITE_PEOPLE, "{stderr}");
    assert!(done.iter().all(|(key, at)| all.get(key) == Some(at)), "a person was embedded twice");
    assert_eq!(number_before(&stderr, " were embedded in this run"), 300 + SITE_PEOPLE - done.len() as u64);

    let list = fs::read_to_string(service.folder().join("failures.csv")).unwrap();
    assert!(list.lines().skip(1).all(|line| line == format!("{BROKEN_PORTRAIT},IMAGE_UNREADABLE")), "{list}");
    let status = String::from_utf8(service.command(&["enroll", "--status"]).stdout).unwrap();
    assert!(status.contains("sface") && status.contains("finished"), "{status}");
    assert!(status.contains("in finished ranges"), "{status}");
    // A changed portrait is embedded again; an unusable one that has not changed is not.
    service.runtime.block_on(service.registry.execute(
        "UPDATE civil_registry.person SET portrait_updated_at = now() WHERE nik = '3174011403870000'",
    ));
    let again = finished(enroll(&service, &[]));
    assert_eq!(number_before(&again, " were embedded in this run"), 1, "{again}");
    assert_eq!(number_before(&again, " people processed"), 300 + SITE_PEOPLE, "{again}");
}

#[test]
fn covered_portraits_are_listed_and_counted() {
    let service = TestProgram::with(SETTINGS);
    let half_a_face = "3174011403870042";
    service.runtime.block_on(add(&service.registry, half_a_face, Photos::cut_off()));
    let list = || fs::read_to_string(service.folder().join("failures.csv")).unwrap();
    let listed = || list().matches(&format!("{half_a_face},FACE_COVERED")).count();
    let stderr = finished(enroll(&service, &[]));
    assert_eq!(number_before(&stderr, " of them, the face is covered"), 1, "{stderr}");
    assert_eq!(listed(), 1, "{}", list());
    assert!(!list().contains("3174011403870000"), "a bare portrait is listed: {}", list());
    for (state, people) in [("enrolled", 1.0), ("covered", 1.0), ("unusable", 1.0), ("failed", 0.0)] {
        let series = format!("padan_enrolment_people{{state=\"{state}\"}}");
        service.wait_for_metric(&series, |value| value == people);
    }
    // The next run embeds nothing and reports the same.
    let stderr = finished(enroll(&service, &[]));
    assert_eq!(number_before(&stderr, " were embedded in this run"), 0, "{stderr}");
    assert_eq!((number_before(&stderr, " of them, the face is covered"), listed()), (1, 2), "{stderr}");
    let status = String::from_utf8(service.command(&["enroll", "--status"]).stdout).unwrap();
    assert!(status.contains("1 of covered or cut-off faces"), "{status}");
    // Templates of a program that did not judge are made again on request.
    service.runtime.block_on(service.store.execute("UPDATE store.face_template SET covered = NULL"));
    let stderr = finished(enroll(&service, &[]));
    assert_eq!(number_before(&stderr, " of them, the face is covered"), 0, "{stderr}");
    assert_eq!(number_before(&stderr, " were embedded in this run"), 0, "{stderr}");
    let stderr = finished(enroll(&service, &["--judge-again"]));
    assert_eq!(number_before(&stderr, " of them, the face is covered"), 1, "{stderr}");
    assert_eq!(number_before(&stderr, " were embedded in this run"), 2, "{stderr}");
}

#[test]
fn templates_of_people_who_left_are_removed() {
    let service = TestProgram::with(SETTINGS);
    populate(&service, 60);
    let first = finished(enroll(&service, &[]));
    assert_eq!(number_before(&first, " templates of people who are no longer"), 0, "{first}");
    let before = templates(&service);
    assert_eq!(before.len() as u64, 60 + SITE_PEOPLE);
    // One has left, one is no longer active, and the portrait of one was withdrawn.
    service.runtime.block_on(service.registry.execute(
        "DELETE FROM civil_registry.person WHERE nik LIKE '%01900001';
         UPDATE civil_registry.person SET status = 'deceased' WHERE nik LIKE '%01900002';
         UPDATE civil_registry.person SET portrait = NULL WHERE nik LIKE '%01900003'",
    ));
    let again = finished(enroll(&service, &[]));
    assert_eq!(number_before(&again, " templates of people who are no longer"), 3, "{again}");
    let after = templates(&service);
    assert_eq!(after.len() as u64, 60 + SITE_PEOPLE - 3);
    assert!(after.iter().all(|(key, at)| before.get(key) == Some(at)), "a template was made again");
}

#[test]
fn two_processes_share_the_work() {
    let service = TestProgram::with(SETTINGS);
    populate(&service, 240);
    let both = [enroll(&service, &["--workers", "1"]), enroll(&service, &["--workers", "1"])].map(finished);
    let embedded = both.each_ref().map(|stderr| number_before(stderr, " were embedded in this run"));
    assert_eq!(embedded[0] + embedded[1], 240 + SITE_PEOPLE, "{both:?}");
    assert!(embedded.iter().all(|embedded| *embedded > 20), "{both:?}");
}

#[test]
fn a_stopped_enrolment_writes_its_templates_and_releases_its_ranges() {
    let service = TestProgram::with(SETTINGS);
    populate(&service, 200);
    let enrolment = enroll(&service, &["--rate", "60"]);
    while templates(&service).len() < 16 {
        thread::sleep(Duration::from_millis(20));
    }
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&enrolment),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    let Output { status, stderr, .. } = enrolment.wait_with_output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("Stopped before the end"), "{stderr}");
    assert_eq!(number_before(&stderr, " were embedded in this run"), templates(&service).len() as u64);
    finished(enroll(&service, &[]));
    assert_eq!(templates(&service).len() as u64, 200 + SITE_PEOPLE);
}

#[test]
fn another_model_is_activated_under_load_without_an_error() {
    let service = TestProgram::with(SETTINGS);
    let contract_in_use = || {
        let metrics = service.get_from_operators("/metrics").1;
        let label = metrics.split("padan_model_info{contract=\"").nth(1).unwrap();
        label.split('"').next().unwrap().to_owned()
    };
    let former = contract_in_use();
    let refused = service.command(&["models", "activate", "mobilefacenet"]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("padan enroll --model mobilefacenet"));
    let (answers, over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    let answer = service.verify(&Claim::matching());
                    answers.lock().unwrap().push((answer.status, answer.reason_code));
                }
            });
        }
        let _ends = StopOnDrop(&over);
        finished(enroll(&service, &[]));
        finished(enroll(&service, &["--model", "mobilefacenet"]));
        let activated = service.command(&["models", "activate", "mobilefacenet", "--yes"]);
        assert!(activated.status.success(), "{activated:?}");
        let began = Instant::now();
        while contract_in_use() == former {
            assert!(began.elapsed() < Duration::from_secs(30), "the service does not use the active model");
            thread::sleep(Duration::from_millis(100));
        }
        thread::sleep(Duration::from_secs(1));
        let pruned = service.command(&["templates", "prune", "--yes"]);
        assert!(pruned.status.success(), "{pruned:?}");
        thread::sleep(Duration::from_secs(1));
    });
    let answers = answers.into_inner().unwrap();
    let others: Vec<_> = answers.iter().filter(|answer| **answer != (200, "VERIFIED".into())).collect();
    assert!(others.is_empty() && answers.len() > 50, "{} answers, others: {others:?}", answers.len());
    let latter = contract_in_use();
    assert!(
        templates(&service).keys().all(|key| key.starts_with(&latter)),
        "templates of the former model are left"
    );
    let used = service.runtime.block_on(
        service
            .store
            .texts("SELECT DISTINCT contract_id FROM store.audit_event WHERE contract_id IS NOT NULL"),
    );
    assert_eq!(used.len(), 2, "both models answered: {used:?}");
    let kept = service.command(&["templates", "prune", "--yes", "--contract", &latter]);
    assert!(String::from_utf8(kept.stderr).unwrap().contains("is in use"));

    assert_eq!(service.verify(&Claim::matching().photo(Photos::read("101_s2.jpg"))).status, 200);
}

#[test]
fn a_service_without_the_active_model_serves_with_the_former_until_it_is_installed() {
    let (home, deps) = (tempfile::tempdir().unwrap(), project().join(".deps"));
    let own = home.path().join(".deps");
    fs::create_dir_all(own.join("models")).unwrap();
    std::os::unix::fs::symlink(deps.join("onnxruntime"), own.join("onnxruntime")).unwrap();
    let install =
        |file: &str| fs::copy(deps.join("models").join(file), own.join("models").join(file)).unwrap();
    for file in ["sface.onnx", "yunet.onnx"] {
        install(file);
    }
    let mut service = TestProgram::in_home(home.path().to_owned(), SETTINGS);
    let behind =
        |service: &TestProgram| service.get_from_operators("/metrics").1.contains("padan_model_behind 1");
    let reports = |service: &TestProgram| service.logged().matches("cannot load the active model").count();
    let wait_until = |happens: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !happens() {
            assert!(began.elapsed() < Duration::from_mins(1), "it does not happen");
            thread::sleep(Duration::from_millis(200));
        }
    };
    // The enrolment runs where the model is installed.
    finished(enroll(&service, &["--model", "mobilefacenet"]));
    assert!(!behind(&service));
    let activated = service.command(&["models", "activate", "mobilefacenet", "--yes"]);
    assert!(activated.status.success(), "{activated:?}");
    wait_until(&|| behind(&service));
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    assert_eq!(service.get_from_operators("/readyz").0, 200);
    assert_eq!(reports(&service), 1);

    service.kill();
    service.restart();
    assert!(service.logged().contains("serving with the configured model sface"), "{}", service.logged());
    wait_until(&|| behind(&service));
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
    install("mobilefacenet.onnx");
    wait_until(&|| !behind(&service));
    assert!(service.get_from_operators("/metrics").1.contains("model_set=\"mobilefacenet\""));
    assert_eq!(service.verify(&Claim::matching()).reason_code, "VERIFIED");
}

#[test]
fn an_enrolment_that_retries_ends_on_a_signal() {
    let service = TestProgram::with(SETTINGS);
    // A server that accepts connections and never answers is no refusal.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("store.url=postgres://u@{}/d", silent.local_addr().unwrap());
    let enrolment =
        enroll(&service, &["--model", "sface", "--set", "enrolment.patience_seconds=300", "--set", &url]);
    thread::sleep(Duration::from_secs(8));
    kill_process(Pid::from_child(&enrolment), Signal::TERM).unwrap();
    let signalled = Instant::now();
    let Output { status, stderr, .. } = enrolment.wait_with_output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(signalled.elapsed() < Duration::from_secs(20), "{:?}: {stderr}", signalled.elapsed());
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("retrying in"), "it did not retry: {stderr}");
    assert!(stderr.contains("Stopped before the end"), "{stderr}");
}

#[test]
fn an_error_that_stays_ends_an_enrolment_with_its_text() {
    let service = TestProgram::with(SETTINGS);
    service.runtime.block_on(
        service.store.execute("ALTER TABLE store.face_template RENAME COLUMN covered TO covered_elsewhere"),
    );
    let began = Instant::now();
    let enrolment = enroll(&service, &["--set", "enrolment.patience_seconds=300"]);
    let Output { status, stderr, .. } = enrolment.wait_with_output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}: {stderr}", began.elapsed());
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("SQLSTATE 42703") && !stderr.contains("retrying in"), "{stderr}");
}
