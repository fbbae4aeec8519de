use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{allowance::Allowance, bounded_table::BoundedTable};

/// Limits guessing: after too many wrong credentials from an address, further ones are refused for a while without a
/// look-up.
pub(crate) struct FailedCredentials(FailureLimit<Address>);

/// Counts failures by a key, and says how long a key that has too many is refused.
pub(crate) struct FailureLimit<K> {
    limit: Allowance,
    table: Mutex<BoundedTable<K, Failures>>,
}

/// An IPv4 address, or the /64 network of an IPv6 address, because one caller has all of its 2^64 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Address(IpAddr);

/// The failures of one address: the state of a generic cell rate algorithm.
#[derive(Clone, Copy)]
struct Failures {
    /// When the address has its full burst again. Each failure delays it by the interval.
    cleared_at: Instant,
    /// When the next wrong credentials are looked up; in the past for an address that is not blocked.
    blocked_until: Instant,
}

/// The maximum number of remembered addresses. They need about 10 MB.
const MAX_ADDRESSES: usize = 65_536;

impl FailedCredentials {
    pub(crate) fn new(limit: Allowance) -> Self {
        Self(FailureLimit::new(limit))
    }

    /// How long wrong credentials from the address are still refused without a look-up.
    pub(crate) fn retry_after(&self, peer: IpAddr) -> Option<Duration> {
        self.0.retry_after(&Address::of(peer))
    }

    /// Counts wrong credentials from an address.
    pub(crate) fn record(&self, peer: IpAddr) {
        self.0.record(&Address::of(peer));
    }
}

impl<K: Clone + Eq + Hash> FailureLimit<K> {
    pub(crate) fn new(limit: Allowance) -> Self {
        Self { limit, table: Mutex::new(BoundedTable::new(MAX_ADDRESSES)) }
    }

    /// How long the key is still refused; `None` when it is not.
    pub(crate) fn retry_after(&self, key: &K) -> Option<Duration> {
        let table = self.table.lock();
        let failures = table.get(key)?;
        let wait = failures.blocked_until.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }

    /// Counts a failure of the key.
    pub(crate) fn record(&self, key: &K) {
        if self.limit.burst == 0 {
            return;
        }
        let now = Instant::now();
        let mut table = self.table.lock();
        let none_yet = Failures { cleared_at: now, blocked_until: now };
        let known = table.get_or_insert(key, none_yet, |failures| failures.cleared_at <= now);
        if let Some(failures) = known {
            failures.record(self.limit, now);
        }
    }
}

impl Failures {
    fn record(&mut self, limit: Allowance, now: Instant) {
        let interval = limit.interval();
        let burst = interval * limit.burst;
        let backlog = self.cleared_at.saturating_duration_since(now) + interval;
        match now.checked_add(backlog) {
            Some(cleared_at) if backlog <= burst => self.cleared_at = cleared_at,
            _ => self.blocked_until = now + backlog.saturating_sub(burst),
        }
    }
}

impl Address {
    pub(crate) fn of(peer: IpAddr) -> Self {
        Self(match peer.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

impl std::fmt::Debug for FailedCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FailedCredentials")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_blocked_and_its_neighbour_is_not() {
        let failed = FailedCredentials::new(Allowance { burst: 3, seconds_apart: 3 });
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..3 {
            failed.record(one);
            assert_eq!(failed.retry_after(one), None);
        }
        failed.record(one);
        let wait = failed.retry_after(one).unwrap();
        assert!(wait <= Duration::from_secs(3) && wait > Duration::from_secs(1), "{wait:?}");
        assert_eq!(failed.retry_after(other), None);
        assert!(failed.retry_after("::ffff:192.0.2.1".parse().unwrap()).is_some());
    }

    #[test]
    fn a_blocked_address_gets_one_look_up_for_each_interval() {
        let limit = Allowance { burst: 2, seconds_apart: 3 };
        let start = Instant::now();
        let mut failures = Failures { cleared_at: start, blocked_until: start };
        let mut blocked_after = |seconds| {
            let now = start + Duration::from_secs(seconds);
            failures.record(limit, now);
            failures.blocked_until.saturating_duration_since(now).as_secs()
        };
        assert_eq!([0, 0, 0].map(&mut blocked_after), [0, 0, 3]);
        assert_eq!([3, 3].map(&mut blocked_after), [0, 3]);
        assert_eq!([60, 60, 60].map(&mut blocked_after), [0, 0, 3], "the full burst after a while");
    }

    #[test]
    fn the_addresses_of_an_ipv6_network_are_counted_together() {
        let failed = FailedCredentials::new(Allowance { burst: 1, seconds_apart: 3 });
        failed.record("2001:db8::1".parse().unwrap());
        failed.record("2001:db8::2".parse().unwrap());
        assert!(failed.retry_after("2001:db8::3".parse().unwrap()).is_some());
        assert_eq!(failed.retry_after("2001:db8:0:1::1".parse().unwrap()), None);
    }

    #[test]
    fn without_a_limit_no_address_is_blocked() {
        let failed = FailedCredentials::new(Allowance::default());
        for _ in 0..1000 {
            failed.record("192.0.2.1".parse().unwrap());
        }
        assert_eq!(failed.retry_after("192.0.2.1".parse().unwrap()), None);
    }
}
