use std::{
    fs::File,
    io::{self, Read as _},
    net::IpAddr,
    num::{NonZeroU32, NonZeroU64},
    path::{Path, PathBuf},
};

use padan_domain::{OperatorRole, deserialize_text_list};
use reqwest::Url;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de::Error as _};

/// Section `[openid_connect]` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whether operators may sign in to the console through the provider.
    pub enabled: bool,
    /// The issuer, exactly as the provider's document names it.
    pub issuer: String,
    /// Under what name the provider knows this service.
    pub client_id: String,
    /// A file with the secret that proves it; not set for a public client.
    #[serde(default)]
    pub client_secret_file: Option<PathBuf>,
    /// Where browsers reach the operators' listener.
    pub public_address: String,
    /// What is asked for beside `openid`.
    #[serde(deserialize_with = "deserialize_text_list")]
    pub scopes: Vec<String>,
    /// The claim with the groups: a name, or a JSON pointer.
    pub groups_claim: String,
    /// The claim whose text is shown for a person.
    pub name_claim: String,
    /// The role of each group. The first one whose group a person has counts.
    #[serde(deserialize_with = "roles")]
    pub roles: Vec<RoleOfGroup>,
    /// The name of the provider on the button.
    pub label: String,
    /// Whether the sign-out leads to the provider's, if it has one.
    pub sign_out_at_provider: bool,
    /// How long a session lasts at most.
    pub session_seconds: NonZeroU32,
    /// Whether a session also ends with the ID token.
    pub end_with_id_token: bool,
    /// By how much the clocks may differ.
    pub clock_skew_seconds: u32,
    /// How long one answer of the provider may take.
    pub timeout_ms: NonZeroU64,
    /// Further authorities for the provider's certificate, in PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// The role that a group of the provider gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleOfGroup {
    /// The role.
    pub role: OperatorRole,
    /// The group, as the claim has it.
    pub group: String,
}

/// Why the settings of `[openid_connect]` cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("openid_connect.{key}{fault}")]
pub struct ConfigError {
    key: &'static str,
    fault: String,
}

/// Larger differences of clocks would let tokens that have expired count for too long.
const MAX_CLOCK_SKEW_SECONDS: u32 = 300;
const MAX_LABEL_CHARACTERS: usize = 40;
const MAX_SECRET_BYTES: u64 = 4096;
/// The page that the provider sends browsers back to, below `public_address`.
const RETURN_PATH: &str = "/console/";

impl ConfigError {
    pub(crate) fn of_client(fault: &reqwest::Error) -> Self {
        error("ca_file", &format!(": the HTTP client cannot be made: {fault}"))
    }
}

impl Config {
    /// Checks what can be checked without a connection. Files are read.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when the sign-in is enabled and cannot work.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !self.enabled {
            return Ok(());
        }
        self.issuer_address()?;
        self.return_address()?;
        let is_visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let checks = [
            ("client_id", is_visible(&self.client_id), "must be 1 or more visible ASCII characters"),
            ("scopes", self.scopes.iter().all(|scope| is_visible(scope)), "has a scope with white space"),
            ("groups_claim", !self.groups_claim.is_empty(), "is empty: no group would ever be found"),
            ("name_claim", !self.name_claim.is_empty(), "is empty"),
            ("roles", !self.roles.is_empty(), "is empty: nobody could sign in. Name a group for a role"),
            (
                "label",
                (1..=MAX_LABEL_CHARACTERS).contains(&self.label.chars().count())
                    && !self.label.chars().any(char::is_control),
                "must be 1 to 40 characters",
            ),
            (
                "clock_skew_seconds",
                self.clock_skew_seconds <= MAX_CLOCK_SKEW_SECONDS,
                "must be 0 to 300: tokens that have expired count for that long",
            ),
        ];
        for (key, is_right, fault) in checks {
            if !is_right {
                return Err(error(key, &format!(" {fault}")));
            }
        }
        self.read_client_secret().map(drop)?;
        self.read_authorities().map(drop)
    }

    /// The issuer's address.
    pub(crate) fn issuer_address(&self) -> Result<Url, ConfigError> {
        let address = parsed("issuer", &self.issuer)?;
        if address.query().is_some() {
            return Err(error("issuer", " has a query, which no issuer has"));
        }
        Ok(address)
    }

    /// Where the provider sends browsers back to.
    pub(crate) fn return_address(&self) -> Result<Url, ConfigError> {
        let mut address = parsed("public_address", &self.public_address)?;
        if address.path() != "/" || address.query().is_some() {
            return Err(error(
                "public_address",
                " must have no path: it is where browsers reach the operators' listener, such as \
                 https://padan.bank.example:9090",
            ));
        }
        address.set_path(RETURN_PATH);
        Ok(address)
    }

    /// The secret by which the provider recognises this service, if it has one.
    pub(crate) fn read_client_secret(&self) -> Result<Option<SecretString>, ConfigError> {
        let Some(path) = self.client_secret_file.as_deref() else { return Ok(None) };
        let read = read_text(path, MAX_SECRET_BYTES)
            .map_err(|fault| error("client_secret_file", &format!(", {}: {fault}", path.display())))?;
        let secret = read.trim();
        if secret.is_empty() {
            return Err(error("client_secret_file", &format!(", {}: the file is empty", path.display())));
        }
        Ok(Some(secret.into()))
    }

    /// The authorities of `ca_file`.
    pub(crate) fn read_authorities(&self) -> Result<Vec<reqwest::Certificate>, ConfigError> {
        const MAX_BYTES: u64 = 1 << 20;
        let Some(path) = self.ca_file.as_deref() else { return Ok(Vec::new()) };
        let failed = |fault: &str| error("ca_file", &format!(", {}: {fault}", path.display()));
        let text = read_text(path, MAX_BYTES).map_err(|fault| failed(&fault.to_string()))?;
        let certificates = reqwest::Certificate::from_pem_bundle(text.as_bytes())
            .map_err(|_| failed("it has no certificate in PEM"))?;
        if certificates.is_empty() {
            return Err(failed("it has no certificate in PEM"));
        }
        Ok(certificates)
    }
}

/// An address that nobody on the network can read along with.
fn parsed(key: &'static str, text: &str) -> Result<Url, ConfigError> {
    if text.is_empty() {
        return Err(error(key, " is not set"));
    }
    let address: Url = text.parse().map_err(|_| error(key, " is not a URL"))?;
    if !is_protected(&address) {
        return Err(error(key, " must begin with https://, or be on the loopback"));
    }
    if !address.username().is_empty() || address.password().is_some() || address.fragment().is_some() {
        return Err(error(key, " must have neither user, password nor fragment"));
    }
    Ok(address)
}

/// Whether requests to an address are encrypted, or stay on this machine.
pub(crate) fn is_protected(address: &Url) -> bool {
    address.has_host() && (address.scheme() == "https" || address.scheme() == "http" && is_loopback(address))
}

pub(crate) fn is_loopback(address: &Url) -> bool {
    let host = address.host_str().unwrap_or_default();
    let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || ip.is_some_and(|ip| ip.is_loopback())
}

fn error(key: &'static str, fault: &str) -> ConfigError {
    ConfigError { key, fault: fault.to_owned() }
}

fn read_text(path: &Path, most_bytes: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(most_bytes + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most_bytes {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is too long"));
    }
    Ok(text)
}

fn roles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RoleOfGroup>, D::Error> {
    let parsed = |text: String| {
        let refused =
            || D::Error::custom(format!("{text} is not ROLE:GROUP, such as auditor:padan-auditors"));
        let (role, group) = text.split_once(':').ok_or_else(refused)?;
        let role = role.trim().parse().map_err(|fault| D::Error::custom(format!("{text}: {fault}")))?;
        let group = group.trim();
        if group.is_empty() { Err(refused()) } else { Ok(RoleOfGroup { role, group: group.to_owned() }) }
    };
    deserialize_text_list(deserializer)?.into_iter().map(parsed).collect()
}
