use std::{num::NonZeroU32, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

use crate::error::RegistryError;

/// By what the replica is chosen that is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// By the order of the URLs.
    Order,
    /// By the lag: the one that is least behind. Another one must be clearly less behind to take its place.
    Lag,
}

/// Settings of section `[registry]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `postgres://` URLs of the replicas, tried in this order; also one string, separated by commas. A wrong URL
    /// delays one look-up by its connect timeout every [`retry_failed_after_ms`](Self::retry_failed_after_ms). When all
    /// are wrong, every verification is answered 503. The user needs no privilege except to read `padan.citizen`.
    /// Either this or `urls_file` is set.
    #[serde(deserialize_with = "one_or_many")]
    pub urls: Vec<SecretString>,
    /// A file with the URLs, one per line. It contains passwords: only the service may read it.
    #[serde(default)]
    pub urls_file: Option<PathBuf>,
    /// Whether a replica beyond this machine may be connected to without TLS that checks its certificate
    /// (`sslmode=verify-full` or `verify-ca` in the URL). If true, everybody on the network in between can read what
    /// is sent, or pretend to be the registry.
    pub allow_plaintext: bool,
    /// How long it may take to get a connection to one replica, new or from the pool. Too short: a replica that is
    /// distant or busy counts as down. Too long: a dead first replica delays every fail-over.
    pub connect_timeout_ms: u64,
    /// How long the server may work on one query. Too short: look-ups of portraits on slow disks are answered 503. Too
    /// long: a blocked query keeps its connection and the pool is exhausted.
    pub statement_timeout_ms: u64,
    /// How long a query may wait for a lock, such as a replica's exclusive lock while it replays a schema
    /// change. It has no effect when it is longer than the statement timeout.
    pub lock_timeout_ms: u64,
    /// How long a look-up may take on all replicas together. It must be at least the sum of connect and statement
    /// timeout, so that one attempt fits. With several URLs a failed attempt and a successful one should fit.
    pub lookup_timeout_ms: u64,
    /// The largest portrait that is fetched, in bytes. A larger one counts as unusable. Each enrolment in progress may
    /// use that much memory.
    pub max_portrait_bytes: NonZeroU32,
    /// Connections to each replica. Too few: look-ups queue and time out under load, which the metrics of the pool
    /// show. Too many: all instances together exhaust the server's `max_connections`.
    pub max_connections: NonZeroU32,
    /// The time after which an unused connection is closed. Longer than a firewall's idle limit: the next look-up gets
    /// a dead connection and waits for the connect timeout.
    pub idle_timeout_ms: u64,
    /// The time after which a connection is replaced, so that a changed address or balancer takes effect. Too short:
    /// look-ups wait for new connections.
    pub max_lifetime_ms: u64,
    /// The lag from which a replica is not asked; `None` without a limit. Too short: a long transaction on the primary,
    /// or its fail-over, takes all replicas out, and verifications are answered 503. Too long or `None`: a person is
    /// verified by a record or a portrait that was changed long ago.
    #[serde(default)]
    pub max_lag_seconds: Option<NonZeroU32>,
    /// By what the replica is chosen that is asked first.
    pub choose_by: Choice,
    /// How long a replica that failed is tried last. Too short: look-ups often wait for a dead replica. Too long: the
    /// second replica still answers long after the first has recovered.
    pub retry_failed_after_ms: u64,
}

impl Config {
    /// Refuses settings that cannot work.
    pub(crate) fn validate(&self) -> Result<(), RegistryError> {
        let config = |text: String| Err(RegistryError::Config(text));
        for (key, value) in [
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("statement_timeout_ms", self.statement_timeout_ms),
            ("lock_timeout_ms", self.lock_timeout_ms),
            ("idle_timeout_ms", self.idle_timeout_ms),
            ("max_lifetime_ms", self.max_lifetime_ms),
        ] {
            // PostgreSQL stores its timeouts in 32 bits; 0 disables a timeout.
            if value == 0 || i32::try_from(value).is_err() {
                return config(format!("registry.{key} is {value}: it must be from 1 to {}", i32::MAX));
            }
        }
        let attempt = self.connect_timeout_ms + self.statement_timeout_ms;
        if self.lookup_timeout_ms < attempt {
            return config(format!(
                "registry.lookup_timeout_ms is {}: it must be at least {attempt}, the sum of connect_timeout_ms and \
                 statement_timeout_ms",
                self.lookup_timeout_ms
            ));
        }
        Ok(())
    }

    /// Reads the URLs from the settings or the file that they name.
    pub(crate) fn read_urls(&self) -> Result<Vec<SecretString>, RegistryError> {
        let read = padan_postgres::read_secret("registry.urls", self.urls.first(), self.urls_file.as_deref())
            .map_err(RegistryError::Config)?;
        let urls = match read {
            Some(text) if self.urls_file.is_some() => split(&text),
            _ => self.urls.clone(),
        };
        if urls.is_empty() {
            return Err(RegistryError::Config(
                "registry.urls is empty: put at least one postgres:// URL into the file that registry.urls_file names, \
                 or into the environment variable PADAN__REGISTRY__URLS"
                    .into(),
            ));
        }
        for (number, url) in (1..).zip(&urls) {
            let url = url.expose_secret();
            if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
                let text = format!("registry.urls, number {number}: not a postgres:// URL");
                return Err(RegistryError::Config(text));
            }
        }
        Ok(urls)
    }
}

/// A list, or one text separated by commas, such as an environment variable.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SecretString>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(SecretString),
        Many(Vec<SecretString>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::Many(urls) => urls,
        OneOrMany::One(urls) => split(&urls),
    })
}

fn split(urls: &SecretString) -> Vec<SecretString> {
    let urls = urls.expose_secret().split([',', '\n']).map(str::trim);
    urls.filter(|url| !url.is_empty()).map(SecretString::from).collect()
}
