use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use ipnet::IpNet;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{ClientsConfig, ClientsError, clients_file};

/// The clients who may call, read from a file and replaced as a whole when it is read again.
#[derive(Debug)]
pub struct Clients {
    config: ClientsConfig,
    table: RwLock<Arc<ClientTable>>,
}

/// What a caller presents, as the bytes that arrived.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The user name of Basic authentication.
    pub username: &'a [u8],
    /// The password of Basic authentication.
    pub password: &'a [u8],
    /// The key of the header `x-api-key`.
    pub api_key: &'a [u8],
}

/// The name by which a client is known in logs, metrics and audit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientName(Arc<str>);

/// Why a caller is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Unknown user, wrong password or wrong key; which of them is not told.
    #[error("missing or wrong credentials")]
    Unauthorized,
    /// The credentials are right, and the client is disabled or calls from outside its networks.
    #[error("the client is disabled or calls from outside its networks")]
    Forbidden,
}

/// A SHA-256 digest of a secret.
pub(crate) type SecretDigest = [u8; 32];

/// Clients by user name.
pub(crate) type ClientTable = HashMap<Box<[u8]>, Client>;

/// One client as the file has it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) name: ClientName,
    pub(crate) password: SecretDigest,
    pub(crate) api_key: SecretDigest,
    pub(crate) disabled: bool,
    pub(crate) networks: Vec<IpNet>,
}

impl Clients {
    /// Reads the configured file.
    pub fn load(config: &ClientsConfig) -> Result<Self, ClientsError> {
        let table = clients_file::read(config)?;
        Ok(Self { config: config.clone(), table: RwLock::new(Arc::new(table)) })
    }

    /// Reads the file again and returns the number of clients. When it cannot be read, or is not in order,
    /// the clients stay as they were.
    pub fn reload(&self) -> Result<usize, ClientsError> {
        let table = clients_file::read(&self.config)?;
        let count = table.len();
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        Ok(count)
    }

    /// How many clients there are.
    pub fn count(&self) -> usize {
        self.current().len()
    }

    /// Tells who calls. Takes the same time for an unknown user as for a wrong password or key.
    pub fn authenticate(&self, presented: Credentials<'_>, peer: IpAddr) -> Result<ClientName, AuthError> {
        // The comparison runs against this when nobody has the name. No secret hashes to zeros.
        const NOBODY: SecretDigest = [0; 32];
        let table = self.current();
        let client = table.get(presented.username);
        let (password, api_key) =
            client.map_or((&NOBODY, &NOBODY), |client| (&client.password, &client.api_key));
        let equal = digest(presented.password).ct_eq(password) & digest(presented.api_key).ct_eq(api_key);
        match client {
            Some(client) if bool::from(equal) => client.admit(peer),
            Some(_) | None => Err(AuthError::Unauthorized),
        }
    }

    fn current(&self) -> Arc<ClientTable> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Client {
    fn admit(&self, peer: IpAddr) -> Result<ClientName, AuthError> {
        // A listener on [::] sees IPv4 callers as mapped addresses.
        let peer = peer.to_canonical();
        let inside = self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&peer));
        if inside && !self.disabled { Ok(self.name.clone()) } else { Err(AuthError::Forbidden) }
    }
}

impl ClientName {
    pub(crate) fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// The digest under which a secret is kept.
pub(crate) fn digest(secret: &[u8]) -> SecretDigest {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(text: &str) -> (tempfile::TempDir, Clients) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clients.toml");
        std::fs::write(&file, text).unwrap();
        let config = ClientsConfig { file: Some(file), demo: false };
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
    ) -> Result<String, AuthError> {
        let presented =
            Credentials { username: user.as_bytes(), password: password.as_bytes(), api_key: key.as_bytes() };
        clients.authenticate(presented, peer.parse().unwrap()).map(|name| name.to_string())
    }

    #[test]
    fn all_three_must_be_right() {
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
            assert_eq!(ask(&clients, user, password, key, here), Err(AuthError::Unauthorized));
        }
    }

    #[test]
    fn only_right_credentials_learn_that_a_client_is_disabled() {
        let (_folder, clients) = clients(&entry("shop", "disabled = true"));
        let ask = |key| ask(&clients, "shop-user", "pass:word", key, "127.0.0.1");
        assert_eq!(ask("shop"), Err(AuthError::Forbidden));
        assert_eq!(ask("wrong"), Err(AuthError::Unauthorized));
    }

    #[test]
    fn networks_bound_a_client() {
        let (_folder, clients) =
            clients(&entry("bank", "allowed_networks = [\"10.0.0.0/8\", \"192.0.2.7\", \"2001:db8::/32\"]"));
        let ask = |peer| ask(&clients, "bank-user", "pass:word", "bank", peer).is_ok();
        assert!(ask("10.200.3.4"));
        assert!(ask("192.0.2.7"));
        assert!(ask("2001:db8::1"));
        assert!(ask("::ffff:10.1.1.1"), "a mapped address is an IPv4 address");
        assert!(!ask("11.0.0.1"));
        assert!(!ask("192.0.2.8"));
    }

    #[test]
    fn reading_again_takes_a_client_away_and_a_broken_file_changes_nothing() {
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
    fn the_demo_client_exists_in_the_demo_only() {
        let demo = Clients::load(&ClientsConfig { file: None, demo: true }).unwrap();
        assert_eq!(ask(&demo, "demo", "demo", "demo", "127.0.0.1").unwrap(), "demo");
        assert!(matches!(Clients::load(&ClientsConfig::default()), Err(ClientsError::NoFile)));
    }

    #[test]
    fn debug_shows_no_secret() {
        let presented = Credentials { username: b"user", password: b"secret", api_key: b"key" };
        assert_eq!(format!("{presented:?}"), "Credentials");
    }
}
