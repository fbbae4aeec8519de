use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, DurationRound as _, Months, TimeDelta, Utc};
use padan_domain::Clock;
use padan_postgres::Pool;
use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

use super::{
    administering::{AdminChange, AdminStep, administer},
    chain_end::ChainEnd,
    event::AuditEvent,
    forgetting::{Forgetting, Forgotten, Step, StepResult, forget},
    head::AuditHead,
    keys::AuditKeys,
    month::Month,
    open_chains::{OpenChain, open_chains},
    row::{AuditRow, ChainRow, RowPosition},
    statements::{EndedChain, append, begin_chain, ensure_month, insert_head},
};
use crate::{
    administration::entry::Operator,
    error::{StoreError, missing_key},
    fault_point,
    keys::person_keys::PersonKeys,
};

/// Writes rows in chains. A writer has at most one open chain.
pub(super) struct Writer {
    pool: Arc<Pool>,
    keys: AuditKeys,
    /// `None` in a process that records no requests.
    person_keys: Option<PersonKeys>,
    clock: Clock,
    chain: Option<Chain>,
    previous: Option<AuditHead>,
    unrecorded: i64,
    /// Months whose partitions exist.
    months: Arc<Mutex<HashSet<Month>>>,
    recorded_head: Option<AuditHead>,
}

/// The durable part of the open chain.
#[derive(Clone)]
struct Chain {
    head: AuditHead,
    at: DateTime<Utc>,
}

/// After this time without a row, the chain is closed and a new one begins, so that other processes know which chains
/// have ended.
const MAX_IDLE: TimeDelta = TimeDelta::days(1);
/// A chain without a row for this time has ended. Longer than [`MAX_IDLE`], since clocks of processes differ.
const ENDED_AFTER: TimeDelta = TimeDelta::days(2);
/// When the clock is set back by more than this, a new chain begins. After a smaller step back, rows have the time of
/// the last row until the clock has caught up.
const MAX_CLOCK_STEP_BACK: TimeDelta = TimeDelta::seconds(1);

impl Writer {
    pub(super) fn new(
        pool: Arc<Pool>,
        keys: AuditKeys,
        person_keys: Option<PersonKeys>,
        clock: Clock,
    ) -> Self {
        Self {
            pool,
            keys,
            person_keys,
            clock,
            chain: None,
            previous: None,
            unrecorded: 0,
            months: Arc::default(),
            recorded_head: None,
        }
    }

    /// Makes the rows of requests durable, all or none. After a failed commit, it is unknown whether its rows exist.
    /// The next row therefore begins a new chain, which names the last known head.
    pub(super) async fn write(&mut self, events: &[AuditEvent]) -> Result<(), StoreError> {
        let written = self.append(events).await;
        if written.is_err() {
            self.abandon_chain();
            self.unrecorded += i64::try_from(events.len()).unwrap_or(i64::MAX);
        }
        written
    }

    /// Runs one step of forgetting a person, and writes the row that announces it.
    pub(super) async fn forget(&mut self, forgetting: Forgetting) -> Result<Forgotten, StoreError> {
        let forgotten = self.forget_in_chain(forgetting).await;
        if forgotten.is_err() {
            self.abandon_chain();
        }
        forgotten
    }

    /// Makes a change of an operator together with its row. False when there was nothing to change.
    pub(super) async fn administer(
        &mut self,
        change: AdminChange,
        operator: Operator,
    ) -> Result<bool, StoreError> {
        let changed = self.administer_in_chain(change, operator).await;
        if changed.is_err() {
            self.abandon_chain();
        }
        changed
    }

    /// Records the head of the chain in the log and in the store, unless it was recorded already.
    pub(super) async fn record_head(&mut self) {
        let Some(Chain { head, .. }) = &self.chain else { return };
        if self.recorded_head.as_ref() == Some(head) {
            return;
        }
        let AuditHead { writer, sequence, mac } = head;
        tracing::info!(%writer, sequence, mac = hex::encode(mac), "audit head");
        match self.pool.execute(|| insert_head(head)).await {
            Ok(_) => self.recorded_head = Some(head.clone()),
            Err(fault) => {
                tracing::warn!("the head of the audit trail was logged but not stored: {}", fault.text);
            }
        }
    }

    /// Creates the next month's partition in the background, so that no row has to wait for it. After a failure, the
    /// next call tries again. The first row of that month creates the partition if it is still missing.
    pub(super) fn create_next_month(&self) {
        let Some(next) = self.now().checked_add_months(Months::new(1)) else { return };
        if self.chain.is_none() || self.known_months().contains(&Month::of(next)) {
            return;
        }
        let (pool, months) = (Arc::clone(&self.pool), Arc::clone(&self.months));
        tokio::spawn(async move {
            fault_point("partition of the next month");
            match pool.execute(|| ensure_month(&next)).await {
                Ok(_) => {
                    months.lock().insert(Month::of(next));
                }
                Err(fault) => {
                    let reason = fault.text;
                    tracing::warn!(
                        "the next month's partition of the audit trail could not be created yet: {reason}"
                    );
                }
            }
        });
    }

    async fn append(&mut self, events: &[AuditEvent]) -> Result<(), StoreError> {
        let person_keys = self.person_keys.clone().ok_or_else(|| missing_key("person_key"))?;
        let mut chain = self.chain_for_now().await?;
        let mut rows = Vec::with_capacity(events.len());
        for event in events {
            let row = AuditRow::of(event, chain.next_position(), &person_keys)?;
            let row = row.signed(&chain.head.mac, &self.keys)?;
            chain.head = row.head();
            rows.push(row);
        }
        self.pool.execute(|| append(&rows)).await?;
        self.chain = Some(chain);
        Ok(())
    }

    async fn forget_in_chain(&mut self, forgetting: Forgetting) -> Result<Forgotten, StoreError> {
        let Chain { head, at } = self.chain_for_now().await?;
        let step = Step { forgetting, at, head, keys: self.keys.clone() };
        let StepResult { forgotten, head } = self.pool.run(forget, &step).await??;
        self.chain = Some(Chain { head, at });
        Ok(forgotten)
    }

    async fn administer_in_chain(
        &mut self,
        change: AdminChange,
        operator: Operator,
    ) -> Result<bool, StoreError> {
        let Chain { head, at } = self.chain_for_now().await?;
        let step = AdminStep { change, operator, at, head, keys: self.keys.clone() };
        let head = self.pool.run(administer, &step).await??;
        let changed = head.is_some();
        if let Some(head) = head {
            self.chain = Some(Chain { head, at });
        }
        Ok(changed)
    }

    /// The chain for the next rows, with their time. Ensures that the partition of their month exists.
    async fn chain_for_now(&mut self) -> Result<Chain, StoreError> {
        let now = self.now();
        if self
            .chain
            .as_ref()
            .is_some_and(|chain| chain.at > now + MAX_CLOCK_STEP_BACK || chain.at < now - MAX_IDLE)
        {
            self.close_chain();
        }
        self.ensure_month(now).await?;
        let mut chain = match self.chain.clone() {
            Some(chain) => chain,
            None => self.begin_chain(now).await?,
        };
        // Time never goes back within a chain, so that rows ordered by time are in the order of the chain.
        chain.at = chain.at.max(now);
        Ok(chain)
    }

    async fn begin_chain(&mut self, now: DateTime<Utc>) -> Result<Chain, StoreError> {
        let (mut seen, mut ended) = (Vec::new(), Vec::new());
        for OpenChain { heads, last_at } in open_chains(&self.pool, &self.keys).await? {
            seen.extend(heads.iter().map(ToString::to_string));
            if let (Some(at), Some(head)) =
                (last_at.filter(|at| *at < now - ENDED_AFTER), heads.into_iter().next())
            {
                ended.push(EndedChain { end: ChainEnd::signed(head, &self.keys)?, last_at: at });
            }
        }
        let previous = self.previous.clone();
        let beginning = ChainRow {
            writer: Uuid::now_v7(),
            started_at: now,
            previous_writer: previous.as_ref().map(|head| head.writer),
            previous_sequence: previous.as_ref().map(|head| head.sequence),
            previous_mac: previous.map(|head| head.mac),
            seen: seen.join("\n"),
            unrecorded: self.unrecorded,
            person_key_id: self
                .person_keys
                .as_ref()
                .map_or_else(String::new, |keys| keys.current_id().to_owned()),
            key_id: String::new(),
            mac: Vec::new(),
        }
        .signed(&self.keys)?;
        let head = beginning.head();
        self.pool.execute(|| begin_chain(&beginning, &ended)).await?;
        self.unrecorded = 0;
        let chain = Chain { head, at: now };
        self.chain = Some(chain.clone());
        Ok(chain)
    }

    fn abandon_chain(&mut self) {
        self.close_chain();
        // After a restore of the database, a partition may be missing.
        self.known_months().clear();
    }

    fn close_chain(&mut self) {
        if let Some(Chain { head, .. }) = self.chain.take() {
            self.previous = Some(head);
        }
    }

    async fn ensure_month(&mut self, now: DateTime<Utc>) -> Result<(), StoreError> {
        if !self.known_months().contains(&Month::of(now)) {
            self.pool.execute(|| ensure_month(&now)).await?;
            self.known_months().insert(Month::of(now));
        }
        Ok(())
    }

    fn known_months(&self) -> MutexGuard<'_, HashSet<Month>> {
        self.months.lock()
    }

    /// The present time in microseconds, PostgreSQL's resolution.
    fn now(&self) -> DateTime<Utc> {
        let now = self.clock.now();
        now.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(now)
    }
}

impl Chain {
    fn next_position(&self) -> RowPosition {
        RowPosition { at: self.at, writer: self.head.writer, sequence: self.head.sequence + 1 }
    }
}
