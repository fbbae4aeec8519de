use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use serde::Deserialize;

use crate::{
    ClientName, ClientsConfig,
    clients::{Client, ClientTable, SecretDigest, digest},
};

/// Why the clients could not be read. No variant holds a secret or its digest.
#[derive(Debug, thiserror::Error)]
pub enum ClientsError {
    /// No file is configured.
    #[error("clients.file is not set, so nobody could call the service; name a TOML file of clients")]
    NoFile,
    /// The file cannot be read.
    #[error("the clients' file {} cannot be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not TOML of the documented form.
    #[error("the clients' file {}, line {line}: {message}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A client's entry is refused.
    #[error("the clients' file {}, client {client:?}: {problem}", file.display())]
    Refused {
        /// The file.
        file: PathBuf,
        /// The client's name.
        client: String,
        /// What is wrong and what to do.
        problem: &'static str,
    },
}

/// The built-in credentials of the public SDKs. Whoever knows the SDKs knows them.
const SDK_DEFAULTS: [&str; 3] = ["default-username", "default-password", "default-api-key"];
const DEMO: &str = "demo";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientsFile {
    #[serde(default)]
    client: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    username: String,
    password_sha256: String,
    api_key_sha256: String,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    allowed_networks: Vec<String>,
}

/// Reads the configured clients, and the demo's own when it is asked for.
pub(crate) fn read(config: &ClientsConfig) -> Result<ClientTable, ClientsError> {
    let mut table = match &config.file {
        Some(file) => read_file(file)?,
        None if config.demo => ClientTable::new(),
        None => return Err(ClientsError::NoFile),
    };
    if config.demo {
        table.insert(DEMO.as_bytes().into(), demo_client());
    }
    Ok(table)
}

/// The parser's message, unless it is one that quotes a value: a secret may stand where a table should.
fn without_values(message: &str) -> String {
    if message.starts_with("invalid type") || message.starts_with("invalid value") {
        "a value has another type than is expected".to_owned()
    } else {
        message.to_owned()
    }
}

fn read_file(file: &Path) -> Result<ClientTable, ClientsError> {
    let text = fs::read_to_string(file)
        .map_err(|source| ClientsError::Unreadable { file: file.to_owned(), source })?;
    // The error's own display quotes the line, which may hold a secret that somebody wrote by mistake.
    let parsed: ClientsFile = toml::from_str(&text).map_err(|error| ClientsError::Malformed {
        file: file.to_owned(),
        line: error.span().map_or(1, |span| line_at(&text, span.start)),
        message: without_values(error.message()),
    })?;
    let mut table = ClientTable::new();
    let mut names = HashSet::new();
    let mut keys = HashSet::new();
    for entry in parsed.client {
        let refused =
            |problem| ClientsError::Refused { file: file.to_owned(), client: entry.name.clone(), problem };
        let client = entry.check().map_err(refused)?;
        if !names.insert(entry.name.clone()) {
            return Err(refused("another client has the same name"));
        }
        if !keys.insert(client.api_key) {
            return Err(refused("another client has the same API key; generate one for each"));
        }
        if table.insert(entry.username.as_bytes().into(), client).is_some() {
            return Err(refused("another client has the same username"));
        }
    }
    Ok(table)
}

impl Entry {
    fn check(&self) -> Result<Client, &'static str> {
        let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if self.name.is_empty() || self.name.len() > 64 || !printable(&self.name) {
            return Err("name must be 1 to 64 visible ASCII characters, since logs and metrics show it");
        }
        if self.username.is_empty() || self.username.contains(':') || !printable(&self.username) {
            return Err("username must be visible ASCII characters without a colon");
        }
        if SDK_DEFAULTS.contains(&self.username.as_str()) || self.username == DEMO {
            return Err("username is a built-in default that everybody knows; choose another");
        }
        let password = secret(&self.password_sha256)
            .ok_or("password_sha256 must be the SHA-256 of the password as 64 hexadecimal digits")?;
        let api_key = secret(&self.api_key_sha256)
            .ok_or("api_key_sha256 must be the SHA-256 of the key as 64 hexadecimal digits")?;
        if is_well_known(&password) || is_well_known(&api_key) {
            return Err("a secret is empty or a built-in default that everybody knows; generate another");
        }
        if password == api_key {
            return Err("password and API key are the same; generate both");
        }
        let networks = self.allowed_networks.iter().map(|text| network(text)).collect::<Option<_>>();
        Ok(Client {
            name: ClientName::new(&self.name),
            password,
            api_key,
            disabled: self.disabled,
            networks: networks.ok_or("allowed_networks must be addresses or networks such as 10.0.0.0/8")?,
        })
    }
}

fn demo_client() -> Client {
    Client {
        name: ClientName::new(DEMO),
        password: digest(DEMO.as_bytes()),
        api_key: digest(DEMO.as_bytes()),
        disabled: false,
        networks: Vec::new(),
    }
}

fn secret(hexadecimal: &str) -> Option<SecretDigest> {
    let mut secret = [0; 32];
    hex::decode_to_slice(hexadecimal, &mut secret).ok()?;
    Some(secret)
}

fn is_well_known(secret: &SecretDigest) -> bool {
    SDK_DEFAULTS.iter().chain(&[DEMO, ""]).any(|known| digest(known.as_bytes()) == *secret)
}

/// A network, or a single address as the network of itself.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address)))
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";
    const B: &str = "d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35";
    const C: &str = "4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce";

    fn entry(name: &str, username: &str, password: &str, key: &str) -> String {
        format!(
            "[[client]]\nname = \"{name}\"\nusername = \"{username}\"\npassword_sha256 = \"{password}\"\n\
             api_key_sha256 = \"{key}\"\n"
        )
    }

    fn error(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clients.toml");
        fs::write(&file, text).unwrap();
        let config = ClientsConfig { file: Some(file), demo: false };
        read(&config).unwrap_err().to_string()
    }

    fn hash(text: &str) -> String {
        hex::encode(digest(text.as_bytes()))
    }

    #[test]
    fn the_built_in_defaults_cannot_be_registered() {
        for text in [
            entry("a", "default-username", A, B),
            entry("a", "a", &hash("default-password"), B),
            entry("a", "a", A, &hash("default-api-key")),
            entry("a", "a", &hash("default-api-key"), B),
            entry("a", "demo", A, B),
            entry("a", "a", &hash("demo"), B),
            entry("a", "a", A, &hash("")),
        ] {
            let error = error(&text);
            assert!(error.contains("everybody knows") && error.contains("client \"a\""), "{error}");
        }
    }

    #[test]
    fn duplicates_are_refused() {
        let first = entry("a", "a", A, B);
        assert!(error(&(first.clone() + &entry("a", "b", A, C))).contains("the same name"));
        assert!(error(&(first.clone() + &entry("b", "a", A, C))).contains("the same username"));
        assert!(error(&(first + &entry("b", "b", C, B))).contains("the same API key"));
    }

    #[test]
    fn errors_name_file_line_and_client_and_quote_no_secret() {
        let with_plain_password = entry("a", "a", A, B) + "password = \"hunter2\"\n";
        let error_text = error(&with_plain_password);
        assert!(error_text.contains("clients.toml, line 6"), "{error_text}");
        assert!(!error_text.contains("hunter2"), "{error_text}");

        let error_text = error(&entry("bank", "a", "hunter2", B));
        assert!(error_text.contains("client \"bank\": password_sha256"), "{error_text}");
        assert!(!error_text.contains("hunter2"), "{error_text}");
    }

    #[test]
    fn names_and_networks_are_checked() {
        assert!(error(&entry("", "a", A, B)).contains("name must be"));
        assert!(error(&entry("two words", "a", A, B)).contains("name must be"));
        assert!(error(&entry("a", "a:b", A, B)).contains("without a colon"));
        assert!(error(&entry("a", "a", A, A)).contains("generate both"));
        let network = entry("a", "a", A, B) + "allowed_networks = [\"10.0.0.0/33\"]\n";
        assert!(error(&network).contains("allowed_networks"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let config = ClientsConfig { file: Some("/nowhere/clients.toml".into()), demo: false };
        assert!(read(&config).unwrap_err().to_string().contains("/nowhere/clients.toml"));
    }
}
