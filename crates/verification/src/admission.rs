use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use governor::{
    DefaultDirectRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use padan_domain::{ClientName, Endpoint, RequestRate};
use sha2::Sha256;

use crate::{
    Clients, Credentials,
    clients::{Client, Found},
    error::in_words,
    quotas::{QuotaError, QuotaState},
};

/// Why a request is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// Unknown user, wrong password or wrong key; which of them is not told.
    #[error("missing or wrong credentials")]
    Unauthorized,
    /// The address has sent too many wrong credentials; for how long it is not listened to.
    #[error("too many wrong credentials came from this address")]
    TooManyFailures(Duration),
    /// The credentials are right, and the client is disabled, calls from outside its networks, or may not call this.
    #[error("the client {0} may not do this")]
    Forbidden(ClientName),
    /// The client calls faster than it may; when it may again.
    #[error("the client {0} calls faster than it may")]
    RateLimited(ClientName, Duration),
    /// A quota of the client is used up.
    #[error("a quota of the client {0} is used up")]
    QuotaExceeded(ClientName, QuotaState),
    /// The store cannot tell who calls, or how much of a quota is left.
    #[error("the store cannot answer: {0}")]
    StoreUnavailable(String),
}

/// The rates of clients, counted by this process alone.
#[derive(Default)]
pub(crate) struct Rates(Mutex<HashMap<ClientName, (RequestRate, DefaultDirectRateLimiter)>>);

/// Credentials that were right lately, by a hash under a key that no other process has: whoever works is not locked out
/// by whoever guesses from the same address.
pub(crate) struct KnownGood {
    key: [u8; 32],
    seen: Mutex<HashMap<[u8; 32], Instant>>,
}

/// For how long credentials that were right are listened to from an address that guesses.
const REMEMBERED: Duration = Duration::from_hours(1);
/// Clients that are remembered so.
const MOST_REMEMBERED: usize = 10_000;

impl Clients {
    /// Lets a request in: the right credentials, from where and for what the client may call. What it is allowed to use is
    /// not counted yet: see [`count`](Self::count).
    pub async fn identify(
        &self,
        presented: Credentials<'_>,
        peer: IpAddr,
        endpoint: Endpoint,
    ) -> Result<ClientName, AdmissionError> {
        let fingerprint = self.known_good.fingerprint(&presented);
        if let Some(wait) = self.guesses.blocked(peer)
            && !self.known_good.contains(&fingerprint)
        {
            return Err(AdmissionError::TooManyFailures(wait));
        }
        let found = match self.find(presented) {
            Found::Right(client) => Some(client),
            Found::Wrong | Found::Unknown => self.find_again(presented).await?,
        };
        let Some(client) = found else {
            self.known_good.forget(&fingerprint);
            self.guesses.note(peer);
            return Err(AdmissionError::Unauthorized);
        };
        self.known_good.remember(fingerprint);
        let Client { name, disabled, rules, .. } = *client;
        if disabled || !rules.admits(peer) || !rules.permits(endpoint) {
            return Err(AdmissionError::Forbidden(name));
        }
        if let Some(wait) = rules.rate.and_then(|rate| self.rates.check(&name, rate)) {
            return Err(AdmissionError::RateLimited(name, wait));
        }
        Ok(name)
    }

    /// Counts a request that was let in against the client's quotas.
    pub async fn count(&self, client: &ClientName) -> Result<Option<QuotaState>, AdmissionError> {
        let (Some(quotas), Some(rules)) = (&self.quotas, self.rules_of(client)) else { return Ok(None) };
        quotas.take(client, &rules).await.map_err(|error| match error {
            QuotaError::UsedUp(state) => AdmissionError::QuotaExceeded(client.clone(), state),
            QuotaError::Store(error) => AdmissionError::StoreUnavailable(in_words(&error)),
        })
    }

    /// Hands back what was taken of quotas and not used. To be called when nobody is served any more.
    pub async fn finish(&self) {
        if let Some(quotas) = &self.quotas {
            quotas.finish().await;
        }
    }

    /// Somebody may have been added, or given new secrets, a moment ago.
    async fn find_again(&self, presented: Credentials<'_>) -> Result<Option<Box<Client>>, AdmissionError> {
        let Some(stored) = &self.stored else { return Ok(None) };
        let looked = stored.look_again().await;
        match self.find(presented) {
            Found::Right(client) => Ok(Some(client)),
            Found::Wrong => Ok(None),
            Found::Unknown => Err(AdmissionError::StoreUnavailable(looked.map_or_else(
                |error| in_words(&error),
                |()| "the clients of the store could not be read a moment ago".to_owned(),
            ))),
        }
    }
}

impl Rates {
    /// How long the client has to wait; `None` when it may call now.
    fn check(&self, client: &ClientName, rate: RequestRate) -> Option<Duration> {
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || (rate, RateLimiter::direct(quota(rate)));
        let (known, limiter) = rates.entry(client.clone()).or_insert_with(fresh);
        if *known != rate {
            (*known, *limiter) = fresh();
        }
        let refused = limiter.check().err()?;
        Some(refused.wait_time_from(DefaultClock::default().now()))
    }
}

fn quota(rate: RequestRate) -> Quota {
    let fastest = Quota::per_second(NonZeroU32::MAX);
    Quota::with_period(rate.interval()).unwrap_or(fastest).allow_burst(rate.burst())
}

impl KnownGood {
    pub(crate) fn new() -> Self {
        let mut key = [0; 32];
        // Without random numbers the key is known, and so is what it protects: which credentials were right, to whoever
        // reads this process's memory and has them already.
        let _ = getrandom::fill(&mut key);
        Self { key, seen: Mutex::default() }
    }

    fn fingerprint(&self, presented: &Credentials<'_>) -> [u8; 32] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) else { return [0; 32] };
        for field in [presented.username, presented.password, presented.api_key] {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field);
        }
        mac.finalize().into_bytes().into()
    }

    fn contains(&self, fingerprint: &[u8; 32]) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(fingerprint).is_some_and(|at| at.elapsed() < REMEMBERED)
    }

    fn remember(&self, fingerprint: [u8; 32]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MOST_REMEMBERED {
            seen.retain(|_, at| at.elapsed() < REMEMBERED);
        }
        if seen.len() < MOST_REMEMBERED || seen.contains_key(&fingerprint) {
            seen.insert(fingerprint, Instant::now());
        }
    }

    fn forget(&self, fingerprint: &[u8; 32]) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).remove(fingerprint);
    }
}

impl fmt::Debug for KnownGood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownGood")
    }
}

impl fmt::Debug for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rates")
    }
}
