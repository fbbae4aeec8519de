use padan_domain::Endpoint;

use super::*;
use crate::{
    admission::{AdmissionError, KnownClient},
    allowance::Allowance,
};

fn clients(text: &str) -> (tempfile::TempDir, Clients) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clients.toml");
    std::fs::write(&file, text).unwrap();
    let config = ClientsConfig { file: Some(file), ..ClientsConfig::default() };
    let clients = Clients::load(&config).unwrap();
    (folder, clients)
}

fn entry(name: &str, more: &str) -> String {
    let (password, key) = (digest(b"pass:word"), digest(name.as_bytes()));
    format!(
        "[[client]]\nname = \"{name}\"\nusername = \"{name}-user\"\npassword_sha256 = \"{}\"\n\
         api_key_sha256 = \"{}\"\n{more}\n",
        hex::encode(password),
        hex::encode(key)
    )
}

fn ask(
    clients: &Clients,
    user: &str,
    password: &str,
    key: &str,
    peer: &str,
) -> Result<String, AdmissionError> {
    let credentials =
        Credentials { username: user.as_bytes(), password: password.as_bytes(), api_key: key.as_bytes() };
    identify(clients, Some(credentials), None, peer)
}

fn identify(
    clients: &Clients,
    credentials: Option<Credentials<'_>>,
    certificate: Option<&ClientCertificate>,
    peer: &str,
) -> Result<String, AdmissionError> {
    let presented = Presented { credentials, certificate, address: peer.parse().unwrap() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let identified = clients.identify(presented, Endpoint::Verification);
    runtime.block_on(identified).map(|caller| caller.client.to_string())
}

#[test]
fn a_certificate_is_required_with_credentials_and_suffices_without_them() {
    let bound = |name: &str| entry(name, &format!("certificates = [\"{name}.example\"]"));
    let shared = "certificates = [\"shared.example\"]";
    let text = bound("bank") + &entry("shop", "") + &entry("a", shared) + &entry("b", shared);
    let (_folder, clients) = clients(&text);
    let certificate = |name: &str| ClientCertificate {
        sha256: [0; 32],
        alternative_names: vec![format!("{name}.example")],
    };
    let ask = |user: Option<&str>, held: Option<&str>| {
        let (username, held) = (user.map(|user| format!("{user}-user")), held.map(certificate));
        let credentials = user.zip(username.as_ref()).map(|(user, username)| Credentials {
            username: username.as_bytes(),
            password: b"pass:word",
            api_key: user.as_bytes(),
        });
        identify(&clients, credentials, held.as_ref(), "127.0.0.1")
    };
    assert_eq!(ask(Some("bank"), Some("bank")).unwrap(), "bank");
    assert_eq!(ask(None, Some("bank")).unwrap(), "bank");
    assert_eq!(ask(Some("shop"), None).unwrap(), "shop");
    assert_eq!(ask(Some("shop"), Some("bank")).unwrap(), "shop", "the credentials identify the caller");
    for held in [None, Some("shop"), Some("nobody")] {
        assert!(matches!(ask(Some("bank"), held), Err(AdmissionError::Forbidden(_))), "{held:?}");
    }
    for held in [None, Some("shop"), Some("shared"), Some("nobody")] {
        assert_eq!(ask(None, held), Err(AdmissionError::Unauthorized), "{held:?}");
    }
}

#[test]
fn user_name_password_and_key_must_all_be_right() {
    let (_folder, clients) = clients(&entry("bank", ""));
    let here = "127.0.0.1";
    assert_eq!(ask(&clients, "bank-user", "pass:word", "bank", here).unwrap(), "bank");
    for (user, password, key) in [
        ("bank", "pass:word", "bank"),
        ("bank-user", "pass", "bank"),
        ("bank-user", "pass:word", "Bank"),
        ("bank-user", "", ""),
        ("", "", ""),
    ] {
        assert_eq!(ask(&clients, user, password, key, here), Err(AdmissionError::Unauthorized));
    }
}

#[test]
fn only_a_caller_with_right_credentials_learns_that_the_client_is_disabled() {
    let (_folder, clients) = clients(&entry("shop", "disabled = true"));
    let ask = |key| ask(&clients, "shop-user", "pass:word", key, "127.0.0.1");
    assert_eq!(
        ask("shop"),
        Err(AdmissionError::Forbidden(KnownClient { name: "shop".parse().unwrap(), is_sandbox: false }))
    );
    assert_eq!(ask("wrong"), Err(AdmissionError::Unauthorized));
}

#[test]
fn networks_and_endpoints_restrict_a_client() {
    let (_folder, clients) = clients(
        &(entry("bank", "allowed_networks = [\"10.0.0.0/8\"]")
            + &entry("shop", "endpoints = [\"face-verification\"]")),
    );
    let ask = |name: &str, peer| ask(&clients, &format!("{name}-user"), "pass:word", name, peer);
    assert!(ask("bank", "10.200.3.4").is_ok());
    assert!(matches!(ask("bank", "11.0.0.1"), Err(AdmissionError::Forbidden(_))));
    assert!(matches!(ask("shop", "11.0.0.1"), Err(AdmissionError::Forbidden(_))));
}

#[test]
fn a_rate_allows_a_burst_and_then_requires_a_wait() {
    let (_folder, clients) = clients(&entry("bank", "requests_per_second = 0.5\nburst = 2"));
    let ask = || ask(&clients, "bank-user", "pass:word", "bank", "127.0.0.1");
    assert!(ask().is_ok() && ask().is_ok());
    let Err(AdmissionError::RateLimited(_, wait)) = ask() else { panic!("the third is one too many") };
    assert!(wait > Duration::from_millis(1500) && wait <= Duration::from_secs(2), "{wait:?}");
}

#[test]
fn a_guessing_caller_is_blocked_and_a_client_at_the_same_address_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clients.toml");
    std::fs::write(&file, entry("bank", "") + &entry("shop", "")).unwrap();
    let failed_credentials = Allowance { burst: 3, seconds_apart: 60 };
    let config = ClientsConfig { file: Some(file), failed_credentials, ..ClientsConfig::default() };
    let clients = Clients::load(&config).unwrap();
    let ask = |name: &str, key, peer| ask(&clients, &format!("{name}-user"), "pass:word", key, peer);
    for _ in 0..4 {
        assert_eq!(ask("bank", "guess", "192.0.2.1"), Err(AdmissionError::Unauthorized));
    }
    for name in ["bank", "nobody"] {
        assert!(matches!(ask(name, "guess", "192.0.2.1"), Err(AdmissionError::TooManyFailures(_))));
    }
    // A client that has not called before is admitted as well, for example after a restart.
    assert!(ask("bank", "bank", "192.0.2.1").is_ok() && ask("shop", "shop", "192.0.2.1").is_ok());
}

#[test]
fn a_client_that_is_often_refused_is_rate_limited() {
    let text = entry("closed", "disabled = true") + &entry("bank", "");
    let (folder, _) = clients(&text);
    let file = Some(folder.path().join("clients.toml"));
    let refusals = Allowance { burst: 3, seconds_apart: 60 };
    let clients = Clients::load(&ClientsConfig { file, refusals, ..ClientsConfig::default() }).unwrap();
    let ask = |name: &str| ask(&clients, &format!("{name}-user"), "pass:word", name, "192.0.2.1");
    for _ in 0..3 {
        assert!(matches!(ask("closed"), Err(AdmissionError::Forbidden(_))));
    }
    let Err(AdmissionError::RateLimited(_, wait)) = ask("closed") else { panic!("one refusal too many") };
    assert!(wait > Duration::from_secs(50), "{wait:?}");
    assert!((0..9).all(|_| ask("bank").is_ok()), "a client that is not refused is not rate limited");
}

#[test]
fn a_rate_applies_to_a_refused_client_as_well() {
    let (_folder, clients) = clients(&entry("shop", "disabled = true\nrequests_per_second = 0.5\nburst = 2"));
    let ask = || ask(&clients, "shop-user", "pass:word", "shop", "127.0.0.1");
    assert!(matches!(ask(), Err(AdmissionError::Forbidden(_))));
    assert!(matches!(ask(), Err(AdmissionError::Forbidden(_))));
    assert!(matches!(ask(), Err(AdmissionError::RateLimited(..))));
}

#[test]
fn the_previous_secret_is_valid_until_it_expires() {
    let until: DateTime<Utc> = "2026-11-24T00:00:00Z".parse().unwrap();
    let stored = SecretHashes { current: digest(b"new"), previous: Some((digest(b"old"), until)) };
    let before = until - chrono::TimeDelta::seconds(1);
    let valid = |secret: &[u8], now| bool::from(matches(&stored, secret, now));
    assert!(valid(b"new", before) && valid(b"new", until));
    assert!(valid(b"old", before) && !valid(b"old", until));
    assert!(!valid(b"other", before));
    assert!(!bool::from(matches(&SecretHashes::new(digest(b"new")), b"old", before)));
}

#[test]
fn a_reload_removes_a_client_and_a_broken_file_changes_nothing() {
    let (folder, clients) = clients(&entry("bank", ""));
    let file = folder.path().join("clients.toml");
    let ask = |name: &str| ask(&clients, &format!("{name}-user"), "pass:word", name, "127.0.0.1").is_ok();
    std::fs::write(&file, "[[client]]").unwrap();
    assert!(clients.reload().is_err());
    assert!(ask("bank"));
    std::fs::write(&file, entry("shop", "")).unwrap();
    assert_eq!(clients.reload().unwrap(), 1);
    assert!(!ask("bank"));
    assert!(ask("shop"));
}

#[test]
fn published_credentials_are_admitted_in_the_demo_only() {
    // Computed with `printf demo | sha256sum`.
    let hash = "2a97516c354b68848cdbd8f54a226a0a55b21ed138e207ad6c5cbb9c00aa5aea";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clients.toml");
    let entry = format!(
        "[[client]]\nname = \"demo\"\nusername = \"demo\"\npassword_sha256 = \"{hash}\"\napi_key_sha256 = \"{hash}\"\n"
    );
    std::fs::write(&file, entry).unwrap();
    let config = ClientsConfig { file: Some(file), ..ClientsConfig::default() };
    assert!(Clients::load(&config).unwrap_err().to_string().contains("published default"));
    let demo = Clients::load(&ClientsConfig { demo: true, ..config }).unwrap();
    assert_eq!(ask(&demo, "demo", "demo", "demo", "127.0.0.1").unwrap(), "demo");
    let no_file = Clients::load(&ClientsConfig { demo: true, ..ClientsConfig::default() }).unwrap();
    assert_eq!(ask(&no_file, "demo", "demo", "demo", "127.0.0.1"), Err(AdmissionError::Unauthorized));
}

#[test]
fn debug_shows_no_secret() {
    let presented = Credentials { username: b"user", password: b"secret", api_key: b"key" };
    assert_eq!(format!("{presented:?}"), "Credentials");
}
