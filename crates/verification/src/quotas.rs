use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use padan_domain::{ClientName, ClientRules, Clock, QuotaPeriod, QuotaSpan};
use padan_store::{QuotaGrant, QuotaRequest, Store, StoreError};
use tokio::{
    runtime::Handle,
    sync::{Mutex as AsyncMutex, OwnedMutexGuard},
};
use tracing::Instrument as _;

/// What is left of the client's quota that will be used up first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaState {
    /// Requests allowed in the whole period.
    pub limit: u64,
    /// Requests left, as far as this process knows: requests that other processes hold count as used.
    pub remaining: u64,
    /// Time until the period ends.
    pub reset: Duration,
}

/// How much of one quota of a client is used.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaFigures {
    /// The client.
    pub client: ClientName,
    /// The period.
    pub period: QuotaPeriod,
    /// From 0 to 1, as far as this process knows: requests that other processes hold count as used.
    pub used_ratio: f64,
}

/// Why a request could not be counted.
pub(crate) enum QuotaError {
    /// No request is left.
    UsedUp(QuotaState),
    /// The store did not answer.
    Store(StoreError),
}

/// Counts requests against quotas over all processes: a process takes an allotment from the store and uses it up.
pub(crate) struct Quotas {
    store: Store,
    clock: Clock,
    /// Runs the questions to the store, whose answers must not be lost with the caller.
    runtime: Handle,
    allotments: Mutex<HashMap<(ClientName, QuotaPeriod), Arc<Allotment>>>,
}

/// What this process holds of one quota.
#[derive(Default)]
struct Allotment {
    state: Mutex<AllotmentState>,
    /// Held while the store is asked, so that the other callers wait for its answer.
    asking: Arc<AsyncMutex<()>>,
}

#[derive(Default)]
struct AllotmentState {
    span: Option<QuotaSpan>,
    left: u32,
    quota: Option<NonZeroU32>,
    /// What all processes had taken when this one last asked.
    used: u64,
    /// Set when the store had nothing left; it is asked again after this time.
    used_up_until: Option<Instant>,
}

/// A request that was counted against one quota. It is handed back on drop unless it is kept.
struct CountedRequest {
    allotment: Arc<Allotment>,
    span: QuotaSpan,
    is_kept: bool,
}

/// How often the store is asked again for a quota that is used up: another process may have handed some back.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl Quotas {
    /// Must be called within a Tokio runtime.
    pub(crate) fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, runtime: Handle::current(), allotments: Mutex::default() }
    }

    /// Counts one request; `None` for a client without quotas.
    ///
    /// A request of the day is handed back when the month has none left, and when the caller drops this future.
    pub(crate) async fn take(
        &self,
        client: &ClientName,
        rules: &ClientRules,
    ) -> Result<Option<QuotaState>, QuotaError> {
        let mut nearest: Option<QuotaState> = None;
        let mut counted = Vec::new();
        for period in QuotaPeriod::ALL {
            let Some(quota) = rules.quota(period) else { continue };
            let (request, state) = self.take_one(client, period, quota).await?;
            counted.push(request);
            nearest = Some(nearest.filter(|other| other.remaining <= state.remaining).unwrap_or(state));
        }
        counted.into_iter().for_each(CountedRequest::keep);
        Ok(nearest)
    }

    /// How much is used in the current period of each quota that was asked for since the start.
    pub(crate) fn figures(&self) -> Vec<QuotaFigures> {
        let allotments = self.allotments.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = allotments.iter().filter_map(|((client, period), allotment)| {
            let state = allotment.state();
            let quota = f64::from(state.quota?.get());
            let is_current = state.span == Some(period.current(&self.clock));
            let used = if is_current { state.used.saturating_sub(state.left.into()) } else { 0 };
            Some(QuotaFigures {
                client: client.clone(),
                period: *period,
                used_ratio: (used as f64 / quota).min(1.0),
            })
        });
        figures.collect()
    }

    /// Hands unused requests back to the store. To be called when no request is served any more.
    pub(crate) async fn finish(&self) {
        let allotments: Vec<_> =
            self.allotments.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        for ((client, _), allotment) in allotments {
            // The store may still be answering a caller who has hung up.
            let _asking = allotment.asking.lock().await;
            let (span, left) = {
                let mut state = allotment.state();
                (state.span, std::mem::take(&mut state.left))
            };
            if let Some(span) = span.filter(|_| left > 0)
                && let Err(error) = self.store.return_quota(&client, span, left).await
            {
                tracing::warn!("{left} requests of a quota could not be handed back: {error}");
            }
        }
    }

    async fn take_one(
        &self,
        client: &ClientName,
        period: QuotaPeriod,
        quota: NonZeroU32,
    ) -> Result<(CountedRequest, QuotaState), QuotaError> {
        let allotment = self.allotment(client, period);
        loop {
            let span = period.current(&self.clock);
            let reset = span.remaining(&self.clock);
            if let Some(outcome) = allotment.take(span, quota, reset) {
                return outcome;
            }
            let asking = Arc::clone(&allotment.asking).lock_owned().await;
            if let Some(outcome) = allotment.take(span, quota, reset) {
                return outcome;
            }
            let ask = QuotaRequest { client: client.clone(), span, quota };
            self.replenish(&allotment, ask, asking).await.map_err(QuotaError::Store)?;
        }
    }

    /// Takes an allotment from the store. A task of its own puts it where the next caller finds it, so that the
    /// allotment is not lost when this caller hangs up.
    async fn replenish(
        &self,
        allotment: &Arc<Allotment>,
        ask: QuotaRequest,
        asking: OwnedMutexGuard<()>,
    ) -> Result<(), StoreError> {
        let (store, allotment) = (self.store.clone(), Arc::clone(allotment));
        let answered = async move {
            let grant = store.take_quota(&ask).await?;
            allotment.add(&ask, grant);
            drop(asking);
            Ok(())
        };
        let task = self.runtime.spawn(answered.in_current_span());
        task.await.unwrap_or_else(|ended| Err(StoreError::Unavailable(ended.to_string())))
    }

    fn allotment(&self, client: &ClientName, period: QuotaPeriod) -> Arc<Allotment> {
        let mut allotments = self.allotments.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(allotments.entry((client.clone(), period)).or_default())
    }
}

impl Allotment {
    /// Counts one request; `None` when the store has to be asked first.
    fn take(
        self: &Arc<Self>,
        span: QuotaSpan,
        quota: NonZeroU32,
        reset: Duration,
    ) -> Option<Result<(CountedRequest, QuotaState), QuotaError>> {
        let mut state = self.state();
        if state.span != Some(span) {
            return None;
        }
        let limit = u64::from(quota.get());
        if state.left > 0 {
            state.left -= 1;
            let remaining = limit.saturating_sub(state.used) + u64::from(state.left);
            let request = CountedRequest { allotment: Arc::clone(self), span, is_kept: false };
            return Some(Ok((request, QuotaState { limit, remaining, reset })));
        }
        let is_used_up = state.used_up_until.is_some_and(|until| Instant::now() < until);
        is_used_up.then_some(Err(QuotaError::UsedUp(QuotaState { limit, remaining: 0, reset })))
    }

    /// Adds what the store granted to requests that were handed back meanwhile.
    fn add(&self, ask: &QuotaRequest, grant: QuotaGrant) {
        let mut state = self.state();
        let handed_back = if state.span == Some(ask.span) { state.left } else { 0 };
        let left = handed_back.saturating_add(grant.granted);
        *state = AllotmentState {
            span: Some(ask.span),
            left,
            quota: Some(ask.quota),
            used: grant.used,
            used_up_until: (left == 0).then(|| Instant::now() + ASK_AGAIN),
        };
    }

    fn state(&self) -> MutexGuard<'_, AllotmentState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CountedRequest {
    fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for CountedRequest {
    fn drop(&mut self) {
        let mut state = self.allotment.state();
        // A request of a period that has ended is of no use in the next.
        if !self.is_kept && state.span == Some(self.span) {
            state.left += 1;
        }
    }
}

impl std::fmt::Debug for Quotas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Quotas")
    }
}
