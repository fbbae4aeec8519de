use std::{
    collections::HashMap,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use ipnet::IpNet;
use parking_lot::Mutex;

use crate::metrics::Metrics;

/// Counts the connections of a listener, and limits those of one address.
///
/// The limit of all connections is not enforced here: at that limit the server does not accept further ones, which wait
/// in the backlog of the socket.
#[derive(Clone)]
pub(crate) struct Connections(Arc<State>);

struct State {
    /// The connections that the server accepts.
    limit: usize,
    metrics: Arc<Metrics>,
    counts: Mutex<Counts>,
}

struct Counts {
    /// 0: no limit.
    max_per_address: usize,
    total: usize,
    by_network: HashMap<IpNet, usize>,
    /// Since when all connections are in use.
    full_since: Option<Instant>,
    /// For how long they may be.
    full_time: Duration,
    refusals: Refusals,
}

/// Connections refused since the last line of the log about them.
#[derive(Default)]
struct Refusals {
    unlogged: usize,
    logged_at: Option<Instant>,
}

/// Counts a connection until it is dropped.
#[must_use]
pub(crate) struct Place {
    connections: Connections,
    network: Option<IpNet>,
}

/// Why the service ends a connection, or does not serve it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Its address has too many.
    Address,
    /// The TLS handshake was not completed in time.
    Handshake,
    /// A head was not completed in time.
    Head,
    /// The client did not read its answer in time.
    Answer,
}

impl Cut {
    const ALL: [Self; 4] = [Self::Address, Self::Handshake, Self::Head, Self::Answer];

    fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Handshake => "handshake",
            Self::Head => "head",
            Self::Answer => "answer",
        }
    }
}

impl Connections {
    /// A refusal can be caused by anybody and as often as they like, so not every one has a line in the log.
    const LOGGED_EVERY: Duration = Duration::from_secs(10);

    /// `limit` is the number of connections that the server accepts. One address may have `max_per_address` of them (0:
    /// all). All of them may be in use for `full_time` until [`are_full`](Self::are_full) says so.
    pub(crate) fn new(
        limit: usize,
        max_per_address: usize,
        full_time: Duration,
        metrics: &Arc<Metrics>,
    ) -> Self {
        metrics.set_connections_limit(limit);
        for cut in Cut::ALL {
            // So that the first one is an increase.
            metrics.connections_refused(cut.as_str()).inc_by(0);
        }
        let counts = Counts {
            max_per_address,
            total: 0,
            by_network: HashMap::new(),
            full_since: None,
            full_time,
            refusals: Refusals::default(),
        };
        Self(Arc::new(State { limit, metrics: Arc::clone(metrics), counts: Mutex::new(counts) }))
    }

    /// Replaces the limits. Connections that are open stay.
    pub(crate) fn set_limits(&self, max_per_address: usize, full_time: Duration) {
        self.with(|counts| (counts.max_per_address, counts.full_time) = (max_per_address, full_time));
    }

    /// Counts a new connection. `is_proxy`: whether it comes from a trusted proxy, whose connections belong to many
    /// clients. `None` when the address has as many as it may have.
    pub(crate) fn enter(&self, peer: IpAddr, is_proxy: bool) -> Option<Place> {
        let network = (!is_proxy).then(|| network_of(peer));
        let entered = self.with(|counts| counts.enter(network, self.0.limit, Instant::now()));
        if entered {
            self.0.metrics.connections().inc();
            return Some(Place { connections: self.clone(), network });
        }
        self.count_cut(Cut::Address);
        if let Some(network) = network
            && let Some(refused) = self.with(|counts| counts.refusals.count(Instant::now()))
        {
            tracing::warn!(%network, refused, "too many connections from one address, the last from this one");
        }
        None
    }

    /// Counts a connection that the service ended.
    pub(crate) fn count_cut(&self, why: Cut) {
        self.0.metrics.connections_refused(why.as_str()).inc();
    }

    /// The limit of all connections, when nearly all of them have been in use for too long.
    pub(crate) fn are_full(&self) -> Option<usize> {
        self.with(|counts| counts.is_full(Instant::now())).then_some(self.0.limit)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Counts) -> T) -> T {
        work(&mut self.0.counts.lock())
    }
}

impl Counts {
    fn enter(&mut self, network: Option<IpNet>, limit: usize, now: Instant) -> bool {
        if let Some(network) = network {
            let of_network = self.by_network.entry(network).or_default();
            if self.max_per_address > 0 && *of_network >= self.max_per_address {
                return false;
            }
            *of_network += 1;
        }
        self.total += 1;
        if self.total >= limit {
            self.full_since.get_or_insert(now);
        }
        true
    }

    fn leave(&mut self, network: Option<IpNet>, limit: usize) {
        self.total -= 1;
        // Where connections are short, a few are always free between two of them.
        if self.total * 10 < limit * 9 {
            self.full_since = None;
        }
        let Some(network) = network else { return };
        if let Some(of_network) = self.by_network.get_mut(&network) {
            *of_network -= 1;
            if *of_network == 0 {
                self.by_network.remove(&network);
            }
        }
    }

    fn is_full(&self, now: Instant) -> bool {
        self.full_since.is_some_and(|since| now.duration_since(since) >= self.full_time)
    }
}

impl Refusals {
    /// Counts one. Returns how many to log now, if it is time for it.
    fn count(&mut self, now: Instant) -> Option<usize> {
        self.unlogged += 1;
        if self.logged_at.is_some_and(|at| now.duration_since(at) < Connections::LOGGED_EVERY) {
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.unlogged))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let limit = self.connections.0.limit;
        self.connections.with(|counts| counts.leave(self.network, limit));
        self.connections.0.metrics.connections().dec();
    }
}

/// An IPv4 address, or the /64 network of an IPv6 address, because one caller has all of its 2^64 addresses.
fn network_of(peer: IpAddr) -> IpNet {
    match peer.to_canonical() {
        IpAddr::V4(address) => IpNet::from(IpAddr::V4(address)),
        IpAddr::V6(address) => IpNet::new(IpAddr::V6(address), 64)
            .map_or_else(|_| IpAddr::V6(address).into(), |network| network.trunc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(limit: usize, max_per_address: usize) -> (Connections, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new().unwrap());
        (Connections::new(limit, max_per_address, Duration::ZERO, &metrics), metrics)
    }

    fn enter(connections: &Connections, peer: &str) -> Option<Place> {
        connections.enter(peer.parse().unwrap(), false)
    }

    #[test]
    fn one_address_has_no_more_connections_than_it_may_have() {
        let (connections, metrics) = connections(100, 2);
        let first = enter(&connections, "192.0.2.1");
        let second = enter(&connections, "::ffff:192.0.2.1");
        assert!(first.is_some() && second.is_some());
        assert!(enter(&connections, "192.0.2.1").is_none());
        let other = enter(&connections, "192.0.2.2");
        assert!(other.is_some(), "each address by itself");
        assert_eq!(metrics.connections().get(), 3);
        drop(first);
        assert!(enter(&connections, "192.0.2.1").is_some(), "one has ended");
        drop((second, other));
        assert_eq!(metrics.connections().get(), 0);
        assert!(connections.with(|counts| counts.total == 0 && counts.by_network.is_empty()));
    }

    #[test]
    fn the_addresses_of_one_64_network_share_the_limit() {
        let (connections, _) = connections(100, 2);
        let _held = [enter(&connections, "2001:db8::1"), enter(&connections, "2001:db8::ffff:2")];
        assert!(enter(&connections, "2001:db8::3").is_none());
        assert!(enter(&connections, "2001:db8:0:1::1").is_some());
    }

    #[test]
    fn proxies_have_no_limit_and_zero_is_none() {
        let (connections, metrics) = connections(100, 1);
        let proxy = "10.0.0.1".parse().unwrap();
        let held: Vec<_> = (0..5).map(|_| connections.enter(proxy, true)).collect();
        assert!(held.iter().all(Option::is_some));
        assert_eq!(metrics.connections().get(), 5);
        assert!(
            connections.enter(proxy, false).is_some(),
            "those as a proxy are not counted for the address"
        );
        connections.set_limits(0, Duration::ZERO);
        let held: Vec<_> = (0..5).map(|_| enter(&connections, "192.0.2.1")).collect();
        assert!(held.iter().all(Option::is_some));
    }

    #[test]
    fn full_for_some_time_is_full_until_more_than_a_tenth_is_free() {
        let (connections, _) = connections(20, 0);
        connections.set_limits(0, Duration::from_secs(10));
        let mut held: Vec<_> = (0..20).map(|_| enter(&connections, "192.0.2.1")).collect();
        let full_after = |seconds| {
            connections.with(|counts| counts.is_full(Instant::now() + Duration::from_secs(seconds)))
        };
        assert!(!full_after(0) && !full_after(9) && full_after(10));
        held.truncate(18);
        assert!(full_after(10), "two of twenty are free");
        held.truncate(17);
        assert!(!full_after(10));
    }

    #[test]
    fn a_flood_of_refusals_has_few_lines() {
        let (mut refusals, now) = (Refusals::default(), Instant::now());
        assert_eq!(refusals.count(now), Some(1));
        assert_eq!(refusals.count(now), None);
        assert_eq!(refusals.count(now + Duration::from_secs(9)), None);
        assert_eq!(refusals.count(now + Duration::from_secs(10)), Some(3));
    }
}
