use std::{
    io,
    net::{IpAddr, SocketAddr},
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    time::Duration,
};

use ipnet::IpNet;
use padan_domain::{OperatorRole, deserialize_text_list, parse_network};
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::tls::{TlsConfig, TlsError};

/// Section `[http]` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Config {
    /// The address of the public listener.
    pub address: IpAddr,
    /// Its port; 0 takes any free one.
    pub port: u16,
    /// The address of the operators' listener. Only the management interface asks for credentials: keep it off public
    /// networks.
    pub admin_address: IpAddr,
    /// Its port; 0 takes any free one.
    pub admin_port: u16,
    /// Whether the operators' listener serves the management interface, `/admin/v1`, to operators with a token.
    #[serde(default)]
    pub management: bool,
    /// How long the session of an operator in a browser may be unused. Then a new sign-in is needed.
    pub session_idle_seconds: NonZeroU32,
    /// How long such a session lasts at most.
    pub session_seconds: NonZeroU32,
    /// The roles that may see the aligned faces of a verification by hand.
    #[serde(deserialize_with = "roles_by_hand")]
    pub show_faces_to: Vec<OperatorRole>,
    /// Whether operators may add others and give them roles and secrets through the management interface. If not, only
    /// the command does.
    #[serde(default)]
    pub manage_operators: bool,
    /// The console in the browser.
    pub console: ConsoleConfig,
    /// Whether a listener on an address other than the loopback may use plain HTTP. Anyone on the network path can
    /// then read photos, identities and metrics.
    pub allow_plaintext: bool,
    /// Encryption of the listeners.
    pub tls: TlsConfig,
    /// The proxies, as addresses or networks, whose `X-Forwarded-For` is trusted. Too few: all clients have the
    /// balancer's address. Too many: a caller from such a network may claim any address.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    /// Threads that read requests and write answers. Photos are analysed on other threads, so a few are enough; more of
    /// them take processor time from that analysis.
    pub workers: NonZeroUsize,
    /// Connections that each of these threads holds open at a time. Further connections wait to be accepted.
    pub connections_per_worker: NonZeroUsize,
    /// Connections that one IPv4 address, or one /64 network of IPv6, may have open; further ones are closed without an
    /// answer. 0 for no limit. Trusted proxies have none.
    pub connections_per_address: usize,
    /// When the system finds out whether the other end of a silent connection still exists.
    pub tcp_keepalive: TcpKeepalive,
    /// Connections that may wait to be accepted. The operating system limits it further.
    pub backlog: NonZeroU32,
    /// Requests in flight, from admission to answer; further requests are refused with 429. Each may hold a body.
    pub max_in_flight: NonZeroUsize,
    /// The share of these that one client may have, above 0 and up to 1; beyond it the client is refused with 429. Too
    /// small: a client that is alone is refused although the service is idle. 1: one client with slow bodies blocks
    /// all.
    #[serde(deserialize_with = "share")]
    pub client_share: f64,
    /// The longest body that is read. A longer one is answered with 413.
    pub body_limit_bytes: NonZeroUsize,
    /// Bytes that the bodies of all requests may take together. A request beyond that is refused with 429.
    pub body_memory_bytes: NonZeroUsize,
    /// Seconds in a row in which at least half of the requests are refused before `/readyz` reports the service as
    /// full. Too few: a burst takes the service out of the balancer. Too many: callers are refused while others are
    /// idle.
    pub saturated_seconds: NonZeroU64,
    /// How long a body may take to arrive, beside the time for its bytes. A slower one is answered with 408.
    pub body_timeout_ms: NonZeroU64,
    /// Bytes that extend this time by a second each time they have arrived.
    pub body_bytes_per_second: NonZeroU64,
    /// How long a body may take at most, however many bytes arrive.
    pub body_timeout_limit_ms: NonZeroU64,
    /// How long a request's head may take to arrive, and a TLS handshake.
    pub head_timeout_ms: NonZeroU64,
    /// How long a client may take to read an answer that exceeds the buffers of the network.
    pub answer_timeout_ms: NonZeroU64,
    /// How much of a body that is not needed is read before the connection is closed. If none is read, a client that
    /// still sends sees a reset instead of the answer.
    pub drain_limit_bytes: NonZeroU64,
    /// How long such a body is read.
    pub drain_timeout_ms: NonZeroU64,
    /// How long an idle connection is kept. It must be longer than the balancer's own timeout, or requests get lost.
    pub keep_alive_seconds: NonZeroU64,
    /// Whether the work on a request ends when its client has left. A client that closes only its sending side gets its
    /// answer in both cases.
    pub stop_when_client_leaves: bool,
    /// How long requests are still served after a stop signal, while `/readyz` reports the stop. Too short: balancers
    /// still send requests after the listener is closed. Too long: a restart takes that much longer.
    pub shutdown_delay_seconds: u64,
    /// How long requests in flight may take to end after that.
    pub shutdown_timeout_seconds: NonZeroU64,
}

/// The console in the browser, section `[http.console]` of the settings.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleConfig {
    /// Whether the operators' listener serves it, at `/console/`. It calls the management interface.
    pub enabled: bool,
}

/// When the system finds out whether the other end of a silent connection still exists.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TcpKeepalive {
    /// How long a connection is silent before the first probe.
    pub idle_seconds: NonZeroU32,
    /// The time between probes.
    pub interval_seconds: NonZeroU32,
    /// Probes without an answer after which the connection is closed.
    pub probes: NonZeroU32,
}

/// Why the settings of `[http]` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A listener would send plain HTTP over the network.
    #[error(
        "http.{key} {address} is not the loopback, and nothing encrypts what is sent there: set {encrypted_by}, or \
         http.allow_plaintext = true where the network, or a proxy in front, takes care of it"
    )]
    Plaintext {
        /// The key.
        key: &'static str,
        /// Its value.
        address: IpAddr,
        /// The settings that would encrypt it.
        encrypted_by: &'static str,
    },
    /// The console has nothing to call.
    #[error(
        "http.console.enabled = true needs http.management = true: the console calls the management interface"
    )]
    ConsoleAlone,
    /// A certificate, key or authority cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl From<ConfigError> for io::Error {
    fn from(error: ConfigError) -> Self {
        Self::other(error)
    }
}

/// How long a client may take for each step of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionTimes {
    /// From the first byte of a head, or from the beginning of the connection, to the end of the head.
    pub(crate) head: Duration,
    /// From an answer to the first byte of the next head.
    pub(crate) keep_alive: Duration,
    /// From when the client's buffers are full to when it has read the answer.
    pub(crate) answer: Duration,
}

/// The limits of reading a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    pub(crate) body_bytes: usize,
    /// The time for a body whose bytes do not arrive.
    pub(crate) body_time: Duration,
    /// Bytes that extend this time by a second.
    pub(crate) body_bytes_per_second: u64,
    /// The time for a body at most.
    pub(crate) longest_body_time: Duration,
    pub(crate) drain_bytes: u64,
    pub(crate) drain_time: Duration,
}

impl BodyLimits {
    /// The limits where no body is expected.
    pub(crate) const NONE: Self = Self {
        body_bytes: 0,
        body_time: Duration::ZERO,
        body_bytes_per_second: 1,
        longest_body_time: Duration::ZERO,
        drain_bytes: 0,
        drain_time: Duration::ZERO,
    };

    /// How long a body may take once `bytes` of it have arrived.
    pub(crate) fn time_for(&self, bytes: u64) -> Duration {
        let extension = Duration::from_millis(bytes.saturating_mul(1000) / self.body_bytes_per_second);
        (self.body_time + extension).min(self.longest_body_time).max(self.body_time)
    }
}

impl Config {
    /// Checks what can be checked without binding a listener. Certificates are read.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when a listener would use plain HTTP over the network, or a certificate cannot be used.
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
        if self.console.enabled && !self.management {
            return Err(ConfigError::ConsoleAlone);
        }
        Ok(())
    }

    /// Connections that all threads hold together.
    pub(crate) fn max_connections(&self) -> usize {
        self.workers.get().saturating_mul(self.connections_per_worker.get())
    }

    /// How long a client may take for each step of a connection.
    pub(crate) fn connection_times(&self) -> ConnectionTimes {
        ConnectionTimes {
            head: Duration::from_millis(self.head_timeout_ms.get()),
            keep_alive: Duration::from_secs(self.keep_alive_seconds.get()),
            answer: Duration::from_millis(self.answer_timeout_ms.get()),
        }
    }

    /// Requests in flight that one client may have.
    pub(crate) fn max_in_flight_per_client(&self) -> usize {
        self.share_of(self.max_in_flight.get()).max(1)
    }

    /// The bytes of bodies that one client may have in memory, enough for one body at least.
    pub(crate) fn max_body_memory_per_client(&self) -> usize {
        self.share_of(self.body_memory_bytes.get()).max(self.body_limit_bytes.get())
    }

    /// What one client may have of a total.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a positive number that memory limits"
    )]
    fn share_of(&self, total: usize) -> usize {
        (total as f64 * self.client_share).round() as usize
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
            body_bytes_per_second: self.body_bytes_per_second.get(),
            longest_body_time: Duration::from_millis(self.body_timeout_limit_ms.get()),
            drain_bytes: self.drain_limit_bytes.get(),
            drain_time: Duration::from_millis(self.drain_timeout_ms.get()),
        }
    }
}

/// Roles that may verify by hand.
fn roles_by_hand<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<OperatorRole>, D::Error> {
    let role = |name: &String| match name.parse() {
        Ok(role @ (OperatorRole::Support | OperatorRole::Operator)) => Ok(role),
        Ok(OperatorRole::Auditor) | Err(_) => {
            Err(D::Error::custom(format!("expected `support` or `operator`, found {name:?}")))
        }
    };
    deserialize_text_list(deserializer)?.iter().map(role).collect()
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let parsed =
        |text: &String| parse_network(text).map_err(|error| D::Error::custom(format!("{text} {error}")));
    deserialize_text_list(deserializer)?.iter().map(parsed).collect()
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if value > 0.0 && value <= 1.0 {
        Ok(value)
    } else {
        Err(D::Error::custom(format!("{value} does not lie above 0 and up to 1")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_for_a_body_grows_with_its_bytes_up_to_a_limit() {
        let limits = BodyLimits {
            body_time: Duration::from_secs(30),
            body_bytes_per_second: 8000,
            longest_body_time: Duration::from_mins(3),
            ..BodyLimits::NONE
        };
        for (bytes, seconds) in
            [(0, 30), (7999, 30), (8000, 31), (800_000, 130), (3_000_000, 180), (u64::MAX, 180)]
        {
            assert_eq!(limits.time_for(bytes).as_secs(), seconds, "{bytes}");
        }
        let longer = BodyLimits { body_time: Duration::from_mins(4), ..limits };
        assert_eq!(longer.time_for(3_000_000).as_secs(), 240, "the limit shortens no time");
    }
}
