//! TLS: renewal of certificates, and client certificates.

use std::{
    fs,
    io::Read as _,
    io::Write as _,
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use padan_test_service::{BUDI, CREDENTIALS, text_fields};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, date_time_ymd};
use reqwest::{
    Certificate, Identity,
    blocking::{Client, ClientBuilder},
    tls::Version,
};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::service::TestProgram;

const TLS: &str = "[http.tls]\ncertificate_file = \"chain.pem\"\nprivate_key_file = \"key.pem\"\n";

/// A certificate authority that the test creates.
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

fn trusting(authority: &Authority) -> ClientBuilder {
    let root = Certificate::from_pem(authority.pem().as_bytes()).unwrap();
    Client::builder().no_proxy().timeout(Duration::from_secs(30)).tls_certs_only([root])
}

/// Verifies Budi's NIK, with or without credentials, and returns the reason code.
fn verify_nik(
    service: &TestProgram,
    client: &Client,
    credentials: Option<[&str; 3]>,
) -> Result<String, reqwest::Error> {
    let url = format!("https://{}/identity/v1/verification", service.address);
    let mut request = client.post(url).multipart(text_fields(&[("nik", BUDI)]));
    if let Some([user, password, key]) = credentials {
        request = request.basic_auth(user, Some(password)).header("x-api-key", key);
    }
    request.send().map(|answer| answer.headers()["reason-code"].to_str().unwrap().to_owned())
}

#[test]
fn a_renewed_certificate_is_used_without_a_restart() {
    let (first, second) = (authority(), authority());
    let [certificate, key] = issue(&first, "padan.example", 2038);
    let service = TestProgram::with_files(TLS, &[("chain.pem", &certificate), ("key.pem", &key)]);
    for version in [Version::TLS_1_2, Version::TLS_1_3] {
        let client = trusting(&first).tls_version_min(version).tls_version_max(version).build().unwrap();
        assert_eq!(verify_nik(&service, &client, Some(CREDENTIALS)).unwrap(), "VERIFIED", "{version:?}");
    }
    let expiry =
        |at: u64| format!("padan_tls_certificate_expiry_timestamp_seconds{{listener=\"public\"}} {at}");
    // 2038-01-01 and 2039-01-01, by `date --utc +%s`.
    assert!(service.get_from_operators("/metrics").1.contains(&expiry(2_145_916_800)));

    // Plain HTTP gets no HTTP answer, and does not disturb other connections.
    let mut plain = service.connect();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: padan\r\n\r\n").unwrap();
    let mut received = Vec::new();
    let _ = plain.read_to_end(&mut received);
    assert!(!received.starts_with(b"HTTP"), "{received:?}");

    let staying = trusting(&first).build().unwrap();
    assert_eq!(verify_nik(&service, &staying, Some(CREDENTIALS)).unwrap(), "VERIFIED");
    install(service.folder(), &issue(&second, "padan.example", 2039));
    service.reload();
    let renewed = trusting(&second).build().unwrap();
    assert_eq!(verify_nik(&service, &renewed, Some(CREDENTIALS)).unwrap(), "VERIFIED");
    assert!(verify_nik(&service, &trusting(&first).build().unwrap(), Some(CREDENTIALS)).is_err());
    assert_eq!(
        verify_nik(&service, &staying, Some(CREDENTIALS)).unwrap(),
        "VERIFIED",
        "its connection stays open"
    );
    assert!(service.get_from_operators("/metrics").1.contains(&expiry(2_177_452_800)));

    // A key that belongs to another certificate is refused, and the former pair stays in use.
    let [_, other_key] = issue(&second, "padan.example", 2039);
    fs::write(service.folder().join("key.pem"), other_key).unwrap();
    service.reload();
    assert!(service.logged().contains("settings reloaded in part"), "{}", service.logged());
    assert!(service.logged().contains("certificates not reloaded"), "{}", service.logged());
    assert_eq!(
        verify_nik(&service, &trusting(&second).build().unwrap(), Some(CREDENTIALS)).unwrap(),
        "VERIFIED"
    );
}

#[test]
fn a_client_can_be_bound_to_a_certificate() {
    let (servers, clients, strangers) = (authority(), authority(), authority());
    let [certificate, key] = issue(&servers, "padan.example", 2038);
    let settings = format!("{TLS}client_ca_file = \"clients.pem\"\n");
    let files = [("chain.pem", &*certificate), ("key.pem", &*key), ("clients.pem", &*clients.pem())];
    let service = TestProgram::with_files(&settings, &files);
    service.change_clients(
        "allowed_networks = [\"127",
        "certificates = [\"bank.example\"]\nallowed_networks = [\"127",
    );
    let holding = |authority: &Authority, name: &str| {
        let identity = Identity::from_pem(issue(authority, name, 2038).concat().as_bytes()).unwrap();
        trusting(&servers).identity(identity).build().unwrap()
    };
    let (bank, shop) = (holding(&clients, "bank.example"), holding(&clients, "shop.example"));
    let without_certificate = trusting(&servers).build().unwrap();
    assert_eq!(verify_nik(&service, &bank, Some(CREDENTIALS)).unwrap(), "VERIFIED");
    assert_eq!(
        verify_nik(&service, &bank, None).unwrap(),
        "UNAUTHORIZED",
        "a certificate does not replace credentials"
    );
    assert_eq!(verify_nik(&service, &bank, Some(["bank-user", "guess", "guess"])).unwrap(), "UNAUTHORIZED");
    assert_eq!(verify_nik(&service, &shop, Some(CREDENTIALS)).unwrap(), "FORBIDDEN");
    assert_eq!(verify_nik(&service, &without_certificate, Some(CREDENTIALS)).unwrap(), "FORBIDDEN");
    assert_eq!(verify_nik(&service, &without_certificate, None).unwrap(), "UNAUTHORIZED");
    let stranger = holding(&strangers, "bank.example");
    assert!(verify_nik(&service, &stranger, Some(CREDENTIALS)).is_err(), "its issuer is not trusted");

    // The authority is replaced: certificates of the former one are no longer accepted.
    fs::write(service.folder().join("clients.pem"), strangers.pem()).unwrap();
    service.reload();
    assert_eq!(
        verify_nik(&service, &holding(&strangers, "bank.example"), Some(CREDENTIALS)).unwrap(),
        "VERIFIED"
    );
    assert!(verify_nik(&service, &holding(&clients, "bank.example"), Some(CREDENTIALS)).is_err());
    service.change_settings("client_ca_file", "client_certificate_required = true\nclient_ca_file");
    service.reload();
    assert!(verify_nik(&service, &trusting(&servers).build().unwrap(), Some(CREDENTIALS)).is_err());
    assert_eq!(service.command(&["config", "check"]).status.code(), Some(0));
}

#[test]
fn a_certificate_can_replace_credentials_and_the_operators_listener_can_use_tls() {
    let (authority, clients) = (authority(), authority());
    let [certificate, key] = issue(&authority, "padan.example", 2038);
    let settings =
        format!("{TLS}admin = true\nclient_ca_file = \"clients.pem\"\nclient_certificate_suffices = true\n");
    let files = [("chain.pem", &*certificate), ("key.pem", &*key), ("clients.pem", &*clients.pem())];
    let service = TestProgram::with_files_without_waiting(&settings, &files);
    service.change_clients("name = \"bank\"", "certificates = [\"bank.example\"]\nname = \"bank\"");
    let holding = |name: &str| {
        let identity = Identity::from_pem(issue(&clients, name, 2038).concat().as_bytes()).unwrap();
        trusting(&authority).identity(identity).build().unwrap()
    };
    assert_eq!(verify_nik(&service, &holding("bank.example"), None).unwrap(), "VERIFIED");
    assert_eq!(verify_nik(&service, &holding("shop.example"), None).unwrap(), "UNAUTHORIZED");
    let guess = Some(["bank-user", "guess", "guess"]);
    assert_eq!(verify_nik(&service, &holding("bank.example"), guess).unwrap(), "UNAUTHORIZED");
    let client = trusting(&authority).build().unwrap();
    assert_eq!(verify_nik(&service, &client, None).unwrap(), "UNAUTHORIZED");
    let alive = client.get(format!("https://{}/healthz", service.operators_address())).send().unwrap();
    assert_eq!(alive.status(), 200);
}

/// A connection on which the test writes and reads single bytes.
fn connect_over_tls(
    service: &TestProgram,
    authority: &Authority,
) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), "padan.example".try_into().unwrap()).unwrap();
    StreamOwned::new(connection, service.connect())
}

#[test]
fn a_later_head_that_is_not_completed_ends_a_connection_with_tls() {
    let authority = authority();
    let [certificate, key] = issue(&authority, "padan.example", 2038);
    let settings = format!("[http]\nhead_timeout_ms = 700\n{TLS}");
    let service = TestProgram::with_files(&settings, &[("chain.pem", &certificate), ("key.pem", &key)]);
    let head = b"GET /nowhere HTTP/1.1\r\nHost: padan.example\r\n";
    // One byte, then nothing; and a head of which a byte comes every 50 ms.
    for drips in [false, true] {
        let mut connection = connect_over_tls(&service, &authority);
        connection.write_all(head).unwrap();
        connection.write_all(b"\r\n").unwrap();
        let mut received = Vec::new();
        while !received.ends_with(b"}") {
            let mut bytes = [0; 4096];
            let length = connection.read(&mut bytes).unwrap();
            received.extend_from_slice(&bytes[..length]);
        }
        assert!(received.starts_with(b"HTTP/1.1 404 "), "{}", String::from_utf8_lossy(&received));
        let began = Instant::now();
        if drips {
            let mut bytes = head.iter().cycle();
            while began.elapsed() < Duration::from_secs(10)
                && bytes.next().is_some_and(|byte| connection.write_all(&[*byte]).is_ok())
            {
                std::thread::sleep(Duration::from_millis(50));
            }
        } else {
            connection.write_all(b"G").unwrap();
            let mut answer = Vec::new();
            let _ = connection.read_to_end(&mut answer);
            assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
        }
        let took = began.elapsed();
        assert!((Duration::from_millis(600)..Duration::from_secs(5)).contains(&took), "{took:?}");
    }
}
