use std::time::{Duration, Instant};

use chrono::Utc;
use padan_openid_connect::{Config, Fault, FlowSecrets, Provider};
use padan_testing::OpenIdProvider;
use serde_json::json;

use crate::fixture::{config, flow, redeem, refused, sign_in, start, unavailable};

#[tokio::test]
async fn a_code_counts_once_and_only_with_what_began_the_sign_in() {
    let (other, provider) = start();
    let address = provider.authorization(&flow()).await.unwrap();
    let answer = other.visit(&address);
    assert!(redeem(&provider, &answer).await.is_ok());
    assert!(refused(redeem(&provider, &answer).await).contains("code"), "it was used");
    let answer = other.visit(&address);
    let stolen = FlowSecrets { verifier: "d".repeat(64), ..flow() };
    let outcome = provider.redeem(&answer["code"], None, &stolen, Utc::now()).await;
    assert!(refused(outcome).contains("code"), "PKCE");
    let mut answer = other.visit(&address);
    answer.insert("iss".to_owned(), "https://evil.example".to_owned());
    assert!(refused(redeem(&provider, &answer).await).contains("another issuer"));
    for code in ["", &"x".repeat(5000)] {
        assert!(matches!(provider.redeem(code, None, &flow(), Utc::now()).await, Err(Fault::Refused(_))));
    }
    // A provider that names itself in each answer must do so in this one.
    other.state().document = json!({ "authorization_response_iss_parameter_supported": true });
    let provider = Provider::new(&config(other.issuer())).unwrap();
    let mut answer = other.visit(&provider.authorization(&flow()).await.unwrap());
    assert!(refused(redeem(&provider, &answer).await).contains("another issuer"));
    answer.insert("iss".to_owned(), other.issuer().to_owned());
    assert!(redeem(&provider, &answer).await.is_ok());
}

#[tokio::test]
async fn a_provider_that_does_not_answer_as_it_should_is_unavailable() {
    let json_type = || "Content-Type: application/json\r\n".to_owned();
    let elsewhere = OpenIdProvider::start();
    let redirect = format!("Location: {}/token\r\n", elsewhere.issuer());
    for path in ["/.well-known/openid-configuration", "/token", "/keys"] {
        for (answer, cause) in [
            ((500, json_type(), b"{}".to_vec()), "answers 500"),
            ((404, json_type(), b"{}".to_vec()), "answers 404"),
            ((302, redirect.clone(), Vec::new()), "redirect"),
            ((307, redirect.clone(), Vec::new()), "redirect"),
            ((200, json_type(), b"<html>".to_vec()), "no JSON"),
            ((200, json_type(), b"[]".to_vec()), "no JSON"),
            ((200, json_type(), Vec::new()), "no JSON"),
            ((200, json_type(), vec![b' '; 600_000]), "512 KiB"),
        ] {
            let (other, provider) = start();
            other.state().answers.insert(path.to_owned(), answer);
            let outcome = sign_in(&other, &provider).await;
            assert!(unavailable(&outcome).contains(cause), "{path}: {outcome:?}");
        }
    }
    assert!(elsewhere.state().requests.is_empty(), "no redirect was followed");

    let (other, provider) = start();
    other.state().delay = Duration::from_secs(3);
    let began = Instant::now();
    assert!(unavailable(&sign_in(&other, &provider).await).contains("in time"));
    assert!(unavailable(&sign_in(&other, &provider).await).contains("in time"));
    assert!(began.elapsed() < Duration::from_millis(2500), "the failure is remembered for a moment");
    other.state().delay = Duration::ZERO;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert!(sign_in(&other, &provider).await.is_ok(), "the provider is back");

    let nobody = Provider::new(&config("http://127.0.0.1:1")).unwrap();
    assert!(unavailable(&sign_in(&other, &nobody).await).contains("cannot be reached"));
}

#[tokio::test]
async fn a_document_of_others_or_with_unprotected_addresses_is_refused() {
    for (document, cause) in [
        (json!({ "issuer": "https://evil.example" }), "another issuer"),
        (json!({ "issuer": null }), "no JSON"),
        (json!({ "authorization_endpoint": "javascript:alert(1)" }), "not protected"),
        (json!({ "authorization_endpoint": "http://id.bank.example/authorize" }), "not protected"),
        (json!({ "token_endpoint": "http://169.254.169.254/latest" }), "not protected"),
        (json!({ "jwks_uri": "file:///etc/passwd" }), "not protected"),
        (json!({ "userinfo_endpoint": "ftp://127.0.0.1/" }), "not protected"),
        (json!({ "jwks_uri": "/keys" }), "no JSON"),
    ] {
        let (other, provider) = start();
        other.state().document = document.clone();
        let outcome = sign_in(&other, &provider).await;
        assert!(unavailable(&outcome).contains(cause), "{document}: {outcome:?}");
    }
}

#[tokio::test]
async fn the_secret_is_sent_as_the_provider_takes_it() {
    let folder = std::env::temp_dir().join(format!("padan-openid-{}", std::process::id()));
    std::fs::write(&folder, "s3cret:+ %\n").unwrap();
    let (other, _) = start();
    let config = Config { client_secret_file: Some(folder.clone()), ..config(other.issuer()) };
    assert!(sign_in(&other, &Provider::new(&config).unwrap()).await.is_ok());
    let token_request = |other: &OpenIdProvider| {
        other.state().requests.iter().rfind(|request| request.starts_with("POST /token")).unwrap().clone()
    };
    // printf %s 'padan:s3cret%3A%2B%20%25' | base64
    assert!(token_request(&other).contains("authorization: Basic cGFkYW46czNjcmV0JTNBJTJCJTIwJTI1"));
    assert!(!token_request(&other).contains("client_secret"));
    other.state().document = json!({ "token_endpoint_auth_methods_supported": ["client_secret_post"] });
    assert!(sign_in(&other, &Provider::new(&config).unwrap()).await.is_ok());
    assert!(token_request(&other).contains("client_secret=s3cret%3A%2B%20%25"));
    let body = br#"{"error":"invalid_client"}"#.to_vec();
    other.state().answers.insert("/token".to_owned(), (401, String::new(), body));
    let outcome = sign_in(&other, &Provider::new(&config).unwrap()).await;
    assert!(unavailable(&outcome).contains("client_id"), "{outcome:?}");
    std::fs::remove_file(folder).unwrap();
}
