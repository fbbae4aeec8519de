use std::{collections::HashMap, fmt, num::NonZeroU32, time::Duration};

use governor::{
    DefaultDirectRateLimiter, NotUntil, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    state::keyed::HashMapStateStore,
};
use padan_domain::RequestRate;
use parking_lot::Mutex;

use crate::allowance::Allowance;

/// The call rates of clients, counted by this process alone. The key is the user name, because a client of the file and
/// one of the store may have the same name. Only user names of known clients get an entry.
pub(crate) struct Rates {
    calls: Mutex<HashMap<Username, (RequestRate, DefaultDirectRateLimiter)>>,
    refusals: Option<RateLimiter<Username, HashMapStateStore<Username>, DefaultClock>>,
}

/// The user name, as received.
type Username = Box<[u8]>;

impl Rates {
    /// `refusals` limits how many refusals of one client are recorded.
    pub(crate) fn new(refusals: Allowance) -> Self {
        Self { calls: Mutex::default(), refusals: refusals.quota().map(RateLimiter::hashmap) }
    }

    /// Counts a call. Returns how long the client must wait; `None` when it may call now.
    pub(crate) fn count_call(&self, username: &[u8], rate: RequestRate) -> Option<Duration> {
        let mut calls = self.calls.lock();
        let fresh = || (rate, RateLimiter::direct(quota(rate)));
        let (known, limiter) = calls.entry(username.into()).or_insert_with(fresh);
        if *known != rate {
            (*known, *limiter) = fresh();
        }
        limiter.check().err().map(|refused| retry_after(&refused))
    }

    /// Counts a refusal. Returns how long the client must wait when it was refused too often; `None` when this refusal
    /// may be answered and recorded.
    pub(crate) fn count_refusal(&self, username: &[u8]) -> Option<Duration> {
        self.refusals.as_ref()?.check_key(&username.into()).err().map(|refused| retry_after(&refused))
    }
}

fn retry_after(refused: &NotUntil<<DefaultClock as Clock>::Instant>) -> Duration {
    refused.wait_time_from(DefaultClock::default().now())
}

fn quota(rate: RequestRate) -> Quota {
    let fastest = Quota::per_second(NonZeroU32::MAX);
    Quota::with_period(rate.interval()).unwrap_or(fastest).allow_burst(rate.burst())
}

impl fmt::Debug for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rates")
    }
}
