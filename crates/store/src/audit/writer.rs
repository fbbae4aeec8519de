use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Datelike as _, DurationRound as _, Months, TimeDelta, Utc};
use padan_domain::Clock;
use padan_postgres::Pool;
use uuid::Uuid;

use super::{
    event::AuditEvent,
    forgetting::{Done, Forgetting, Forgotten, Step, forget},
    head::AuditHead,
    keys::AuditKeys,
    row::{AuditRow, ChainRow},
    statements::{OpenHead, Rows, append, begin_chain, ensure_month, note_head, open_heads},
};
use crate::{error::StoreError, person_keys::PersonKeys};

/// What writes rows: one chain after the other, never two at once.
pub(super) struct Writer {
    pool: Arc<Pool>,
    keys: AuditKeys,
    person_keys: PersonKeys,
    clock: Clock,
    chain: Option<Chain>,
    previous: Option<AuditHead>,
    unrecorded: i64,
    months: Arc<Mutex<HashSet<Month>>>,
    noted: Option<AuditHead>,
}

/// A chain that is being written, as far as it is durable.
#[derive(Clone)]
struct Chain {
    head: AuditHead,
    at: DateTime<Utc>,
}

/// A month for which rows can be written: its year and its number.
type Month = (i32, u32);

/// A chain that rested for so long is not gone on with: a new one begins. So others can tell which chains have ended.
const RESTED: TimeDelta = TimeDelta::days(1);
/// A chain that rested for so long has ended, even if the clock of its process is late.
const ENDED: TimeDelta = TimeDelta::days(2);
/// How many chains a new one vouches for, the newest; more processes do not share a store.
const MOST_VOUCHED: i64 = 1000;
/// A clock may be set back so far before a new chain is begun, in which the true time is written.
const SLIP: TimeDelta = TimeDelta::seconds(1);

impl Writer {
    pub(super) fn new(pool: Arc<Pool>, keys: AuditKeys, person_keys: PersonKeys, clock: Clock) -> Self {
        Self {
            pool,
            keys,
            person_keys,
            clock,
            chain: None,
            previous: None,
            unrecorded: 0,
            months: Arc::default(),
            noted: None,
        }
    }

    /// Makes the rows of requests durable, all or none. Whether rows of a commit that failed are there nobody knows: what
    /// follows is a new chain, which begins with what is known.
    pub(super) async fn write(&mut self, events: &[AuditEvent]) -> Result<(), StoreError> {
        let written = self.append(events).await;
        if written.is_err() {
            self.give_up();
            self.unrecorded += i64::try_from(events.len()).unwrap_or(i64::MAX);
        }
        written
    }

    /// Forgets a part of what there is about a person, together with the row that says so.
    pub(super) async fn forget(&mut self, forgetting: Forgetting) -> Result<Forgotten, StoreError> {
        let forgotten = self.forget_in_chain(forgetting).await;
        if forgotten.is_err() {
            self.give_up();
        }
        forgotten
    }

    /// Tells the log how far the chain has come, and the store as well, unless it was told already.
    pub(super) async fn note_head(&mut self) {
        let Some(Chain { head, .. }) = &self.chain else { return };
        if self.noted.as_ref() == Some(head) {
            return;
        }
        let AuditHead { writer, sequence, mac } = head;
        tracing::info!(%writer, sequence, mac = hex::encode(mac), "audit head");
        match self.pool.run(note_head, head).await {
            Ok(()) => self.noted = Some(head.clone()),
            Err(fault) => tracing::warn!("the head of the audit trail is in the log alone: {}", fault.text),
        }
    }

    /// Has the next month made while there is time, so that no row has to wait for it. Waits for nothing: what fails is
    /// tried again with the next call, and in the end by the first row of the month.
    pub(super) fn look_ahead(&self) {
        let Some(ahead) = self.now().checked_add_months(Months::new(1)) else { return };
        if self.chain.is_none() || self.known_months().contains(&month_of(ahead)) {
            return;
        }
        let (pool, months) = (Arc::clone(&self.pool), Arc::clone(&self.months));
        tokio::spawn(async move {
            match pool.run(ensure_month, &ahead).await {
                Ok(()) => {
                    months.lock().unwrap_or_else(PoisonError::into_inner).insert(month_of(ahead));
                }
                Err(fault) => {
                    tracing::warn!("the next month of the audit trail is not made yet: {}", fault.text);
                }
            }
        });
    }

    async fn append(&mut self, events: &[AuditEvent]) -> Result<(), StoreError> {
        let mut chain = self.chain_for_now().await?;
        let mut rows = Vec::with_capacity(events.len());
        for event in events {
            let place = (chain.at, chain.head.writer, chain.head.sequence + 1);
            let row = AuditRow::of(event, place, &self.person_keys)?.signed(&chain.head.mac, &self.keys)?;
            chain.head = row.head();
            rows.push(row);
        }
        self.pool.run(append, &Rows(rows)).await?;
        self.chain = Some(chain);
        Ok(())
    }

    async fn forget_in_chain(&mut self, forgetting: Forgetting) -> Result<Forgotten, StoreError> {
        let Chain { head, at } = self.chain_for_now().await?;
        let step = Step { forgetting, at, head, keys: self.keys.clone() };
        let Done { gone, head } = self.pool.run(forget, &step).await??;
        self.chain = Some(Chain { head, at });
        Ok(gone)
    }

    /// The chain to go on with, and the time of its next rows, for which there is a month.
    async fn chain_for_now(&mut self) -> Result<Chain, StoreError> {
        let now = self.now();
        if self.chain.as_ref().is_some_and(|chain| chain.at > now + SLIP || chain.at < now - RESTED) {
            self.end_chain();
        }
        self.ensure_month(now).await?;
        let mut chain = match self.chain.clone() {
            Some(chain) => chain,
            None => self.begin_chain(now).await?,
        };
        // Within a chain the time never goes back, so that the order of time is that of the chain.
        chain.at = chain.at.max(now);
        Ok(chain)
    }

    async fn begin_chain(&mut self, now: DateTime<Utc>) -> Result<Chain, StoreError> {
        let found = self.pool.run(open_heads, &MOST_VOUCHED).await?;
        let (mut seen, mut ended) = (Vec::with_capacity(found.len()), Vec::new());
        for OpenHead { writer, sequence, mac, at } in found {
            let head = AuditHead { writer, sequence, mac };
            seen.push(head.to_string());
            if at < now - ENDED {
                ended.push(head);
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
            person_key_id: self.person_keys.current_id().to_owned(),
            key_id: String::new(),
            mac: Vec::new(),
        }
        .signed(&self.keys)?;
        let head = beginning.head();
        self.pool.run(begin_chain, &(beginning, ended)).await?;
        self.unrecorded = 0;
        let chain = Chain { head, at: now };
        self.chain = Some(chain.clone());
        Ok(chain)
    }

    fn give_up(&mut self) {
        self.end_chain();
        // A partition may have gone with a database that was restored.
        self.known_months().clear();
    }

    fn end_chain(&mut self) {
        if let Some(Chain { head, .. }) = self.chain.take() {
            self.previous = Some(head);
        }
    }

    async fn ensure_month(&mut self, now: DateTime<Utc>) -> Result<(), StoreError> {
        if !self.known_months().contains(&month_of(now)) {
            self.pool.run(ensure_month, &now).await?;
            self.known_months().insert(month_of(now));
        }
        Ok(())
    }

    fn known_months(&self) -> MutexGuard<'_, HashSet<Month>> {
        self.months.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now, in microseconds, as PostgreSQL keeps it.
    fn now(&self) -> DateTime<Utc> {
        let now = self.clock.now();
        now.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(now)
    }
}

fn month_of(moment: DateTime<Utc>) -> Month {
    (moment.year(), moment.month())
}
