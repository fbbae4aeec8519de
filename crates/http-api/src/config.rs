use std::{
    io,
    net::{IpAddr, SocketAddr},
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use ipnet::IpNet;
use padan_domain::parse_network;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::tls::{TlsConfig, TlsError};

/// Section `[http]` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address of the public listener.
    pub address: IpAddr,
    /// Its port; 0 takes any free one.
    pub port: u16,
    /// The address of the operators' listener. It asks for no credentials: keep it off public networks.
    pub admin_address: IpAddr,
    /// Its port; 0 takes any free one.
    pub admin_port: u16,
    /// Whether a listener on another address than the loopback may speak plain HTTP: photos and identities, or figures,
    /// are then read by whoever can listen on the way.
    pub allow_plaintext: bool,
    /// Encryption of the listeners.
    pub tls: TlsConfig,
    /// The proxies, as addresses or networks, whose `X-Forwarded-For` says who calls. Too few: all clients have the
    /// balancer's address. Too many: whoever calls from there may claim any address.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Threads that read requests and write answers. They wait most of the time; photos are worked on
    /// elsewhere, and threads beyond a few take time from that work.
    pub workers: NonZeroUsize,
    /// Connections that one such thread holds open at a time; others wait to be accepted.
    pub connections_per_worker: NonZeroUsize,
    /// Connections that may wait to be accepted. The system caps it.
    pub backlog: NonZeroU32,
    /// Requests whose form is read or judged at a time; more are refused with 429. Each may hold a body.
    pub max_in_flight: NonZeroUsize,
    /// The share of them that one client may have, above 0 to 1; beyond it that client is refused with 429. Small: a
    /// client alone is refused while places are free. 1: a client with slow bodies shuts everybody out.
    #[serde(deserialize_with = "share")]
    pub client_share: f64,
    /// The longest body taken. A longer one is answered with 413.
    pub body_limit_bytes: NonZeroUsize,
    /// Bytes that the bodies of all requests may take together; a request beyond it is refused with 429.
    pub body_memory_bytes: NonZeroUsize,
    /// After so many seconds in which at least as many requests were refused as served, because the service was full,
    /// `/readyz` says so. Too few: a burst takes the service out of the balancer. Too many: callers wait in vain.
    pub saturated_seconds: NonZeroU64,
    /// How long a body may take to arrive. A slower one is answered with 408.
    pub body_timeout_ms: NonZeroU64,
    /// How long a request's head may take to arrive.
    pub head_timeout_ms: NonZeroU64,
    /// How much of a body that nobody wants is read before the connection is closed. Without that reading, a
    /// client that still sends sees a reset instead of the answer.
    pub drain_limit_bytes: NonZeroU64,
    /// How long such a body is read.
    pub drain_timeout_ms: NonZeroU64,
    /// How long an idle connection is kept. Longer than the balancer's own time before it, or requests get lost.
    pub keep_alive_seconds: NonZeroU64,
    /// Whether work stops when the client closes its side of the connection. A client that closes only its
    /// sending side and still waits gets no answer then.
    pub stop_when_client_leaves: bool,
    /// How long requests are taken on after a stop was asked for, while `/readyz` says so. Too short: balancers still send
    /// requests when nobody listens any more. Too long: a restart takes that much longer.
    pub shutdown_delay_seconds: u64,
    /// How long requests may take to end after that.
    pub shutdown_timeout_seconds: NonZeroU64,
}

/// Why the settings of `[http]` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// What is sent could be read on the way.
    #[error(
        "http.{key} {address} is not the loopback, and nothing encrypts what is sent there: set {encrypted_by}, or \
         http.allow_plaintext = true where the network, or a proxy in front, takes care of it"
    )]
    Plaintext {
        /// The key.
        key: &'static str,
        /// Its value.
        address: IpAddr,
        /// What would encrypt it.
        encrypted_by: &'static str,
    },
    /// The certificates are not in order.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl From<ConfigError> for io::Error {
    fn from(error: ConfigError) -> Self {
        Self::other(error)
    }
}

/// What bounds the reading of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    pub(crate) body_bytes: usize,
    pub(crate) body_time: Duration,
    pub(crate) drain_bytes: u64,
    pub(crate) drain_time: Duration,
}

impl BodyLimits {
    /// Where no body is expected.
    pub(crate) const NONE: Self =
        Self { body_bytes: 0, body_time: Duration::ZERO, drain_bytes: 0, drain_time: Duration::ZERO };
}

impl Config {
    /// Whether a start could go on with these settings: certificates are read, nothing is bound.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.tls.check()?;
        let is_encrypted = self.tls.certificate_file.is_some();
        let listeners = [
            ("address", self.address, is_encrypted, "http.tls.certificate_file and private_key_file"),
            ("admin_address", self.admin_address, is_encrypted && self.tls.admin, "http.tls.admin = true"),
        ];
        for (key, address, is_encrypted, encrypted_by) in listeners {
            if !address.to_canonical().is_loopback() && !is_encrypted && !self.allow_plaintext {
                return Err(ConfigError::Plaintext { key, address, encrypted_by });
            }
        }
        Ok(())
    }

    /// Requests in flight that one client may have.
    pub(crate) fn most_of_one_client(&self) -> usize {
        // Small and positive: the rounding of the conversion is wanted.
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a number of places that memory bounds"
        )]
        let most = (self.max_in_flight.get() as f64 * self.client_share).round() as usize;
        most.max(1)
    }

    pub(crate) fn public(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        SocketAddr::new(self.admin_address, self.admin_port)
    }

    pub(crate) fn body_limits(&self) -> BodyLimits {
        BodyLimits {
            body_bytes: self.body_limit_bytes.get(),
            body_time: Duration::from_millis(self.body_timeout_ms.get()),
            drain_bytes: self.drain_limit_bytes.get(),
            drain_time: Duration::from_millis(self.drain_timeout_ms.get()),
        }
    }
}

/// A list, or one text separated by commas as an environment variable gives it.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    let texts = match OneOrMany::deserialize(deserializer)? {
        OneOrMany::Many(texts) => texts,
        OneOrMany::One(text) => text.split(',').map(|text| text.trim().to_owned()).collect(),
    };
    let named = texts.iter().filter(|text| !text.is_empty());
    named
        .map(|text| parse_network(text).map_err(|error| D::Error::custom(format!("{text} {error}"))))
        .collect()
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if value > 0.0 && value <= 1.0 {
        Ok(value)
    } else {
        Err(D::Error::custom(format!("{value} does not lie above 0 and up to 1")))
    }
}
