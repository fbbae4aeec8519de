use std::path::PathBuf;

use padan_openid_connect::Config;

use crate::fixture::config;

type Change = (&'static str, fn(&mut Config));

#[test]
fn settings_that_cannot_work_are_refused_with_their_key() {
    let right = || config("https://id.bank.example/realms/staff");
    right().validate().unwrap();
    let changes: [Change; 18] = [
        ("issuer", |config| config.issuer = String::new()),
        ("issuer", |config| config.issuer = "id.bank.example".to_owned()),
        ("issuer", |config| config.issuer = "http://id.bank.example".to_owned()),
        ("issuer", |config| config.issuer = "http://127.0.0.1.evil.example".to_owned()),
        ("issuer", |config| config.issuer = "http://localhost.evil.example".to_owned()),
        ("issuer", |config| config.issuer = "https://user:password@id.bank.example".to_owned()),
        ("issuer", |config| config.issuer = "https://id.bank.example/?a=b".to_owned()),
        ("issuer", |config| config.issuer = "https://id.bank.example/#a".to_owned()),
        ("public_address", |config| config.public_address = "http://padan.bank.example:9090".to_owned()),
        ("public_address", |config| config.public_address = "https://padan.bank.example/console/".to_owned()),
        ("client_id", |config| config.client_id = String::new()),
        ("client_id", |config| config.client_id = "a b".to_owned()),
        ("roles", |config| config.roles = Vec::new()),
        ("scopes", |config| config.scopes = vec!["a b".to_owned()]),
        ("label", |config| config.label = "x".repeat(41)),
        ("clock_skew_seconds", |config| config.clock_skew_seconds = 301),
        ("client_secret_file", |config| config.client_secret_file = Some(PathBuf::from("/nonexistent"))),
        ("ca_file", |config| config.ca_file = Some(PathBuf::from("/dev/zero"))),
    ];
    for (key, change) in changes {
        let mut config = right();
        change(&mut config);
        let error = config.validate().unwrap_err().to_string();
        assert!(error.starts_with(&format!("openid_connect.{key}")), "{key}: {error}");
        config.enabled = false;
        config.validate().unwrap();
    }
    for local in ["http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:8080/realms/a"] {
        Config { issuer: local.to_owned(), ..right() }.validate().unwrap();
    }
}
