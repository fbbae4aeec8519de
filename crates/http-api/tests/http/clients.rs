//! Clients in the store: their rules, rates and quotas, and the limits for wrong credentials.

use std::{thread, time::Duration};

use padan_domain::{ClientRules, RequestRate};
use padan_test_service::{CREDENTIALS, DISABLED, TestService};

#[test]
fn a_rate_is_enforced_and_retry_after_is_sent() {
    let service = TestService::start();
    let client = service.add_client_with(
        "telco",
        ClientRules { rate: Some(RequestRate::new(1.0, Some(3)).unwrap()), ..ClientRules::default() },
        false,
    );
    let codes: Vec<_> = (0..5).map(|_| service.verify_name(&client)).collect();
    assert_eq!(codes.iter().filter(|answer| answer.status == 200).count(), 3);
    let refused = codes.last().unwrap();
    refused.assert_refused(429, "RATE_LIMITED", "Request rate exceeded");
    assert!((1..=2).contains(&refused.number_in("retry-after")));
    thread::sleep(Duration::from_millis(1100));
    assert_eq!(service.verify_name(&client).status, 200);
}

#[test]
fn guessing_is_slowed_down_and_locks_no_client_out() {
    let service = TestService::with(
        "[clients]\nfile = \"clients.toml\"\nrefresh_seconds = 1\nfailed_credentials = { burst = 5, seconds_apart = 60 }\n",
    );
    let working = CREDENTIALS.map(ToOwned::to_owned);
    let guess = [working[0].clone(), "guess".to_owned(), working[2].clone()];
    let codes: Vec<_> = (0..8).map(|_| service.verify_name(&guess).reason_code).collect();
    assert_eq!(codes.iter().filter(|code| *code == "UNAUTHORIZED").count(), 6, "{codes:?}");
    let refused = service.verify_name(&guess);
    refused.assert_refused(429, "TOO_MANY_FAILURES", "Too many failed credentials");
    assert!((1..=61).contains(&refused.number_in("retry-after")));
    assert_eq!(
        service.verify_name(&working).reason_code,
        "VERIFIED",
        "a client that has not called before is admitted as well"
    );
    let (_, metrics) = service.get_from_operators("/metrics");
    assert!(metrics.contains(r#"reason="TOO_MANY_FAILURES",status="429"} 3"#), "{metrics}");
    let added = service.add_client("telco");
    service.wait_for(&added, "VERIFIED");
}

#[test]
fn a_client_that_is_refused_repeatedly_does_not_fill_the_audit_trail() {
    let service = TestService::start();
    let closed = DISABLED.map(ToOwned::to_owned);
    let answers: Vec<_> = (0..60).map(|_| service.verify_name(&closed)).collect();
    answers[0].assert_refused(403, "FORBIDDEN", "Client is not allowed");
    let refused = answers.last().unwrap();
    refused.assert_refused(429, "RATE_LIMITED", "Request rate exceeded");
    assert!((1..=4).contains(&refused.number_in("retry-after")));
    let forbidden = answers.iter().filter(|answer| answer.status == 403).count();
    assert!((20..30).contains(&forbidden), "{forbidden}");
    assert_eq!(usize::try_from(service.calls("verification", "FORBIDDEN")), Ok(forbidden));
}

#[test]
fn a_client_in_the_store_is_answered_503_while_the_store_is_down() {
    let service =
        TestService::with("[clients]\nfile = \"clients.toml\"\nrefresh_seconds = 1\nstale_seconds = 2\n");
    let client = service.add_client("telco");
    assert_eq!(service.verify_name(&client).reason_code, "VERIFIED");
    service.runtime.block_on(async {
        let delayed_request = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            tokio::task::block_in_place(|| service.verify_name(&client))
        };
        let answer = service.store.unavailable_during(delayed_request).await;
        answer.assert(
            503,
            "STORE_UNAVAILABLE",
            r#"{"verification_status":false,"reason":"Something wrong in Dukcapil server","result":{"nik":null}}"#,
        );
    });
    service.wait_for(&client, "VERIFIED");
}
