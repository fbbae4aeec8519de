//! Clients of the store: what they may do, how much, and what becomes of those who guess.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    served::{Answer, Served, text_fields},
    site::{BUDI, CREDENTIALS, DISABLED},
};

/// A client's user name, password and key.
type Credentials = [String; 3];

fn secrets(served: &Served, words: &[&str]) -> Value {
    let output = served.command(&[&["client"], words, &["--json"]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn add(served: &Served, name: &str, rules: &[&str]) -> Credentials {
    let secrets = secrets(served, &[&["add", name], rules].concat());
    ["username", "password", "api_key"].map(|key| secrets[key].as_str().unwrap().to_owned())
}

fn change(served: &Served, words: &[&str]) {
    let output = served.command(&[&["client"], words].concat());
    assert!(output.status.success(), "{output:?}");
}

/// Asks for Budi's name, which costs no inference.
fn ask(served: &Served, credentials: &Credentials) -> Answer {
    ask_at(served, served.address, credentials)
}

fn ask_at(served: &Served, address: SocketAddr, credentials: &Credentials) -> Answer {
    let credentials = credentials.each_ref().map(String::as_str);
    let request = served.request_at(address, ("POST", "/identity/v1/verification"), credentials);
    request.multipart(text_fields(&[("nik", BUDI), ("name", "Budi Santoso")])).send().unwrap().into()
}

/// Asks until the answer is there, which a change takes some seconds for.
fn wait_for(served: &Served, credentials: &Credentials, reason_code: &str) {
    let began = Instant::now();
    loop {
        let answer = ask(served, credentials);
        if answer.reason_code == reason_code {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "still {}", answer.reason_code);
        thread::sleep(Duration::from_millis(100));
    }
}

fn header(answer: &Answer, name: &str) -> u64 {
    answer.headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap().parse().unwrap()
}

#[test]
fn the_doctor_tells_of_missing_clients_and_of_rights_beyond_need() {
    let served = Served::with("[clients]\nrefresh_seconds = 1\n");
    let looked = served.command(&["doctor"]);
    let said = String::from_utf8(looked.stdout).unwrap();
    assert_eq!(looked.status.code(), Some(1), "{said}");
    assert!(said.contains("it has no client") && said.contains("is a superuser"), "{said}");
    add(&served, "telco", &[]);
    let looked = served.command(&["doctor"]);
    let said = String::from_utf8(looked.stdout).unwrap();
    assert!(looked.status.success() && said.contains("is a superuser"), "{said}");
    assert!(said.contains("warn  registry") && said.contains("is a primary"), "{said}");
    assert!(!said.contains("the clock of"), "{said}");
}

#[test]
fn a_client_comes_changes_and_goes() {
    let served = Served::with("[clients]\nrefresh_seconds = 1\n");
    let first = add(&served, "telco", &[]);
    assert_eq!(ask(&served, &first).reason_code, "VERIFIED", "a new client need not wait");
    let [user, password, key] = &first;
    for wrong in
        [[user, key, password], [user, password, &"0".repeat(64)], [&"nobody".to_owned(), password, key]]
    {
        assert_eq!(ask(&served, &wrong.map(ToOwned::to_owned)).reason_code, "UNAUTHORIZED");
    }
    change(&served, &["disable", "telco"]);
    wait_for(&served, &first, "FORBIDDEN");
    change(&served, &["enable", "telco"]);
    wait_for(&served, &first, "VERIFIED");
    change(&served, &["set", "telco", "--endpoint", "face-verification"]);
    wait_for(&served, &first, "FORBIDDEN");
    change(&served, &["set", "telco", "--network", "192.0.2.0/24"]);
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(ask(&served, &first).reason_code, "FORBIDDEN");
    change(&served, &["set", "telco", "--network", "127.0.0.0/8"]);
    wait_for(&served, &first, "VERIFIED");

    let rotated = secrets(&served, &["rotate", "telco", "--keep-old", "4s"]);
    let second = [
        user.clone(),
        rotated["password"].as_str().unwrap().into(),
        rotated["api_key"].as_str().unwrap().into(),
    ];
    assert_eq!(ask(&served, &second).reason_code, "VERIFIED");
    assert_eq!(ask(&served, &first).reason_code, "VERIFIED", "the old secrets are good for a while");
    thread::sleep(Duration::from_secs(5));
    assert_eq!(ask(&served, &first).reason_code, "UNAUTHORIZED");
    assert_eq!(ask(&served, &second).reason_code, "VERIFIED");

    let shown = String::from_utf8(served.command(&["client", "show", "telco"]).stdout).unwrap();
    assert!(shown.contains("telco") && shown.contains("127.0.0.0/8"), "{shown}");
    change(&served, &["remove", "telco"]);
    wait_for(&served, &second, "UNAUTHORIZED");
    assert!(!served.command(&["client", "show", "telco"]).status.success());
    assert!(!served.command(&["client", "add", "telco", "--username", "default-username"]).status.success());

    let dump = served.store.dump();
    let everything = served.logged() + &dump + &shown;
    for secret in first.iter().skip(1).chain(&second[1..]) {
        assert!(!everything.contains(secret.as_str()), "a secret is in log, store or list");
    }
}

#[test]
fn a_rate_is_kept_and_told() {
    let served = Served::start();
    let client = add(&served, "telco", &["--rate", "1", "--burst", "3"]);
    let codes: Vec<_> = (0..5).map(|_| ask(&served, &client)).collect();
    assert_eq!(codes.iter().filter(|answer| answer.status == 200).count(), 3);
    let refused = codes.last().unwrap();
    refused.assert_refused(429, "RATE_LIMITED", "Request rate exceeded");
    assert!((1..=2).contains(&header(refused, "retry-after")));
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(ask(&served, &client).status, 200);
}

#[test]
fn a_quota_holds_over_two_processes() {
    const QUOTA: u32 = 300;
    let served = Served::start();
    let other = served.another();
    let client = add(&served, "telco", &["--daily-quota", "300", "--monthly-quota", "100000"]);
    let first = ask(&served, &client);
    assert_eq!(header(&first, "ratelimit-limit"), 300);
    assert_eq!(header(&first, "ratelimit-remaining"), 299);
    let reset = header(&first, "ratelimit-reset");
    assert!((1..=86_401).contains(&reset), "{reset}");
    let admitted = AtomicU32::new(1);
    thread::scope(|scope| {
        for address in [served.address, other.address, served.address, other.address] {
            let (served, client, admitted) = (&served, &client, &admitted);
            scope.spawn(move || {
                for _ in 0..150 {
                    if ask_at(served, address, client).status == 200 {
                        admitted.fetch_add(1, Relaxed);
                    }
                }
            });
        }
    });
    // A hundredth of the quota is taken at a time, and smaller parts near its end: none is left over in the end.
    let admitted = admitted.into_inner();
    assert!((QUOTA - 2 * 3..=QUOTA).contains(&admitted), "{admitted} of {QUOTA}");
    let refused = ask_at(&served, other.address, &client);
    refused.assert_refused(429, "QUOTA_EXCEEDED", "Quota exceeded");
    assert_eq!(header(&refused, "ratelimit-remaining"), 0);
    assert!(header(&refused, "retry-after").abs_diff(reset) < 120);
    let shown: Value =
        serde_json::from_slice(&served.command(&["client", "show", "telco", "--json"]).stdout).unwrap();
    assert_eq!(shown["used_this_day"], 300);
}

#[test]
fn what_is_not_used_of_a_quota_is_handed_back_at_the_end() {
    let mut served = Served::start();
    let client = add(&served, "telco", &["--daily-quota", "10000"]);
    assert_eq!(header(&ask(&served, &client), "ratelimit-remaining"), 9999);
    served.signal(rustix::process::Signal::TERM);
    assert!(served.process().wait().unwrap().success());
    let shown: Value =
        serde_json::from_slice(&served.command(&["client", "show", "telco", "--json"]).stdout).unwrap();
    assert_eq!(shown["used_this_day"], 1);
}

#[test]
fn who_guesses_is_slowed_down_and_locks_nobody_out() {
    let served = Served::with(
        "[clients]\nfile = \"clients.toml\"\nrefresh_seconds = 1\nfailed_credentials = { burst = 5, seconds_apart = 60 }\n",
    );
    let working = CREDENTIALS.map(ToOwned::to_owned);
    let guess = [working[0].clone(), "guess".to_owned(), working[2].clone()];
    let codes: Vec<_> = (0..8).map(|_| ask(&served, &guess).reason_code).collect();
    assert_eq!(codes.iter().filter(|code| *code == "UNAUTHORIZED").count(), 6, "{codes:?}");
    let refused = ask(&served, &guess);
    refused.assert_refused(429, "TOO_MANY_FAILURES", "Too many failed credentials");
    assert!((1..=61).contains(&header(&refused, "retry-after")));
    assert_eq!(ask(&served, &working).reason_code, "VERIFIED", "who has not called before is let in as well");
    let (_, metrics) = served.ask_operators("/metrics");
    assert!(metrics.contains(r#"reason="TOO_MANY_FAILURES",status="429"} 3"#), "{metrics}");
    let added = add(&served, "telco", &[]);
    wait_for(&served, &added, "VERIFIED");
}

#[test]
fn who_is_refused_again_and_again_does_not_fill_the_audit_trail() {
    let served = Served::start();
    let closed = DISABLED.map(ToOwned::to_owned);
    let answers: Vec<_> = (0..60).map(|_| ask(&served, &closed)).collect();
    answers[0].assert_refused(403, "FORBIDDEN", "Client is not allowed");
    let refused = answers.last().unwrap();
    refused.assert_refused(429, "RATE_LIMITED", "Request rate exceeded");
    assert!((1..=4).contains(&header(refused, "retry-after")));
    let forbidden = answers.iter().filter(|answer| answer.status == 403).count();
    assert!((20..30).contains(&forbidden), "{forbidden}");
    let used = String::from_utf8(served.command(&["usage", "--csv"]).stdout).unwrap();
    assert!(used.contains(&format!("verification,FORBIDDEN,{forbidden}")), "{used}");
}

#[test]
fn without_the_store_a_client_of_it_is_not_known_and_the_answer_is_503() {
    let served = Served::with("[clients]\nfile = \"clients.toml\"\nrefresh_seconds = 1\nstale_seconds = 2\n");
    let client = add(&served, "telco", &[]);
    assert_eq!(ask(&served, &client).reason_code, "VERIFIED");
    served.runtime.block_on(async {
        let asked = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            tokio::task::block_in_place(|| ask(&served, &client))
        };
        let answer = served.store.unavailable_during(asked).await;
        answer.assert(
            503,
            "STORE_UNAVAILABLE",
            r#"{"verification_status":false,"reason":"Something wrong in Dukcapil server","result":{"nik":null}}"#,
        );
    });
    wait_for(&served, &client, "VERIFIED");
}
