use std::{num::NonZeroU32, path::PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

use crate::error::RegistryError;

/// Settings of section `[registry]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `postgres://` URLs of the replicas, tried in this order; one string separated by commas is a list too.
    /// A wrong one costs its connect timeout every [`retry_failed_after_ms`](Self::retry_failed_after_ms);
    /// with none right every verification is answered 503. Needs no right but to read `padan.citizen`. Either this or
    /// `urls_file`.
    #[serde(deserialize_with = "one_or_many")]
    pub urls: Vec<SecretString>,
    /// A file that holds the URLs, one a line, which have passwords in them. Let nobody but the service read it.
    #[serde(default)]
    pub urls_file: Option<PathBuf>,
    /// How long one replica may take to give a connection, new or from the pool. Too short: a replica that is
    /// merely far away or busy counts as down. Too long: a dead first replica delays every fail-over.
    pub connect_timeout_ms: u64,
    /// How long the server may work on one query. Too short: portraits on slow disks become 503. Too long: a
    /// blocked query holds its connection and the pool runs dry.
    pub statement_timeout_ms: u64,
    /// How long a query may wait for a lock, such as a replica's exclusive lock while it replays a schema
    /// change. It has no effect when it is longer than the statement timeout.
    pub lock_timeout_ms: u64,
    /// How long a whole look-up may take, all replicas included. Shorter than connect and statement timeout
    /// together it could not hold one attempt, which is refused at the start; with several URLs it should
    /// hold a failed attempt and a good one.
    pub lookup_timeout_ms: u64,
    /// Bytes of a portrait that are fetched. A larger one counts as unusable. Each enrolment under way may hold that much.
    pub max_portrait_bytes: NonZeroU32,
    /// Connections to each replica. Too few: look-ups queue and time out under load, seen in the wait
    /// figures. Too many: all instances together exhaust the server's `max_connections`.
    pub max_connections: NonZeroU32,
    /// After how long an unused connection is closed. Longer than a firewall's idle limit, the next look-up
    /// finds a dead connection and waits for the connect timeout.
    pub idle_timeout_ms: u64,
    /// After how long a connection is replaced, so that a change of address or of the balancer's members is
    /// followed. Too short: look-ups pay for new connections.
    pub max_lifetime_ms: u64,
    /// For how long a replica that failed is tried last. Too short: look-ups keep paying for a dead
    /// replica. Too long: traffic stays on the second one after the first has come back.
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
            // PostgreSQL keeps its timeouts in 32 bits, where 0 means none at all.
            if value == 0 || i32::try_from(value).is_err() {
                return config(format!("registry.{key} is {value}: it must lie in 1 to {}", i32::MAX));
            }
        }
        let attempt = self.connect_timeout_ms + self.statement_timeout_ms;
        if self.lookup_timeout_ms < attempt {
            return config(format!(
                "registry.lookup_timeout_ms is {}: connect and statement timeout alone are {attempt}",
                self.lookup_timeout_ms
            ));
        }
        Ok(())
    }

    /// Reads the URLs from where the settings say.
    pub(crate) fn read_urls(&self) -> Result<Vec<SecretString>, RegistryError> {
        let config = |text: String| Err(RegistryError::Config(text));
        let held = padan_postgres::read_secret("registry.urls", self.urls.first(), self.urls_file.as_deref())
            .map_err(RegistryError::Config)?;
        let urls = match held {
            Some(held) if self.urls_file.is_some() => split(&held),
            _ => self.urls.clone(),
        };
        if urls.is_empty() {
            return config(
                "registry.urls is empty: put at least one postgres:// URL into the file of registry.urls_file, or into the \
                 environment variable PADAN__REGISTRY__URLS"
                    .into(),
            );
        }
        for (number, url) in (1..).zip(&urls) {
            let url = url.expose_secret();
            if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
                return config(format!("registry.urls, number {number}: not a postgres:// URL"));
            }
        }
        Ok(urls)
    }
}

/// A list, or one text separated by commas as an environment variable gives it.
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
