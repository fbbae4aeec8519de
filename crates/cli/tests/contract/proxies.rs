//! Who calls, behind proxies.

use crate::{
    served::{Answer, Served, text_fields},
    site::{BUDI, ELSEWHERE},
};

/// Asks for Budi's name, as a proxy passes it on.
fn ask(served: &Served, credentials: [&str; 3], forwarded: &str) -> Answer {
    let form = text_fields(&[("nik", BUDI), ("name", "Budi Santoso")]);
    let request = served.request("POST", "/identity/v1/verification", credentials).multipart(form);
    request.header("x-forwarded-for", forwarded).send().unwrap().into()
}

#[test]
fn a_trusted_proxy_says_who_calls_to_lists_limits_and_log() {
    let served = Served::with("[http]\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\n");
    assert_eq!(ask(&served, ELSEWHERE, "192.0.2.7").reason_code, "VERIFIED");
    assert_eq!(ask(&served, ELSEWHERE, "192.0.2.7, 10.0.0.9").reason_code, "VERIFIED");
    let claimed = ask(&served, ELSEWHERE, "192.0.2.7, 198.51.100.1");
    assert_eq!(claimed.reason_code, "FORBIDDEN", "what the caller wrote itself does not count");

    let guess = |address: &str| ask(&served, ["branch-user", "guess", "guess"], address).reason_code;
    let guesses: Vec<_> = (0..25).map(|_| guess("203.0.113.9")).collect();
    assert_eq!((&*guesses[0], &*guesses[24]), ("UNAUTHORIZED", "TOO_MANY_FAILURES"));
    assert_eq!(guess("203.0.113.10"), "UNAUTHORIZED", "another caller of the same proxy is listened to");

    let log = served.logged();
    let peers = ["192.0.2.7", "198.51.100.1", "203.0.113.9"].map(|peer| format!("\"peer\":\"{peer}\""));
    assert!(peers.iter().all(|peer| log.contains(peer)), "{log}");
    assert!(!log.contains("\"peer\":\"127.0.0.1\""), "{log}");
}

#[test]
fn nobody_elses_claim_counts() {
    let served = Served::start();
    assert_eq!(ask(&served, ELSEWHERE, "192.0.2.7").reason_code, "FORBIDDEN");
    assert!(!served.logged().contains("192.0.2.7"));
}
