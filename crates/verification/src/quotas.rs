use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use padan_domain::{ClientName, ClientRules, Clock, QuotaPeriod, QuotaSpan};
use padan_store::{QuotaGrant, QuotaRequest, Quotas as StoredQuotas, StoreError, fault_point};
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    runtime::Handle,
    sync::{Mutex as AsyncMutex, OwnedMutexGuard},
};
use tracing::Instrument as _;

/// The state of the client's quota that has the fewest requests left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaState {
    /// Requests allowed in the period.
    pub limit: u64,
    /// Requests left, as far as this process knows: requests that other processes hold count as used.
    pub remaining: u64,
    /// Time until the period ends.
    pub reset: Duration,
}

/// The used share of one quota of a client.
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

/// Counts requests against quotas over all processes: each process takes an allotment from the store, and takes another
/// when it is used up.
pub(crate) struct Quotas {
    store: StoredQuotas,
    clock: Clock,
    /// Runs the calls to the store, so that a grant is not lost when the caller disconnects.
    runtime: Handle,
    allotments: Mutex<HashMap<(ClientName, QuotaPeriod), Arc<Allotment>>>,
}

/// The requests of one quota that this process has taken from the store.
#[derive(Default)]
struct Allotment {
    state: Mutex<AllotmentState>,
    /// Locked during a call to the store, so that other callers wait for its result.
    store_call: Arc<AsyncMutex<()>>,
}

#[derive(Default)]
struct AllotmentState {
    span: Option<QuotaSpan>,
    left: u32,
    quota: Option<NonZeroU32>,
    /// Requests that all processes had taken at this process's last call to the store.
    used: u64,
    /// Set when the store had none left; it is called again after this time.
    used_up_until: Option<Instant>,
}

/// A request that was counted against one quota. It is returned on drop unless it is kept.
struct CountedRequest {
    allotment: Arc<Allotment>,
    span: QuotaSpan,
    is_kept: bool,
}

/// The interval of calls to the store for a quota that is used up: another process may have returned requests.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

impl Quotas {
    /// Must be called within a Tokio runtime.
    pub(crate) fn new(store: StoredQuotas, clock: Clock) -> Self {
        Self { store, clock, runtime: Handle::current(), allotments: Mutex::default() }
    }

    /// Counts one request; `None` for a client without quotas.
    ///
    /// A request of the day is returned when the month has none left, and when the caller drops this future.
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

    /// The used share of each quota that was used since the process started, in the current period.
    pub(crate) fn figures(&self) -> Vec<QuotaFigures> {
        let allotments = self.allotments.lock();
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

    /// Returns unused requests to the store. Call it when no request is served any more.
    pub(crate) async fn finish(&self) {
        let allotments: Vec<_> = self.allotments.lock().drain().collect();
        for ((client, _), allotment) in allotments {
            // A call to the store may still be running for a caller that has disconnected.
            let _store_call = allotment.store_call.lock().await;
            let (span, left) = {
                let mut state = allotment.state();
                (state.span, std::mem::take(&mut state.left))
            };
            if let Some(span) = span.filter(|_| left > 0)
                && let Err(error) = self.store.give_back(&client, span, left).await
            {
                tracing::warn!("{left} requests of a quota could not be returned to the store: {error}");
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
            let store_call = Arc::clone(&allotment.store_call).lock_owned().await;
            if let Some(outcome) = allotment.take(span, quota, reset) {
                return outcome;
            }
            let request = QuotaRequest { client: client.clone(), span, quota };
            self.replenish(&allotment, request, store_call).await.map_err(QuotaError::Store)?;
        }
    }

    /// Takes an allotment from the store. A separate task adds it for the next caller, so that it is not lost when this
    /// caller disconnects.
    async fn replenish(
        &self,
        allotment: &Arc<Allotment>,
        request: QuotaRequest,
        store_call: OwnedMutexGuard<()>,
    ) -> Result<(), StoreError> {
        let (store, allotment) = (self.store.clone(), Arc::clone(allotment));
        let take_grant = async move {
            fault_point("grant of a quota");
            let grant = store.take(&request).await?;
            allotment.add(&request, grant);
            drop(store_call);
            Ok(())
        };
        let task = self.runtime.spawn(take_grant.in_current_span());
        task.await.unwrap_or_else(|ended| Err(StoreError::Unavailable(ended.to_string())))
    }

    fn allotment(&self, client: &ClientName, period: QuotaPeriod) -> Arc<Allotment> {
        let mut allotments = self.allotments.lock();
        Arc::clone(allotments.entry((client.clone(), period)).or_default())
    }
}

impl Allotment {
    /// Counts one request; `None` when requests must be taken from the store first.
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

    /// Adds the grant of the store to requests that were returned meanwhile.
    fn add(&self, request: &QuotaRequest, grant: QuotaGrant) {
        let mut state = self.state();
        let returned = if state.span == Some(request.span) { state.left } else { 0 };
        let left = returned.saturating_add(grant.granted);
        *state = AllotmentState {
            span: Some(request.span),
            left,
            quota: Some(request.quota),
            used: grant.used,
            used_up_until: (left == 0).then(|| Instant::now() + RETRY_INTERVAL),
        };
    }

    fn state(&self) -> MutexGuard<'_, AllotmentState> {
        self.state.lock()
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
        // A request of an ended period cannot be used in the next one.
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
