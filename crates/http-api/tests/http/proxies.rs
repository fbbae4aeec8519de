//! The client's address behind proxies.

use padan_test_service::{Answer, BUDI, ELSEWHERE, TestService, ran_in_own_process, text_fields};

/// Verifies Budi's name through a proxy that forwards this `X-Forwarded-For` header.
fn verify_through_proxy(service: &TestService, credentials: [&str; 3], forwarded: &str) -> Answer {
    let form = text_fields(&[("nik", BUDI), ("name", "Budi Santoso")]);
    let request = service.request("POST", "/identity/v1/verification", credentials).multipart(form);
    request.header("x-forwarded-for", forwarded).send().unwrap().into()
}

#[test]
fn the_address_from_a_trusted_proxy_is_used_for_networks_limits_and_log() {
    if ran_in_own_process() {
        return;
    }
    let service = TestService::with("[http]\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\n");
    assert_eq!(verify_through_proxy(&service, ELSEWHERE, "192.0.2.7").reason_code, "VERIFIED");
    assert_eq!(verify_through_proxy(&service, ELSEWHERE, "192.0.2.7, 10.0.0.9").reason_code, "VERIFIED");
    let claimed = verify_through_proxy(&service, ELSEWHERE, "192.0.2.7, 198.51.100.1");
    assert_eq!(claimed.reason_code, "FORBIDDEN", "an address that the client itself wrote is ignored");

    let guess = |address: &str| {
        verify_through_proxy(&service, ["branch-user", "guess", "guess"], address).reason_code
    };
    let guesses: Vec<_> = (0..25).map(|_| guess("203.0.113.9")).collect();
    assert_eq!((&*guesses[0], &*guesses[24]), ("UNAUTHORIZED", "TOO_MANY_FAILURES"));
    assert_eq!(guess("203.0.113.10"), "UNAUTHORIZED", "another client of the same proxy is not limited");

    let log = service.logged();
    let peers = ["192.0.2.7", "198.51.100.1", "203.0.113.9"].map(|peer| format!("\"peer\":\"{peer}\""));
    assert!(peers.iter().all(|peer| log.contains(peer)), "{log}");
    assert!(!log.contains("\"peer\":\"127.0.0.1\""), "{log}");
}

#[test]
fn a_forwarded_address_from_an_untrusted_client_is_ignored() {
    if ran_in_own_process() {
        return;
    }
    let service = TestService::start();
    assert_eq!(verify_through_proxy(&service, ELSEWHERE, "192.0.2.7").reason_code, "FORBIDDEN");
    assert!(!service.logged().contains("192.0.2.7"));
}
