use std::collections::HashMap;

use chrono::Utc;
use padan_openid_connect::{Config, Fault, FlowSecrets, Identity, Provider, RoleOfGroup};
use padan_testing::OpenIdProvider;
use serde_json::json;

pub(crate) fn config(issuer: &str) -> Config {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Config {
        enabled: true,
        issuer: issuer.to_owned(),
        client_id: "padan".to_owned(),
        client_secret_file: None,
        public_address: "http://127.0.0.1:9090".to_owned(),
        scopes: vec!["profile".to_owned(), "groups".to_owned()],
        groups_claim: "groups".to_owned(),
        name_claim: "preferred_username".to_owned(),
        roles: ["auditor:audit", "operator:ops"].map(role_of_group).to_vec(),
        label: "Bank".to_owned(),
        sign_out_at_provider: true,
        session_seconds: 3600.try_into().unwrap(),
        end_with_id_token: false,
        clock_skew_seconds: 60,
        timeout_ms: 700.try_into().unwrap(),
        ca_file: None,
    }
}

pub(crate) fn role_of_group(text: &str) -> RoleOfGroup {
    let (role, group) = text.split_once(':').unwrap();
    RoleOfGroup { role: role.parse().unwrap(), group: group.to_owned() }
}

pub(crate) fn flow() -> FlowSecrets {
    let secret = |digit: &str| digit.repeat(64);
    FlowSecrets { state: secret("a"), nonce: secret("b"), verifier: secret("c") }
}

/// A whole sign-in.
pub(crate) async fn sign_in(other: &OpenIdProvider, provider: &Provider) -> Result<Identity, Fault> {
    let address = provider.authorization(&flow()).await?;
    redeem(provider, &other.visit(&address)).await
}

pub(crate) async fn redeem(provider: &Provider, answer: &HashMap<String, String>) -> Result<Identity, Fault> {
    assert_eq!(answer["state"], flow().state);
    let issuer = answer.get("iss").map(String::as_str);
    provider.redeem(&answer["code"], issuer, &flow(), Utc::now()).await
}

pub(crate) fn start() -> (OpenIdProvider, Provider) {
    let other = OpenIdProvider::start();
    other.state().claims = json!({ "groups": ["staff", "ops"] });
    let provider = Provider::new(&config(other.issuer())).unwrap();
    (other, provider)
}

pub(crate) fn unavailable(outcome: &Result<Identity, Fault>) -> &str {
    match outcome {
        Err(Fault::Unavailable(cause)) => cause,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn refused(outcome: Result<Identity, Fault>) -> &'static str {
    match outcome {
        Err(Fault::Refused(cause)) => cause,
        other => panic!("{other:?}"),
    }
}
