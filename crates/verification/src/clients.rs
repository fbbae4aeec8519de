use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use padan_domain::{ClientCertificate, Clock};
use padan_store::{SecretHashes, Store};
use parking_lot::RwLock;
use subtle::{Choice, ConstantTimeEq as _};

use crate::{
    background_tasks::BackgroundTasks,
    client::{Client, ClientTable, digest},
    clients_file::{self, ClientsError},
    config::ClientsConfig,
    failed_credentials::FailedCredentials,
    quotas::Quotas,
    rates::Rates,
    stored_clients::StoredClients,
};

/// The clients that may call: those of a file, which are replaced together when it is read again, and those of the
/// store, which are read every few seconds. When both have the same user name, the file's client counts.
#[derive(Debug)]
pub struct Clients {
    config: ClientsConfig,
    clock: Clock,
    table: RwLock<Arc<ClientTable>>,
    pub(crate) stored: Option<Arc<StoredClients>>,
    pub(crate) quotas: Option<Quotas>,
    pub(crate) failed_credentials: FailedCredentials,
    pub(crate) rates: Rates,
}

/// The credentials of a caller, as received.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The user name of Basic authentication.
    pub username: &'a [u8],
    /// The password of Basic authentication.
    pub password: &'a [u8],
    /// The key of the header `x-api-key`.
    pub api_key: &'a [u8],
}

/// What identifies a caller.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// The credentials; `None` when the caller sent none. Then only a certificate can identify it.
    pub credentials: Option<Credentials<'a>>,
    /// The verified certificate of the connection.
    pub certificate: Option<&'a ClientCertificate>,
    /// The caller's address.
    pub address: IpAddr,
}

/// The result of looking up a caller.
pub(crate) enum Lookup {
    /// The credentials or the certificate belong to this client.
    Found(Box<Client>),
    /// They belong to no client.
    NotFound,
    /// They belong to no client of the file, and the store's clients are not available.
    Unavailable,
}

impl Clients {
    /// Reads the configured file, if there is one. The store's clients are not used.
    ///
    /// # Errors
    ///
    /// [`ClientsError`] when the file cannot be read or a client in it is invalid.
    pub fn load(config: &ClientsConfig) -> Result<Self, ClientsError> {
        let table = clients_file::read(config)?;
        Ok(Self {
            config: config.clone(),
            clock: Clock::System,
            table: RwLock::new(Arc::new(table)),
            stored: None,
            quotas: None,
            failed_credentials: FailedCredentials::new(config.failed_credentials),
            rates: Rates::new(config.refusals),
        })
    }

    /// Reads the configured file, and starts the task that reads the store's clients. Must be called within a Tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// [`ClientsError`] when the file cannot be read or a client in it is invalid.
    pub fn load_with_store(
        config: &ClientsConfig,
        store: &Store,
        tasks: &mut BackgroundTasks,
    ) -> Result<Self, ClientsError> {
        let loaded = Self::load(config)?;
        let seconds = |seconds: u32| Duration::from_secs(seconds.max(1).into());
        let stored = Arc::new(StoredClients::new(store.clients(), seconds(config.stale_seconds)));
        let period = seconds(config.refresh_seconds);
        tasks.spawn("clients of the store", Arc::clone(&stored).keep_reading(period));
        let quotas = Quotas::new(store.quotas(), loaded.clock);
        Ok(Self { stored: Some(stored), quotas: Some(quotas), ..loaded })
    }

    /// Reads the file again and returns the number of clients in it.
    ///
    /// # Errors
    ///
    /// [`ClientsError`] when the file cannot be read or a client in it is invalid. The clients stay as they were.
    pub fn reload(&self) -> Result<usize, ClientsError> {
        let table = clients_file::read(&self.config)?;
        let count = table.len();
        *self.table.write() = Arc::new(table);
        Ok(count)
    }

    /// The number of clients in the file.
    pub fn count_in_file(&self) -> usize {
        self.file_clients().len()
    }

    /// Looks up a caller: by its credentials if there are any, otherwise by its certificate.
    pub(crate) fn find(&self, presented: Presented<'_>) -> Lookup {
        match (presented.credentials, presented.certificate) {
            (Some(credentials), _) => self.find_by_credentials(credentials),
            (None, Some(certificate)) => self.find_by_certificate(certificate),
            (None, None) => Lookup::NotFound,
        }
    }

    /// A certificate that several clients list identifies none of them.
    fn find_by_certificate(&self, certificate: &ClientCertificate) -> Lookup {
        let in_file = self.file_clients();
        let in_store = self.stored.as_ref().map(|stored| stored.current());
        let only_in_store = in_store.iter().flatten().flat_map(|table| table.values());
        let only_in_store = only_in_store.filter(|client| !in_file.contains_key(&client.username));
        let mut holders =
            in_file.values().chain(only_in_store).filter(|client| client.rules.lists(certificate));
        match (holders.next(), holders.next()) {
            (Some(client), None) => Lookup::Found(Box::new(client.clone())),
            (None, _) if matches!(in_store, Some(None)) => Lookup::Unavailable,
            _ => Lookup::NotFound,
        }
    }

    /// Takes the same time for an unknown user as for a wrong password or key.
    fn find_by_credentials(&self, presented: Credentials<'_>) -> Lookup {
        let in_file = self.file_clients();
        let in_store = self.stored.as_ref().map(|stored| stored.current());
        let known =
            in_file.get(presented.username).or_else(|| in_store.as_ref()?.as_ref()?.get(presented.username));
        // The secrets of an unknown user are compared with this, so that the comparison takes equally long. No secret
        // has a digest of zeros.
        let no_secret = SecretHashes::new([0; 32]);
        let (password, api_key) =
            known.map_or((&no_secret, &no_secret), |client| (&client.password, &client.api_key));
        let now = self.clock.now();
        let equal = matches(password, presented.password, now) & matches(api_key, presented.api_key, now);
        match known {
            Some(client) if bool::from(equal) => Lookup::Found(Box::new(client.clone())),
            None if matches!(in_store, Some(None)) => Lookup::Unavailable,
            Some(_) | None => Lookup::NotFound,
        }
    }

    fn file_clients(&self) -> Arc<ClientTable> {
        Arc::clone(&self.table.read())
    }
}

/// Whether a secret is the current one, or the previous one while that is still valid.
fn matches(stored: &SecretHashes, presented: &[u8], now: DateTime<Utc>) -> Choice {
    let presented = digest(presented);
    let (previous, is_valid) =
        stored.previous.map_or(([0; 32], false), |(previous, until)| (previous, now < until));
    presented.ct_eq(&stored.current) | (presented.ct_eq(&previous) & Choice::from(u8::from(is_valid)))
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

#[cfg(test)]
mod tests {
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
        let (_folder, clients) =
            clients(&entry("shop", "disabled = true\nrequests_per_second = 0.5\nburst = 2"));
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
}
