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
    event::AuditEvent,
    forgetting::{Forgetting, Forgotten},
    keys::AuditKeys,
    writer::Writer,
};
use crate::{error::StoreError, person_keys::PersonKeys};

/// Writes the audit trail. Clones write to the same chain.
///
/// Requests that come while a commit is under way share the next one; one that comes alone waits for nobody.
#[derive(Clone)]
pub struct AuditTrail {
    messages: mpsc::Sender<Message>,
    patience: Duration,
    counters: Arc<Counters>,
}

/// One commit that made rows durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditCommit {
    /// The rows.
    pub rows: usize,
    /// How long it took.
    pub took: Duration,
}

type Onlooker = Box<dyn Fn(AuditCommit) + Send + Sync>;

/// What the trail has done since its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AuditFigures {
    /// Rows that are durable.
    pub rows: u64,
    /// Commits that made them so.
    pub commits: u64,
    /// Rows that could not be written.
    pub failed: u64,
}

#[derive(Default)]
struct Counters {
    rows: AtomicU64,
    commits: AtomicU64,
    failed: AtomicU64,
    onlooker: OnceLock<Onlooker>,
}

enum Message {
    Request(AuditEvent, Answer<()>),
    Forget(Forgetting, Answer<Forgotten>),
    /// All that was said before is to be written, and the head noted.
    Finish(oneshot::Sender<()>),
}

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

/// Rows that one commit takes.
const BATCH: usize = 256;
/// Requests that may wait for a commit; further ones wait for a place, within their time.
const QUEUE: usize = 4096;
/// How often heads are noted, and the next month looked after.
const HEADS: Duration = Duration::from_mins(1);

impl AuditTrail {
    /// Starts to write. Must be called within a Tokio runtime, which does the writing. Nothing is written before the
    /// first entry, so the store need not be up.
    pub(crate) fn start(
        pool: Arc<Pool>,
        (keys, person_keys): (AuditKeys, PersonKeys),
        clock: Clock,
        patience: Duration,
    ) -> Self {
        let writer = Writer::new(pool, keys, person_keys, clock);
        let (sender, receiver) = mpsc::channel(QUEUE);
        let counters = Arc::<Counters>::default();
        tokio::spawn(write_all(writer, receiver, Arc::clone(&counters)));
        Self { messages: sender, patience, counters }
    }

    /// Returns once the row is durable; an error when it is not within the limit, or cannot be.
    pub async fn record(&self, event: AuditEvent) -> Result<(), StoreError> {
        self.ask(|done| Message::Request(event, done)).await
    }

    /// Has the row written without waiting for it: nobody is there to be answered.
    pub fn note(&self, event: AuditEvent) {
        let (done, _) = oneshot::channel();
        if self.messages.try_send(Message::Request(event, done)).is_err() {
            self.counters.failed.fetch_add(1, Relaxed);
        }
    }

    /// Forgets a part of what there is about a person: [`STEP`](super::STEP) rows at most.
    pub(crate) async fn forget(&self, forgetting: &Forgetting) -> Result<Forgotten, StoreError> {
        let forgetting = forgetting.clone();
        self.ask(|done| Message::Forget(forgetting, done)).await
    }

    /// Writes what is waiting and notes the head, within the limit. To be called before the process ends.
    pub async fn finish(&self) {
        let finished = async {
            let (done, finished) = oneshot::channel();
            if self.messages.send(Message::Finish(done)).await.is_ok() {
                let _ = finished.await;
            }
        };
        if timeout(self.patience, finished).await.is_err() {
            tracing::warn!("the head of the audit trail could not be noted in time");
        }
    }

    /// Tells an onlooker, which must not wait for anything, of every commit from now on; the first one stays.
    pub fn tell(&self, onlooker: impl Fn(AuditCommit) + Send + Sync + 'static) {
        let _ = self.counters.onlooker.set(Box::new(onlooker));
    }

    /// Whether the writer still runs.
    ///
    /// # Errors
    ///
    /// When it has ended, so that no row can become durable any more.
    pub fn check(&self) -> Result<(), StoreError> {
        if self.messages.is_closed() { Err(ended()) } else { Ok(()) }
    }

    /// Waits until the writer has ended. While a clone of the trail lives, only a panic ends it.
    pub async fn writer_ended(&self) {
        self.messages.closed().await;
    }

    /// What the trail has done since its start.
    pub fn figures(&self) -> AuditFigures {
        AuditFigures {
            rows: self.counters.rows.load(Relaxed),
            commits: self.counters.commits.load(Relaxed),
            failed: self.counters.failed.load(Relaxed),
        }
    }

    async fn ask<T>(&self, message: impl FnOnce(Answer<T>) -> Message) -> Result<T, StoreError> {
        let answered = async {
            let (done, answered) = oneshot::channel();
            self.messages.send(message(done)).await.map_err(|_| ended())?;
            answered.await.map_err(|_| ended())?
        };
        let limit = self.patience.as_millis();
        timeout(self.patience, answered).await.unwrap_or_else(|_| {
            Err(StoreError::Timeout(format!("the audit row was not durable within {limit} ms")))
        })
    }
}

fn ended() -> StoreError {
    StoreError::Unavailable("the writer of the audit trail has ended; restart the service".into())
}

async fn write_all(mut writer: Writer, mut messages: mpsc::Receiver<Message>, counters: Arc<Counters>) {
    let mut heads = interval(HEADS);
    heads.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut waiting = Vec::new();
    let mut looked_ahead = false;
    loop {
        tokio::select! {
            received = messages.recv_many(&mut waiting, BATCH) => {
                if received == 0 {
                    return;
                }
                commit(&mut writer, waiting.drain(..), &counters).await;
                if !looked_ahead {
                    looked_ahead = true;
                    writer.look_ahead();
                }
            }
            _ = heads.tick() => {
                writer.note_head().await;
                writer.look_ahead();
            }
        }
    }
}

async fn commit(writer: &mut Writer, messages: impl Iterator<Item = Message>, counters: &Counters) {
    let (mut events, mut waiting) = (Vec::new(), Vec::new());
    let (mut forgettings, mut finished) = (Vec::new(), Vec::new());
    for message in messages {
        match message {
            Message::Request(event, done) => {
                events.push(event);
                waiting.push(done);
            }
            Message::Forget(forgetting, done) => forgettings.push((forgetting, done)),
            Message::Finish(done) => finished.push(done),
        }
    }
    if !events.is_empty() {
        let began = Instant::now();
        let written = writer.write(&events).await;
        if let Err(error) = &written {
            tracing::error!(rows = events.len(), "the audit trail could not be written: {error}");
            counters.failed.fetch_add(events.len() as u64, Relaxed);
        } else {
            counters.rows.fetch_add(events.len() as u64, Relaxed);
            counters.commits.fetch_add(1, Relaxed);
            if let Some(onlooker) = counters.onlooker.get() {
                onlooker(AuditCommit { rows: events.len(), took: began.elapsed() });
            }
        }
        for done in waiting {
            // Whoever left needs no answer.
            let _ = done.send(written.clone());
        }
    }
    for (forgetting, done) in forgettings {
        let _ = done.send(writer.forget(forgetting).await);
    }
    if !finished.is_empty() {
        writer.note_head().await;
        for done in finished {
            let _ = done.send(());
        }
    }
}

impl fmt::Debug for AuditTrail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuditTrail").field(&self.figures()).finish()
    }
}
