//! Enrolment of everybody: killed, shared, for another model, and what is deleted afterwards.

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

use crate::{
    photos::Photos,
    served::{Claim, Ends, Served, project},
    site::BROKEN_PORTRAIT,
};

const SETTINGS: &str =
    "[enrolment]\nrange_people = 40\nbatch_people = 16\nlease_seconds = 2\npatience_seconds = 30\n";
/// Budi's portrait is usable, that of another is not; nobody else among the site's people is both active and pictured.
const SITES_OWN: u64 = 2;

/// More people with Budi's portrait, over forty districts and as many days of birth.
fn populate(served: &Served, people: u64) {
    served.runtime.block_on(served.registry.execute(&format!(
        "INSERT INTO civil_registry.person (nik, name, date_of_birth, status, portrait, portrait_updated_at)
         SELECT (320101 + number % 40)::text || lpad((number % 28 + 1)::text, 2, '0') || '0190'
                || lpad(number::text, 4, '0'),
                'Orang Contoh', date '1990-01-01', 'active', portrait, portrait_updated_at
           FROM civil_registry.person, generate_series(1, {people}) AS number
          WHERE nik = '3174011403870000'"
    )));
}

/// When each template of a contract was written.
fn templates(served: &Served) -> BTreeMap<String, String> {
    let rows = served.runtime.block_on(served.store.texts(
        "SELECT contract_id || encode(person_key, 'hex') || ' ' || created_at FROM store.face_template",
    ));
    rows.iter().map(|row| row.split_once(' ').unwrap()).map(|(key, at)| (key.into(), at.into())).collect()
}

fn enroll(served: &Served, more: &[&str]) -> Child {
    let failures = served.folder().join("failures.csv");
    let words = [&["enroll", "--failures", failures.to_str().unwrap()], more].concat();
    served.start_command(&words)
}

fn finished(enrolment: Child) -> String {
    let Output { status, stderr, .. } = enrolment.wait_with_output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{said}");
    said
}

/// The number that stands before these words.
fn number_before(said: &str, words: &str) -> u64 {
    let before = said.split(words).next().unwrap_or_else(|| panic!("no `{words}` in {said}"));
    before.split_whitespace().last().unwrap().parse().unwrap_or_else(|_| panic!("{said}"))
}

#[test]
fn a_run_that_was_killed_twice_is_gone_on_with_and_nobody_is_embedded_twice() {
    let served = Served::with(SETTINGS);
    populate(&served, 300);
    let mut done = BTreeMap::new();
    for killed in 1..=2 {
        let mut enrolment = enroll(&served, &[]);
        let began = Instant::now();
        while templates(&served).len() < 80 * killed {
            assert!(began.elapsed() < Duration::from_mins(1), "nothing is written");
            thread::sleep(Duration::from_millis(20));
        }
        enrolment.kill().unwrap();
        enrolment.wait().unwrap();
        let now = templates(&served);
        assert!(now.len() < 300, "it was done before it was killed");
        assert!(done.iter().all(|(key, at)| now.get(key) == Some(at)), "somebody was embedded twice");
        done = now;
    }
    let said = finished(enroll(&served, &[]));
    let all = templates(&served);
    assert_eq!(all.len() as u64, 300 + SITES_OWN, "{said}");
    assert!(done.iter().all(|(key, at)| all.get(key) == Some(at)), "somebody was embedded twice");
    assert_eq!(number_before(&said, " were embedded now"), 300 + SITES_OWN - done.len() as u64);

    let list = fs::read_to_string(served.folder().join("failures.csv")).unwrap();
    assert!(list.lines().skip(1).all(|line| line == format!("{BROKEN_PORTRAIT},IMAGE_UNREADABLE")), "{list}");
    let status = String::from_utf8(served.command(&["enroll", "--status"]).stdout).unwrap();
    assert!(status.contains("sface") && status.contains("finished"), "{status}");
    assert!(status.contains("in the ranges that are done"), "{status}");
    // Everybody is done; one portrait that changed is looked at again, and one that is unusable is not.
    served.runtime.block_on(served.registry.execute(
        "UPDATE civil_registry.person SET portrait_updated_at = now() WHERE nik = '3174011403870000'",
    ));
    let again = finished(enroll(&served, &[]));
    assert_eq!(number_before(&again, " were embedded now"), 1, "{again}");
    assert_eq!(number_before(&again, " people gone through"), 300 + SITES_OWN, "{again}");
}

#[test]
fn two_processes_share_the_work() {
    let served = Served::with(SETTINGS);
    populate(&served, 240);
    let both = [enroll(&served, &["--workers", "1"]), enroll(&served, &["--workers", "1"])].map(finished);
    let embedded = both.each_ref().map(|said| number_before(said, " were embedded now"));
    assert_eq!(embedded[0] + embedded[1], 240 + SITES_OWN, "{both:?}");
    assert!(embedded.iter().all(|embedded| *embedded > 20), "{both:?}");
}

#[test]
fn a_run_that_is_told_to_end_writes_what_it_has_and_hands_back_the_rest() {
    let served = Served::with(SETTINGS);
    populate(&served, 200);
    let enrolment = enroll(&served, &["--rate", "60"]);
    while templates(&served).len() < 16 {
        thread::sleep(Duration::from_millis(20));
    }
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&enrolment),
        rustix::process::Signal::TERM,
    )
    .unwrap();
    let Output { status, stderr, .. } = enrolment.wait_with_output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("Stopped before the end"), "{said}");
    assert_eq!(number_before(&said, " were embedded now"), templates(&served).len() as u64);
    finished(enroll(&served, &[]));
    assert_eq!(templates(&served).len() as u64, 200 + SITES_OWN);
}

#[test]
fn a_model_is_exchanged_under_load_without_an_error() {
    let served = Served::with(SETTINGS);
    let contract_in_use = || {
        let metrics = served.ask_operators("/metrics").1;
        let label = metrics.split("padan_model_info{contract=\"").nth(1).unwrap();
        label.split('"').next().unwrap().to_owned()
    };
    let former = contract_in_use();
    let refused = served.command(&["models", "activate", "mobilefacenet"]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("padan enroll --model mobilefacenet"));
    let (answers, over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    let answer = served.verify(&Claim::true_one());
                    answers.lock().unwrap().push((answer.status, answer.reason_code));
                }
            });
        }
        let _ends = Ends(&over);
        finished(enroll(&served, &[]));
        finished(enroll(&served, &["--model", "mobilefacenet"]));
        let activated = served.command(&["models", "activate", "mobilefacenet"]);
        assert!(activated.status.success(), "{activated:?}");
        let began = Instant::now();
        while contract_in_use() == former {
            assert!(began.elapsed() < Duration::from_secs(30), "the service does not follow");
            thread::sleep(Duration::from_millis(100));
        }
        thread::sleep(Duration::from_secs(1));
        let pruned = served.command(&["templates", "prune"]);
        assert!(pruned.status.success(), "{pruned:?}");
        thread::sleep(Duration::from_secs(1));
    });
    let answers = answers.into_inner().unwrap();
    let others: Vec<_> = answers.iter().filter(|answer| **answer != (200, "VERIFIED".into())).collect();
    assert!(others.is_empty() && answers.len() > 50, "{} answers, others: {others:?}", answers.len());
    let latter = contract_in_use();
    assert!(
        templates(&served).keys().all(|key| key.starts_with(&latter)),
        "templates of the former model are left"
    );
    let used = served.runtime.block_on(
        served
            .store
            .texts("SELECT DISTINCT contract_id FROM store.audit_event WHERE contract_id IS NOT NULL"),
    );
    assert_eq!(used.len(), 2, "both models answered: {used:?}");
    let kept = served.command(&["templates", "prune", "--contract", &latter]);
    assert!(String::from_utf8(kept.stderr).unwrap().contains("is in use"));
    // A service that starts anew begins with the active model.
    assert_eq!(served.verify(&Claim::true_one().photo(Photos::read("101_s2.jpg"))).status, 200);
}

#[test]
fn a_service_that_lacks_the_active_model_goes_on_and_follows_when_it_is_installed() {
    let (home, deps) = (tempfile::tempdir().unwrap(), project().join(".deps"));
    let own = home.path().join(".deps");
    fs::create_dir_all(own.join("models")).unwrap();
    std::os::unix::fs::symlink(deps.join("onnxruntime"), own.join("onnxruntime")).unwrap();
    let install =
        |file: &str| fs::copy(deps.join("models").join(file), own.join("models").join(file)).unwrap();
    for file in ["sface.onnx", "yunet.onnx"] {
        install(file);
    }
    let mut served = Served::in_home(home.path().to_owned(), SETTINGS);
    let behind = |served: &Served| served.ask_operators("/metrics").1.contains("padan_model_behind 1");
    let told = |served: &Served| served.logged().matches("the active model cannot be used").count();
    let wait_until = |happens: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !happens() {
            assert!(began.elapsed() < Duration::from_mins(1), "it does not happen");
            thread::sleep(Duration::from_millis(200));
        }
    };
    // On another machine the model is there.
    finished(enroll(&served, &["--model", "mobilefacenet"]));
    assert!(!behind(&served));
    let activated = served.command(&["models", "activate", "mobilefacenet"]);
    assert!(activated.status.success(), "{activated:?}");
    wait_until(&|| behind(&served));
    assert_eq!(served.verify(&Claim::true_one()).reason_code, "VERIFIED");
    assert_eq!(served.ask_operators("/readyz").0, 200);
    assert_eq!(told(&served), 1);

    served.kill();
    served.start_again();
    assert!(served.logged().contains("and the configured sface serves"), "{}", served.logged());
    wait_until(&|| behind(&served));
    assert_eq!(served.verify(&Claim::true_one()).reason_code, "VERIFIED");
    install("mobilefacenet.onnx");
    wait_until(&|| !behind(&served));
    assert!(served.ask_operators("/metrics").1.contains("model_set=\"mobilefacenet\""));
    assert_eq!(served.verify(&Claim::true_one()).reason_code, "VERIFIED");
}
