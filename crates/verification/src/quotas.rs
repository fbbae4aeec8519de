use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use padan_domain::{ClientName, ClientRules, Clock, QuotaPeriod, QuotaSpan};
use padan_store::{QuotaAsk, Store, StoreError};
use tokio::sync::Mutex as Turn;

/// How a client stands with its quota that is nearest to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaState {
    /// Requests that the period has in all.
    pub limit: u64,
    /// Those that are left, as far as this process knows: what others have set aside counts as used.
    pub remaining: u64,
    /// Until the period ends.
    pub reset: Duration,
}

/// How much of one quota of a client is used.
#[derive(Debug, Clone, PartialEq)]
pub struct QuotaFigures {
    /// The client.
    pub client: ClientName,
    /// The period.
    pub period: QuotaPeriod,
    /// From 0 to 1, as far as this process knows: what others have set aside counts as used.
    pub used_ratio: f64,
}

/// Why a request is not counted.
pub(crate) enum QuotaError {
    /// Nothing is left.
    UsedUp(QuotaState),
    /// How much is left cannot be told.
    Store(StoreError),
}

/// Counts requests against quotas over all processes: some are taken from the store at a time, and used here.
pub(crate) struct Quotas {
    store: Store,
    clock: Clock,
    leases: Mutex<HashMap<(ClientName, QuotaPeriod), Arc<Lease>>>,
}

/// What this process has taken of one quota.
#[derive(Default)]
struct Lease {
    taken: Mutex<Taken>,
    /// One asks the store, the others wait for the answer.
    asking: Turn<()>,
}

#[derive(Default)]
struct Taken {
    span: Option<QuotaSpan>,
    left: u32,
    quota: Option<NonZeroU32>,
    /// What all processes had taken when this one asked last.
    used: u64,
    /// Nothing was left then; not asked again before this.
    used_up_until: Option<Instant>,
}

/// How often the store is asked again for a quota that is used up: another process may hand some back.
const ASK_AGAIN: Duration = Duration::from_secs(1);

impl Quotas {
    pub(crate) fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock, leases: Mutex::default() }
    }

    /// Counts one request; `None` for a client without quotas.
    pub(crate) async fn take(
        &self,
        client: &ClientName,
        rules: &ClientRules,
    ) -> Result<Option<QuotaState>, QuotaError> {
        let mut nearest: Option<QuotaState> = None;
        let mut counted: Vec<Arc<Lease>> = Vec::new();
        for period in QuotaPeriod::ALL {
            let Some(quota) = rules.quota(period) else { continue };
            let lease = self.lease(client, period);
            match self.take_one(&lease, client, period, quota).await {
                Ok(state) => {
                    counted.push(lease);
                    nearest =
                        Some(nearest.filter(|other| other.remaining <= state.remaining).unwrap_or(state));
                }
                Err(error) => {
                    // A day's request is not used when the month is.
                    for lease in &counted {
                        lease.hand_back();
                    }
                    return Err(error);
                }
            }
        }
        Ok(nearest)
    }

    /// How much is used of the quotas of those who have called since the start, in their present periods.
    pub(crate) fn figures(&self) -> Vec<QuotaFigures> {
        let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = leases.iter().filter_map(|((client, period), lease)| {
            let taken = lease.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let quota = f64::from(taken.quota?.get());
            let is_present = taken.span == Some(period.current(&self.clock));
            let used = if is_present { taken.used.saturating_sub(taken.left.into()) } else { 0 };
            Some(QuotaFigures {
                client: client.clone(),
                period: *period,
                used_ratio: (used as f64 / quota).min(1.0),
            })
        });
        figures.collect()
    }

    /// Hands back to the store what was taken and not used. To be called when nobody is served any more.
    pub(crate) async fn finish(&self) {
        let leases: Vec<_> = self.leases.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        for ((client, _), lease) in leases {
            let (span, left) = {
                let mut taken = lease.taken.lock().unwrap_or_else(PoisonError::into_inner);
                (taken.span, std::mem::take(&mut taken.left))
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
        lease: &Lease,
        client: &ClientName,
        period: QuotaPeriod,
        quota: NonZeroU32,
    ) -> Result<QuotaState, QuotaError> {
        loop {
            let span = period.current(&self.clock);
            let reset = span.remaining(&self.clock);
            if let Some(outcome) = lease.take(span, quota, reset) {
                return outcome.map_err(QuotaError::UsedUp);
            }
            let _turn = lease.asking.lock().await;
            if let Some(outcome) = lease.take(span, quota, reset) {
                return outcome.map_err(QuotaError::UsedUp);
            }
            let ask = QuotaAsk { client: client.clone(), span, quota };
            let grant = self.store.take_quota(&ask).await.map_err(QuotaError::Store)?;
            let mut taken = lease.taken.lock().unwrap_or_else(PoisonError::into_inner);
            *taken = Taken {
                span: Some(span),
                left: grant.granted,
                quota: Some(quota),
                used: grant.used,
                used_up_until: (grant.granted == 0).then(|| Instant::now() + ASK_AGAIN),
            };
        }
    }

    fn lease(&self, client: &ClientName, period: QuotaPeriod) -> Arc<Lease> {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(leases.entry((client.clone(), period)).or_default())
    }
}

impl Lease {
    /// Uses one of what was taken; `None` when the store has to be asked.
    fn take(
        &self,
        span: QuotaSpan,
        quota: NonZeroU32,
        reset: Duration,
    ) -> Option<Result<QuotaState, QuotaState>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.span != Some(span) {
            return None;
        }
        let limit = u64::from(quota.get());
        if taken.left > 0 {
            taken.left -= 1;
            let remaining = limit.saturating_sub(taken.used) + u64::from(taken.left);
            return Some(Ok(QuotaState { limit, remaining, reset }));
        }
        let used_up = taken.used_up_until.is_some_and(|until| Instant::now() < until);
        used_up.then_some(Err(QuotaState { limit, remaining: 0, reset }))
    }

    fn hand_back(&self) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).left += 1;
    }
}

impl std::fmt::Debug for Quotas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Quotas")
    }
}
