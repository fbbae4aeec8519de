//! TLS: certificates that are renewed, and certificates of clients.

use std::{fs, io::Read as _, io::Write as _, path::Path, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, date_time_ymd};
use reqwest::{
    Certificate, Identity,
    blocking::{Client, ClientBuilder},
    tls::Version,
};

use crate::{
    served::{Served, text_fields},
    site::{BUDI, CREDENTIALS},
};

const TLS: &str = "[http.tls]\ncertificate_file = \"chain.pem\"\nprivate_key_file = \"key.pem\"\n";

/// An authority that the test makes.
type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, in PEM.
fn issue(authority: &Authority, name: &str, ends: i32) -> [String; 2] {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
    params.not_after = date_time_ymd(ends, 1, 1);
    let key = KeyPair::generate().unwrap();
    [params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem()]
}

fn install(folder: &Path, [certificate, key]: &[String; 2]) {
    fs::write(folder.join("chain.pem"), certificate).unwrap();
    fs::write(folder.join("key.pem"), key).unwrap();
}

/// Settings and the files that they name.
fn served(settings: &str, files: &[(&str, &str)]) -> Served {
    Served::with_files(settings, files)
}

fn trusting(authority: &Authority) -> ClientBuilder {
    let root = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    Client::builder().no_proxy().timeout(Duration::from_secs(30)).tls_certs_only([root])
}

/// Asks for Budi, with credentials or without. The reason code, or why there is no answer.
fn ask(served: &Served, client: &Client, credentials: Option<[&str; 3]>) -> Result<String, reqwest::Error> {
    let url = format!("https://{}/identity/v1/verification", served.address);
    let mut request = client.post(url).multipart(text_fields(&[("nik", BUDI)]));
    if let Some([user, password, key]) = credentials {
        request = request.basic_auth(user, Some(password)).header("x-api-key", key);
    }
    request.send().map(|answer| answer.headers()["reason-code"].to_str().unwrap().to_owned())
}

#[test]
fn tls_is_spoken_and_a_renewed_certificate_is_taken_up_without_a_restart() {
    let (first, second) = (authority(), authority());
    let [certificate, key] = issue(&first, "padan.example", 2038);
    let served = served(TLS, &[("chain.pem", &certificate), ("key.pem", &key)]);
    for version in [Version::TLS_1_2, Version::TLS_1_3] {
        let client = trusting(&first).tls_version_min(version).tls_version_max(version).build().unwrap();
        assert_eq!(ask(&served, &client, Some(CREDENTIALS)).unwrap(), "VERIFIED", "{version:?}");
    }
    let expiry =
        |at: u64| format!("padan_tls_certificate_expiry_timestamp_seconds{{listener=\"public\"}} {at}");
    // 2038-01-01 and 2039-01-01, by `date --utc +%s`.
    assert!(served.ask_operators("/metrics").1.contains(&expiry(2_145_916_800)));

    // Plain HTTP gets no answer of ours, and nobody else is disturbed.
    let mut plain = served.connect();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: padan\r\n\r\n").unwrap();
    let mut received = Vec::new();
    let _ = plain.read_to_end(&mut received);
    assert!(!received.starts_with(b"HTTP"), "{received:?}");

    let staying = trusting(&first).build().unwrap();
    assert_eq!(ask(&served, &staying, Some(CREDENTIALS)).unwrap(), "VERIFIED");
    install(served.folder(), &issue(&second, "padan.example", 2039));
    served.read_again();
    let renewed = trusting(&second).build().unwrap();
    assert_eq!(ask(&served, &renewed, Some(CREDENTIALS)).unwrap(), "VERIFIED");
    assert!(ask(&served, &trusting(&first).build().unwrap(), Some(CREDENTIALS)).is_err());
    assert_eq!(ask(&served, &staying, Some(CREDENTIALS)).unwrap(), "VERIFIED", "its connection is open");
    assert!(served.ask_operators("/metrics").1.contains(&expiry(2_177_452_800)));

    // A key that belongs to another certificate changes nothing.
    let [_, other_key] = issue(&second, "padan.example", 2039);
    fs::write(served.folder().join("key.pem"), other_key).unwrap();
    served.read_again();
    assert!(served.logged().contains("read again in part"), "{}", served.logged());
    assert!(served.logged().contains("the certificates stay as they were"), "{}", served.logged());
    assert_eq!(ask(&served, &trusting(&second).build().unwrap(), Some(CREDENTIALS)).unwrap(), "VERIFIED");
}

#[test]
fn a_client_can_be_bound_to_a_certificate() {
    let (servers, clients, strangers) = (authority(), authority(), authority());
    let [certificate, key] = issue(&servers, "padan.example", 2038);
    let settings = format!("{TLS}client_ca_file = \"clients.pem\"\n");
    let files = [("chain.pem", &*certificate), ("key.pem", &*key), ("clients.pem", &*clients.pem())];
    let served = served(&settings, &files);
    served.change_clients(
        "allowed_networks = [\"127",
        "certificates = [\"bank.example\"]\nallowed_networks = [\"127",
    );
    let holding = |authority: &Authority, name: &str| {
        let identity = Identity::from_pem(issue(authority, name, 2038).concat().as_bytes()).unwrap();
        trusting(&servers).identity(identity).build().unwrap()
    };
    let (bank, shop) = (holding(&clients, "bank.example"), holding(&clients, "shop.example"));
    let nobody = trusting(&servers).build().unwrap();
    assert_eq!(ask(&served, &bank, Some(CREDENTIALS)).unwrap(), "VERIFIED");
    assert_eq!(ask(&served, &bank, None).unwrap(), "UNAUTHORIZED", "it does not stand for credentials");
    assert_eq!(ask(&served, &bank, Some(["bank-user", "guess", "guess"])).unwrap(), "UNAUTHORIZED");
    assert_eq!(ask(&served, &shop, Some(CREDENTIALS)).unwrap(), "FORBIDDEN");
    assert_eq!(ask(&served, &nobody, Some(CREDENTIALS)).unwrap(), "FORBIDDEN");
    assert_eq!(ask(&served, &nobody, None).unwrap(), "UNAUTHORIZED");
    let stranger = holding(&strangers, "bank.example");
    assert!(ask(&served, &stranger, Some(CREDENTIALS)).is_err(), "nobody we know has issued it");

    // The authority is replaced: what it issued no longer opens a connection.
    fs::write(served.folder().join("clients.pem"), strangers.pem()).unwrap();
    served.read_again();
    assert_eq!(ask(&served, &holding(&strangers, "bank.example"), Some(CREDENTIALS)).unwrap(), "VERIFIED");
    assert!(ask(&served, &holding(&clients, "bank.example"), Some(CREDENTIALS)).is_err());
    served.change_settings("client_ca_file", "client_certificate_required = true\nclient_ca_file");
    served.read_again();
    assert!(ask(&served, &trusting(&servers).build().unwrap(), Some(CREDENTIALS)).is_err());
    assert_eq!(served.command(&["config", "check"]).status.code(), Some(0));
}

#[test]
fn a_certificate_can_stand_for_credentials_and_the_operators_listener_be_encrypted_too() {
    let (authority, clients) = (authority(), authority());
    let [certificate, key] = issue(&authority, "padan.example", 2038);
    let settings =
        format!("{TLS}admin = true\nclient_ca_file = \"clients.pem\"\nclient_certificate_suffices = true\n");
    let files = [("chain.pem", &*certificate), ("key.pem", &*key), ("clients.pem", &*clients.pem())];
    let served = Served::with_files_not_awaited(&settings, &files);
    served.change_clients("name = \"bank\"", "certificates = [\"bank.example\"]\nname = \"bank\"");
    let holding = |name: &str| {
        let identity = Identity::from_pem(issue(&clients, name, 2038).concat().as_bytes()).unwrap();
        trusting(&authority).identity(identity).build().unwrap()
    };
    assert_eq!(ask(&served, &holding("bank.example"), None).unwrap(), "VERIFIED");
    assert_eq!(ask(&served, &holding("shop.example"), None).unwrap(), "UNAUTHORIZED");
    let guess = Some(["bank-user", "guess", "guess"]);
    assert_eq!(ask(&served, &holding("bank.example"), guess).unwrap(), "UNAUTHORIZED");
    let client = trusting(&authority).build().unwrap();
    assert_eq!(ask(&served, &client, None).unwrap(), "UNAUTHORIZED");
    let alive = client.get(format!("https://{}/healthz", served.operators_address())).send().unwrap();
    assert_eq!(alive.status(), 200);
}
