use std::{
    collections::HashSet,
    fs, io,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use padan_domain::{
    ClientName, ClientRules, GrantedFields, InvalidCertificateName, InvalidUsername, RequestRate,
    UnknownEndpoint, Username, WELL_KNOWN_CREDENTIALS, decode_text, parse_network,
};
use padan_store::SecretHashes;
use serde::Deserialize;

use crate::{
    client::{Client, ClientTable, SecretDigest, digest},
    config::ClientsConfig,
    known_name::suggest_known_name,
};

/// Why the clients could not be read. No variant holds a secret or its digest.
#[derive(Debug, thiserror::Error)]
pub enum ClientsError {
    /// The file cannot be read.
    #[error("the clients' file {} cannot be read: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is not TOML, has an unknown key, or has a value of the wrong type.
    #[error("the clients' file {}, line {line}: {message}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A client's entry is invalid.
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
    sandbox: bool,
    #[serde(default)]
    allowed_networks: Vec<String>,
    #[serde(default)]
    certificates: Vec<String>,
    endpoints: Option<Vec<String>>,
    fields: Option<Vec<String>>,
    requests_per_second: Option<f64>,
    burst: Option<u32>,
    daily_quota: Option<NonZeroU32>,
    monthly_quota: Option<NonZeroU32>,
}

/// Whether a file may have credentials that are published, such as those of the demo.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PublishedCredentials {
    Refused,
    Admitted,
}

/// Reads the configured file; without one there are no clients.
///
/// # Errors
///
/// [`ClientsError`] when the file cannot be read or a client in it is invalid.
pub(crate) fn read(config: &ClientsConfig) -> Result<ClientTable, ClientsError> {
    let Some(file) = &config.file else { return Ok(ClientTable::new()) };
    let unreadable = |source| ClientsError::Unreadable { file: file.to_owned(), source };
    let bytes = fs::read(file).map_err(unreadable)?;
    let published = if config.demo { PublishedCredentials::Admitted } else { PublishedCredentials::Refused };
    parse(file, &bytes, published)
}

/// The parser's message without the value that it quotes, which may be a misplaced secret.
///
/// `` invalid type: string "secret", expected u32 `` becomes `expected u32, found string`.
fn without_values(message: &str) -> String {
    let without_value = || {
        let problem = message.strip_prefix("invalid type: ").or(message.strip_prefix("invalid value: "))?;
        let (found, expected) = problem.rsplit_once(", expected ")?;
        let kind = found.split(['`', '"']).next()?.trim_end();
        Some(if message.starts_with("invalid type") {
            format!("expected {expected}, found {kind}")
        } else {
            format!("expected {expected}, found another {kind}")
        })
    };
    without_value().unwrap_or_else(|| suggest_known_name(message))
}

/// Parses the bytes of a file, whose name is for errors.
pub(crate) fn parse(
    file: &Path,
    bytes: &[u8],
    published: PublishedCredentials,
) -> Result<ClientTable, ClientsError> {
    let unreadable = |source| ClientsError::Unreadable { file: file.to_owned(), source };
    // Editors on Windows save in UTF-16, or with a byte order mark.
    let text =
        decode_text(bytes).map_err(|error| unreadable(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    // The error's own display quotes the line, which may hold a misplaced secret.
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
        let client = entry.check(published).map_err(refused)?;
        if !names.insert(entry.name.clone()) {
            return Err(refused("another client has the same name"));
        }
        if !keys.insert(client.api_key.current) {
            return Err(refused("another client has the same API key; generate one for each"));
        }
        if table.insert(client.username.clone(), client).is_some() {
            return Err(refused("another client has the same username"));
        }
    }
    Ok(table)
}

impl Entry {
    fn check(&self, published: PublishedCredentials) -> Result<Client, &'static str> {
        let name: ClientName = self
            .name
            .parse()
            .map_err(|_| "name must be 1 to 64 visible ASCII characters, since logs and metrics show it")?;
        if name.is_by_hand() {
            return Err("operators verify by hand under this name; choose another");
        }
        let is_refused = published == PublishedCredentials::Refused;
        match self.username.parse::<Username>() {
            Err(InvalidUsername::Malformed) => {
                return Err("username must be 1 to 128 visible ASCII characters without a colon");
            }
            Err(InvalidUsername::WellKnown) if is_refused => {
                return Err("username is a published default; choose another");
            }
            Ok(_) | Err(InvalidUsername::WellKnown) => {}
        }
        let password = secret(&self.password_sha256)
            .ok_or("password_sha256 must be the SHA-256 of the password as 64 hexadecimal digits")?;
        let api_key = secret(&self.api_key_sha256)
            .ok_or("api_key_sha256 must be the SHA-256 of the key as 64 hexadecimal digits")?;
        if is_refused && (is_well_known(&password) || is_well_known(&api_key)) {
            return Err("a secret is empty or a published default; generate another");
        }
        if self.sandbox && (self.daily_quota.is_some() || self.monthly_quota.is_some()) {
            return Err(
                "a sandbox client has no quota, since its requests are not counted; remove daily_quota and monthly_quota",
            );
        }
        if is_refused && password == api_key {
            return Err("password and API key are the same; generate both");
        }
        Ok(Client {
            username: self.username.as_bytes().into(),
            name,
            password: SecretHashes::new(password),
            api_key: SecretHashes::new(api_key),
            disabled: self.disabled,
            is_sandbox: self.sandbox,
            rules: self.rules()?,
        })
    }

    fn rules(&self) -> Result<ClientRules, &'static str> {
        let networks = self.allowed_networks.iter().map(|text| parse_network(text)).collect::<Result<_, _>>();
        let endpoints = self.endpoints.as_ref().map(|names| names.iter().map(|name| name.parse()).collect());
        let rate =
            match (self.requests_per_second, self.burst) {
                (None, None) => None,
                (None, Some(_)) => return Err("burst requires requests_per_second"),
                (Some(per_second), burst) => Some(RequestRate::new(per_second, burst).map_err(
                    |_| "requests_per_second must lie in 0.001 to 100000, and burst in 1 to 1000000",
                )?),
            };
        Ok(ClientRules {
            networks: networks
                .map_err(|_| "allowed_networks must be addresses or networks such as 10.0.0.0/8")?,
            certificates: self.certificates.iter().map(|text| text.parse()).collect::<Result<_, _>>().map_err(
                |_: InvalidCertificateName| {
                    "certificates must be names of certificates, or sha256: and 64 hexadecimal digits"
                },
            )?,
            endpoints: endpoints
                .transpose()
                .map_err(|_: UnknownEndpoint| "endpoints must be names of endpoints, such as verification")?,
            fields: self.fields.as_ref().map_or(Ok(GrantedFields::default()), |names| {
                GrantedFields::parse(names.iter().map(String::as_str))
                    .map_err(|_| "fields must be names of fields, such as mother_maiden_name, or default")
            })?,
            rate,
            daily_quota: self.daily_quota,
            monthly_quota: self.monthly_quota,
        })
    }
}

fn secret(hexadecimal: &str) -> Option<SecretDigest> {
    let mut secret = [0; 32];
    hex::decode_to_slice(hexadecimal, &mut secret).ok()?;
    Some(secret)
}

fn is_well_known(secret: &SecretDigest) -> bool {
    WELL_KNOWN_CREDENTIALS.iter().chain(&[""]).any(|known| digest(known.as_bytes()) == *secret)
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
        let config = ClientsConfig { file: Some(file), ..ClientsConfig::default() };
        read(&config).unwrap_err().to_string()
    }

    fn hash(text: &str) -> String {
        hex::encode(digest(text.as_bytes()))
    }

    #[test]
    fn published_defaults_cannot_be_registered() {
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
            assert!(error.contains("published default") && error.contains("client \"a\""), "{error}");
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
        assert!(error_text.contains("did you mean `password_sha256`?"), "{error_text}");
        assert!(!error_text.contains("hunter2"), "{error_text}");

        let error_text = error(&entry("bank", "a", "hunter2", B));
        assert!(error_text.contains("client \"bank\": password_sha256"), "{error_text}");
        assert!(!error_text.contains("hunter2"), "{error_text}");
    }

    #[test]
    fn names_and_networks_are_checked() {
        assert!(error(&entry("", "a", A, B)).contains("name must be"));
        assert!(error(&entry("two words", "a", A, B)).contains("name must be"));
        assert!(error(&entry("console", "a", A, B)).contains("operators verify by hand under this name"));
        assert!(error(&entry("a", "a:b", A, B)).contains("without a colon"));
        assert!(error(&entry("a", "a", A, A)).contains("generate both"));
        let network = entry("a", "a", A, B) + "allowed_networks = [\"10.0.0.0/33\"]\n";
        assert!(error(&network).contains("allowed_networks"));
        for (line, expected) in [
            ("endpoints = [\"match\"]", "endpoints must be"),
            ("certificates = [\"sha256:0a\"]", "64 hexadecimal digits"),
            ("fields = [\"shoe_size\"]", "fields must be names of fields"),
            ("burst = 5", "requires requests_per_second"),
            ("requests_per_second = 0.0", "0.001 to 100000"),
            ("daily_quota = 0", "expected a nonzero u32, found another integer"),
            ("disabled = \"hunter2\"", "expected a boolean, found string"),
            ("sandbox = true\ndaily_quota = 5", "a sandbox client has no quota"),
        ] {
            let error = error(&(entry("a", "a", A, B) + line + "\n"));
            assert!(error.contains(expected) && !error.contains("hunter2"), "{line}: {error}");
        }
    }

    #[test]
    fn a_file_in_utf_16_or_with_a_byte_order_mark_is_read_and_another_encoding_is_named() {
        let read_bytes = |bytes: &[u8]| {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("clients.toml");
            fs::write(&file, bytes).unwrap();
            read(&ClientsConfig { file: Some(file), ..ClientsConfig::default() })
        };
        let text = entry("a", "a", A, B).replace('\n', "\r\n");
        let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [format!("\u{feff}{text}").into_bytes(), utf16] {
            assert_eq!(read_bytes(&bytes).unwrap().len(), 1);
        }
        let error = read_bytes(b"# Jos\xe9\r\n").unwrap_err().to_string();
        assert!(error.contains("cannot be read: line 1 is not in UTF-8"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let config = ClientsConfig { file: Some("/nowhere/clients.toml".into()), ..ClientsConfig::default() };
        assert!(read(&config).unwrap_err().to_string().contains("/nowhere/clients.toml"));
    }
}
