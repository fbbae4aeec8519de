use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use governor::{
    RateLimiter,
    clock::{Clock as _, DefaultClock},
    state::keyed::HashMapStateStore,
};

use crate::Allowance;

/// Slows down who guesses: wrong credentials of an address that sent too many are not looked into for a while.
pub(crate) struct Guesses {
    limiter: Option<RateLimiter<Address, HashMapStateStore<Address>, DefaultClock>>,
    blocked: Mutex<HashMap<Address, Instant>>,
}

/// An address, or the network of one: who has an IPv6 address has 2^64 of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Address(IpAddr);

/// Addresses that are remembered at a time, some 10 MB.
const MOST: usize = 65_536;

impl Guesses {
    pub(crate) fn new(limit: Allowance) -> Self {
        Self { limiter: limit.quota().map(RateLimiter::hashmap), blocked: Mutex::default() }
    }

    /// For how long wrong credentials of the address are not listened to.
    pub(crate) fn blocked(&self, peer: IpAddr) -> Option<Duration> {
        let blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        let until = blocked.get(&Address::of(peer))?;
        let wait = until.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }

    /// Counts wrong credentials.
    pub(crate) fn note(&self, peer: IpAddr) {
        let Some(limiter) = &self.limiter else { return };
        let address = Address::of(peer);
        if limiter.len() >= MOST {
            limiter.retain_recent();
        }
        let now = Instant::now();
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(refused) = limiter.check_key(&address) {
            if blocked.len() >= MOST {
                blocked.retain(|_, until| *until > now);
            }
            // A table that is full of addresses under attack forgets new ones rather than to grow.
            if blocked.len() < MOST || blocked.contains_key(&address) {
                blocked.insert(address, now + refused.wait_time_from(DefaultClock::default().now()));
            }
        }
    }
}

impl Address {
    fn of(peer: IpAddr) -> Self {
        Self(match peer.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
            }
            address @ IpAddr::V4(_) => address,
        })
    }
}

impl std::fmt::Debug for Guesses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guesses")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_slowed_down_and_its_neighbour_is_not() {
        let guesses = Guesses::new(Allowance { burst: 3, seconds_apart: 3 });
        let (one, other): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..3 {
            guesses.note(one);
            assert_eq!(guesses.blocked(one), None);
        }
        guesses.note(one);
        let wait = guesses.blocked(one).unwrap();
        assert!(wait <= Duration::from_secs(3) && wait > Duration::from_secs(1), "{wait:?}");
        assert_eq!(guesses.blocked(other), None);
        assert!(guesses.blocked("::ffff:192.0.2.1".parse().unwrap()).is_some());
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_are_one() {
        let guesses = Guesses::new(Allowance { burst: 1, seconds_apart: 3 });
        guesses.note("2001:db8::1".parse().unwrap());
        guesses.note("2001:db8::2".parse().unwrap());
        assert!(guesses.blocked("2001:db8::3".parse().unwrap()).is_some());
        assert_eq!(guesses.blocked("2001:db8:0:1::1".parse().unwrap()), None);
    }

    #[test]
    fn without_a_limit_nobody_is_slowed_down() {
        let guesses = Guesses::new(Allowance::default());
        for _ in 0..1000 {
            guesses.note("192.0.2.1".parse().unwrap());
        }
        assert_eq!(guesses.blocked("192.0.2.1".parse().unwrap()), None);
    }
}
