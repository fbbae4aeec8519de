use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use padan_domain::Clock;
use padan_postgres::Pool;
use tokio::{
    sync::{mpsc, oneshot},
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    administering::AdminChange,
    event::AuditEvent,
    forgetting::{Forgetting, Forgotten},
    keys::AuditKeys,
    progress::Progress,
    writer::Writer,
};
use crate::{administration::entry::Operator, error::StoreError, fault_point, keys::person_keys::PersonKeys};

/// Writes the audit trail. Clones write to the same chain.
///
/// Rows that are recorded during a commit share the next one. A single row is committed at once.
#[derive(Clone)]
pub struct AuditTrail {
    messages: mpsc::Sender<Message>,
    timeout: Duration,
    counters: Arc<Counters>,
}

/// One commit that made rows durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditCommit {
    /// The number of rows.
    pub rows: usize,
    /// How long it took.
    pub took: Duration,
}

type CommitObserver = Box<dyn Fn(AuditCommit) + Send + Sync>;

/// The counters of a trail since its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AuditFigures {
    /// Rows that are durable.
    pub rows: u64,
    /// Commits that made them durable.
    pub commits: u64,
    /// Rows that could not be written.
    pub failed: u64,
}

#[derive(Default)]
struct Counters {
    rows: AtomicU64,
    commits: AtomicU64,
    failed: AtomicU64,
    progress: Progress,
    observer: OnceLock<CommitObserver>,
}

enum Message {
    Record(AuditEvent, Reply<()>),
    Forget(Forgetting, Reply<Forgotten>),
    Administer(Box<(AdminChange, Operator)>, Reply<bool>),
    /// Write all earlier messages, then record the head.
    Finish(oneshot::Sender<()>),
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// The most rows of one commit.
const BATCH_ROWS: usize = 256;
/// Rows that may wait for a commit. Further callers wait until the queue has room, within their time limit.
const QUEUE_ROWS: usize = 4096;
/// How often the head is recorded, and the next month's partition created.
const UPKEEP_PERIOD: Duration = Duration::from_mins(1);
/// The writer counts as hung when it has finished no row for this many time limits of an answer, while rows wait. Its
/// statements fail earlier when the store does not answer.
const STALLED_AFTER_LIMITS: u32 = 4;

impl AuditTrail {
    /// Waits this long for a row, as an operator's command can, for which no caller waits.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Starts the writer's task. Must be called within a Tokio runtime. Nothing is written before the first row, so the
    /// store need not be up.
    pub(crate) fn start(
        pool: Arc<Pool>,
        keys: AuditKeys,
        person_keys: Option<PersonKeys>,
        clock: Clock,
        timeout: Duration,
    ) -> Self {
        let writer = Writer::new(pool, keys, person_keys, clock);
        let (sender, receiver) = mpsc::channel(QUEUE_ROWS);
        let counters = Arc::<Counters>::default();
        tokio::spawn(write_all(writer, receiver, Arc::clone(&counters)));
        Self { messages: sender, timeout, counters }
    }

    /// Records an event, and returns once its row is durable.
    ///
    /// # Errors
    ///
    /// When the row is not durable within the time limit, or could not be written.
    pub async fn record(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.send(|reply| Message::Record(event, reply)).await
    }

    /// Records an event without waiting for its row, for a request whose caller has disconnected. A failure is only
    /// counted.
    pub fn record_without_waiting(&self, event: AuditEvent) {
        let (reply, _) = oneshot::channel();
        if self.messages.try_send(Message::Record(event, reply)).is_err() {
            self.counters.failed.fetch_add(1, Relaxed);
        }
    }

    /// Deletes templates of a person and removes the person from at most [`STEP_ROWS`](super::forgetting::STEP_ROWS)
    /// rows.
    pub(crate) async fn forget(&self, forgetting: &Forgetting) -> Result<Forgotten, StoreError> {
        let forgetting = forgetting.clone();
        self.send(|reply| Message::Forget(forgetting, reply)).await
    }

    /// Makes a change of an operator together with its row. False when there was nothing to change.
    pub(crate) async fn administer(
        &self,
        change: AdminChange,
        operator: Operator,
    ) -> Result<bool, StoreError> {
        self.send(|reply| Message::Administer(Box::new((change, operator)), reply)).await
    }

    /// Writes all queued rows and records the head, within the time limit. Must be called before the process ends.
    pub async fn finish(&self) {
        let finished = async {
            let (reply, finished) = oneshot::channel();
            if self.messages.send(Message::Finish(reply)).await.is_ok() {
                let _ = finished.await;
            }
        };
        if timeout(self.timeout, finished).await.is_err() {
            tracing::warn!("the head of the audit trail could not be recorded in time");
        }
    }

    /// Calls an observer, which must not block, after each later commit. Only the first call of this function has an
    /// effect.
    pub fn observe_commits(&self, observer: impl Fn(AuditCommit) + Send + Sync + 'static) {
        let _ = self.counters.observer.set(Box::new(observer));
    }

    /// Checks that the writer's task runs and gets on. It notices a task that hangs when it is called repeatedly.
    ///
    /// # Errors
    ///
    /// When the task has ended, or hangs, so that no further row can be written.
    pub fn check(&self) -> Result<(), StoreError> {
        if self.messages.is_closed() {
            return Err(ended());
        }
        let are_rows_queued = self.messages.capacity() < self.messages.max_capacity();
        let stalled = self.counters.progress.stalled_for(are_rows_queued, Instant::now());
        if stalled < self.timeout * STALLED_AFTER_LIMITS {
            return Ok(());
        }
        Err(StoreError::Unavailable(format!(
            "the writer of the audit trail has not finished a row for {} s although rows wait; restart the service",
            stalled.as_secs()
        )))
    }

    /// Waits until the writer's task has ended. While the trail or a clone exists, only a panic ends it.
    pub async fn writer_ended(&self) {
        self.messages.closed().await;
    }

    /// The counters since the start.
    pub fn figures(&self) -> AuditFigures {
        AuditFigures {
            rows: self.counters.rows.load(Relaxed),
            commits: self.counters.commits.load(Relaxed),
            failed: self.counters.failed.load(Relaxed),
        }
    }

    async fn send<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T, StoreError> {
        let replied = async {
            let (reply, replied) = oneshot::channel();
            self.messages.send(message(reply)).await.map_err(|_| ended())?;
            replied.await.map_err(|_| ended())?
        };
        let limit = self.timeout.as_millis();
        timeout(self.timeout, replied).await.unwrap_or_else(|_| {
            Err(StoreError::Timeout(format!("the audit row was not durable within {limit} ms")))
        })
    }
}

fn ended() -> StoreError {
    StoreError::Unavailable("the writer of the audit trail has ended; restart the service".into())
}

async fn write_all(mut writer: Writer, mut messages: mpsc::Receiver<Message>, counters: Arc<Counters>) {
    let mut upkeep = interval(UPKEEP_PERIOD);
    upkeep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut waiting = Vec::new();
    let mut is_first_batch = true;
    loop {
        tokio::select! {
            received = messages.recv_many(&mut waiting, BATCH_ROWS) => {
                if received == 0 {
                    return;
                }
                counters.progress.begin_batch();
                commit(&mut writer, waiting.drain(..), &counters).await;
                counters.progress.end_batch();
                if is_first_batch {
                    is_first_batch = false;
                    writer.create_next_month();
                }
            }
            _ = upkeep.tick() => {
                writer.record_head().await;
                writer.create_next_month();
            }
        }
    }
}

async fn commit(writer: &mut Writer, messages: impl Iterator<Item = Message>, counters: &Counters) {
    let (mut events, mut replies) = (Vec::new(), Vec::new());
    let (mut forgettings, mut changes, mut finish_replies) = (Vec::new(), Vec::new(), Vec::new());
    for message in messages {
        match message {
            Message::Record(event, reply) => {
                events.push(event);
                replies.push(reply);
            }
            Message::Forget(forgetting, reply) => forgettings.push((forgetting, reply)),
            Message::Administer(change, reply) => changes.push((change, reply)),
            Message::Finish(reply) => finish_replies.push(reply),
        }
    }
    if !events.is_empty() {
        let began = Instant::now();
        fault_point("audit writer before a commit");
        let written = writer.write(&events).await;
        fault_point("audit writer after a commit");
        if let Err(error) = &written {
            tracing::error!(rows = events.len(), "the audit trail could not be written: {error}");
            counters.failed.fetch_add(events.len() as u64, Relaxed);
        } else {
            counters.rows.fetch_add(events.len() as u64, Relaxed);
            counters.commits.fetch_add(1, Relaxed);
            if let Some(observer) = counters.observer.get() {
                observer(AuditCommit { rows: events.len(), took: began.elapsed() });
            }
        }
        for reply in replies {
            // A caller that no longer waits has dropped its receiver.
            let _ = reply.send(written.clone());
        }
    }
    for (forgetting, reply) in forgettings {
        let _ = reply.send(writer.forget(forgetting).await);
    }
    for (change, reply) in changes {
        let (change, operator) = *change;
        let _ = reply.send(writer.administer(change, operator).await);
    }
    if !finish_replies.is_empty() {
        writer.record_head().await;
        for reply in finish_replies {
            let _ = reply.send(());
        }
    }
}

impl fmt::Debug for AuditTrail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuditTrail").field(&self.figures()).finish()
    }
}
