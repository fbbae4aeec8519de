use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use padan_domain::{ClientName, Clock};
use padan_store::Store;
use parking_lot::Mutex;

use crate::{
    config::TrialLimit,
    deadline::within,
    error::VerificationError,
    running_trials::Scope,
    trial_verdict::{Counted, Refused, TrialVerdict},
};

/// Limits how many requests of a client may have a wrong field or an unknown NIK, whoever they are about.
///
/// They are counted in the store once in a second for each client, and before each trial only when the limit is near:
/// until the next count, each trial that begins counts as failed.
#[derive(Clone)]
pub(crate) struct ClientFailures {
    limits: [TrialLimit; 2],
    store: Store,
    clock: Clock,
    last_counts: Arc<Mutex<HashMap<ClientName, LastCount>>>,
}

/// The last count of a client's failures.
struct LastCount {
    at: Instant,
    /// The failures in both windows.
    failures: [u32; 2],
    /// Trials that were running at that time or have begun since.
    begun: u32,
}

/// How long a count is used. Failures at other processes are seen after this time.
const COUNT_AGE: Duration = Duration::from_secs(1);

impl ClientFailures {
    pub(crate) fn new(limits: [TrialLimit; 2], store: Store, clock: Clock) -> Self {
        Self { limits, store, clock, last_counts: Arc::default() }
    }

    pub(crate) fn are_limited(&self) -> bool {
        self.limits.iter().any(|limit| limit.is_on())
    }

    /// Whether another trial of the client may begin. `others` are its running trials.
    pub(crate) async fn verdict(
        &self,
        client: &ClientName,
        others: u32,
        deadline: Instant,
    ) -> Result<TrialVerdict, VerificationError> {
        if !self.are_limited() || self.is_far_from_limit(client) {
            return Ok(TrialVerdict::Admitted);
        }
        let (now, at) = (self.clock.now(), Instant::now());
        let lookup = self.store.client_failures(client, self.limits.map(|limit| limit.events(now)));
        let failures = within(deadline, lookup).await.map_err(VerificationError::StoreUnavailable)?;
        let count = LastCount { at, failures: failures.map(|failures| failures.count), begun: others + 1 };
        self.last_counts.lock().insert(client.clone(), count);
        let counted = [0, 1].map(|at| {
            let (limit, failures) = (self.limits[at], failures[at]);
            let (scope, refused, count) = (Scope::Client, Refused::Fields, failures.count);
            let last_allowed = failures.earliest.filter(|_| count >= limit.most);
            Counted { limit, scope, refused, count, last_allowed, others }
        });
        Ok(TrialVerdict::of(&counted, now))
    }

    /// Whether the last count is recent, and the limit is not reached even if all trials since then have failed.
    fn is_far_from_limit(&self, client: &ClientName) -> bool {
        let mut last_counts = self.last_counts.lock();
        let Some(last) = last_counts.get_mut(client).filter(|last| last.at.elapsed() < COUNT_AGE) else {
            return false;
        };
        let is_far = self
            .limits
            .iter()
            .zip(last.failures)
            .all(|(limit, failures)| !limit.is_on() || failures.saturating_add(last.begun) < limit.most);
        last.begun += u32::from(is_far);
        is_far
    }
}
