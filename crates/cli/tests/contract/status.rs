//! `padan status`, which asks a running service.

use padan_testing::assert_documented;
use serde_json::Value;

use crate::{clients::add, service::TestProgram};

fn url(service: &TestProgram) -> String {
    format!("http://{}", service.admin)
}

#[test]
fn a_running_service_is_shown_in_text_and_json() {
    let service = TestProgram::with("[clients]\nrefresh_seconds = 1\n");
    let credentials = add(&service, "telco", &[]);
    service.wait_for(&credentials, "VERIFIED");
    let url = url(&service);
    let output = service.command(&["status", "--json", "--url", &url]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_documented("status", &document);
    assert_eq!((&document["ready"], output.status.code()), (&true.into(), Some(0)), "{document:#}");
    assert!(document["last_minute"]["requests"].as_u64().unwrap() >= 1, "{document:#}");
    assert!(document["last_minute"]["p50_milliseconds"].as_f64().unwrap() >= 1.0, "{document:#}");
    assert!(document["audit"]["rows"].as_u64().unwrap() >= 1, "{document:#}");
    assert!(document["audit"]["last_commit_at"].is_string(), "{document:#}");
    let text = String::from_utf8(service.command(&["status", "--url", &url]).stdout).unwrap();
    let first = format!("padan        {}, ready, up for ", env!("CARGO_PKG_VERSION"));
    assert!(text.starts_with(&first), "{text}");
    for name in ["model ", "requests ", "latency ", "queue ", "replica ", "store ", "audit "] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name}: {text}");
    }
    // No client, person or secret is told.
    assert!(!format!("{document}{text}").contains("telco"), "{document:#}");
}

#[test]
fn a_service_without_its_registry_is_not_ready() {
    let service = TestProgram::without_registry();
    let url = url(&service);
    let output = service.command(&["status", "--url", &url]);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("NOT READY") && text.contains("not ready    registry: "), "{text}");
}

#[test]
fn without_a_service_the_error_says_what_to_do() {
    let service = TestProgram::start();
    let nobody = service.runtime.block_on(padan_testing::refused_address());
    let output = service.command(&["status", "--url", &format!("http://{nobody}")]);
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(7), true));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(&format!("no service answers at http://{nobody}/status: start it")), "{text}");
    // The public listener is not the operators' one.
    let output = service.command(&["status", "--json", "--url", &format!("http://{}", service.address)]);
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((error["error"]["exit_code"].as_u64(), output.status.code()), (Some(7), Some(7)));
    assert!(error["error"]["message"].as_str().unwrap().contains("this is the public listener"), "{error}");
}
