//! Exports of the audit trail as jobs: the service prepares the file while the operator does something else.
//!
//! Rows are encrypted in parts as they are read. An export that was interrupted goes on after its last part.

use std::{pin::pin, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use padan_store::{
    AuditFilter, AuditLog, AuditPosition, AuditRow, Config, ExportPart, JOB_LEASE, Job, JobEnd, JobKind,
    JobLease, JobProgress, Jobs, Store, StoreError, TakenJob,
};
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{MissedTickBehavior, interval},
};
use uuid::Uuid;

/// Writes a row as a line of the file.
pub type ExportLine = fn(&AuditRow) -> Vec<u8>;

/// The criteria of an export, as its job keeps them. They name no person.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExportCriteria {
    /// Whether it is about one person.
    pub one_person: bool,
    /// Only rows of this kind.
    pub kind: Option<String>,
    /// Only rows of this client.
    pub client: Option<String>,
    /// Rows at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Rows before this moment.
    pub to: DateTime<Utc>,
}

/// The file of a finished export.
#[derive(Debug)]
pub struct ExportFile {
    pub(super) jobs: Jobs,
    /// The export.
    pub job: Job,
    pub(super) next: u32,
}

/// The exports of this process.
#[derive(Clone)]
pub(super) struct Exports {
    permits: Arc<Semaphore>,
    running: Arc<Mutex<Vec<JobLease>>>,
}

/// An export to run.
pub(super) struct ExportStart {
    pub(super) id: Uuid,
    pub(super) permit: OwnedSemaphorePermit,
    pub(super) line: ExportLine,
}

/// Why the rows were not all written.
enum Ended {
    /// The job is no longer this process's.
    Lost,
    TooLarge,
    Store(StoreError),
}

/// Everything that an export needs while it runs.
struct Run {
    store: Store,
    config: Config,
    line: ExportLine,
    exports: Exports,
    _permit: OwnedSemaphorePermit,
}

/// The file under way: the part that is not full, and the number of the next one.
struct Writer<'a> {
    run: &'a Run,
    lease: &'a JobLease,
    part: Vec<u8>,
    rows: u64,
    reached: Option<AuditPosition>,
    number: u32,
    bytes: u64,
}

/// Exports that run in a process at the same time. Each has a connection to the store.
const MAX_EXPORTS: usize = 2;
/// Rows that are read together.
const PAGE_ROWS: u16 = 1000;
/// The size of a part before it is encrypted.
const PART_BYTES: usize = 256 * 1024;
/// The largest file. `padan audit export` has no limit, and keeps nothing in the store.
const MAX_FILE_BYTES: u64 = 1024 * 1024 * 1024;
/// How long the file of a finished export is kept.
const KEPT: TimeDelta = TimeDelta::hours(24);

impl ExportFile {
    /// The next part of the file; `None` after the last one.
    ///
    /// # Errors
    ///
    /// When the store fails, or a part is missing or was changed.
    pub async fn next_part(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        if self.next == self.job.parts {
            return Ok(None);
        }
        let part = self.jobs.export_part(self.job.id, self.next).await?;
        self.next += 1;
        part.map(Some).ok_or(StoreError::Inconsistent { table: "store.export_part", column: "number" })
    }
}

impl Exports {
    pub(super) fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(MAX_EXPORTS)), running: Arc::default() }
    }

    /// Permission for one more export; `None` while too many run.
    pub(super) fn permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// Takes the job and lets it run beside the requests. False when another process has it.
    pub(super) async fn run(
        &self,
        store: &Store,
        config: &Config,
        start: ExportStart,
    ) -> Result<bool, StoreError> {
        let ExportStart { id, permit, line } = start;
        let Some(taken) = store.jobs().take(JobKind::AuditExport, Some(id)).await? else { return Ok(false) };
        let run = Run {
            store: store.clone(),
            config: config.clone(),
            line,
            exports: self.clone(),
            _permit: permit,
        };
        tokio::spawn(run.complete(taken));
        Ok(true)
    }

    /// Gives up the exports of this process, which ends. Another one can continue them at once.
    pub(super) async fn release(&self, store: &Store) {
        let running = std::mem::take(&mut *self.leases());
        for lease in running {
            if let Err(error) = store.jobs().release(&lease).await {
                tracing::warn!("an export counts as running for some seconds after this process: {error}");
            }
        }
    }

    fn leases(&self) -> MutexGuard<'_, Vec<JobLease>> {
        self.running.lock()
    }
}

impl Run {
    async fn complete(self, taken: TakenJob) {
        let lease = taken.lease.clone();
        self.exports.leases().push(lease.clone());
        let end = match self.write_and_renew(taken).await {
            Ok(()) => Some(JobEnd::Done(Some(KEPT))),
            Err(Ended::Lost) => None,
            Err(Ended::TooLarge) => Some(JobEnd::Failed(
                "the file would be larger than 1 GB: name a shorter time, or run `padan audit export`"
                    .to_owned(),
            )),
            Err(Ended::Store(error)) => {
                tracing::error!("an export of the audit trail failed: {error}");
                Some(JobEnd::Failed(format!("the store failed: {error}")))
            }
        };
        if let Some(end) = end
            && let Err(error) = self.store.jobs().end(&lease, end).await
        {
            tracing::error!("the end of an export could not be noted: {error}");
        }
        self.exports.leases().retain(|other| other.job != lease.job);
    }

    /// Writes the file, and renews the lease meanwhile: it may take long until the first row is found.
    async fn write_and_renew(&self, taken: TakenJob) -> Result<(), Ended> {
        let lease = taken.lease.clone();
        let mut work = pin!(self.write(taken));
        let mut renewals = interval(JOB_LEASE.to_std().unwrap_or_default() / 3);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                ended = &mut work => return ended,
                _ = renewals.tick() => match self.store.jobs().renew(&lease, JobProgress::default()).await {
                    Ok(true) => {}
                    Ok(false) => return Err(Ended::Lost),
                    // The work fails with the same outage.
                    Err(error) => tracing::warn!("the lease of an export could not be renewed: {error}"),
                },
            }
        }
    }

    async fn write(&self, taken: TakenJob) -> Result<(), Ended> {
        let TakenJob { lease, job, nik, reached } = taken;
        let invalid = |_| Ended::Store(StoreError::Inconsistent { table: "store.job", column: "subject" });
        let criteria: ExportCriteria = serde_json::from_value(job.subject).map_err(invalid)?;
        if criteria.one_person && nik.is_none() {
            return Err(Ended::Store(StoreError::Inconsistent { table: "store.job", column: "sealed_nik" }));
        }
        let ExportCriteria { kind, client, from, to, .. } = criteria;
        let mut filter = AuditFilter { nik, kind, client, from, to: Some(to), after: reached };
        let mut writer = Writer {
            run: self,
            lease: &lease,
            part: Vec::with_capacity(PART_BYTES),
            rows: 0,
            reached: None,
            number: job.parts,
            bytes: job.bytes,
        };
        let mut log = AuditLog::open(&self.config).await?;
        loop {
            let rows = log.export_page(&filter, PAGE_ROWS).await?;
            let is_last = rows.len() < usize::from(PAGE_ROWS);
            for row in &rows {
                writer.add(row).await?;
            }
            if is_last {
                return writer.flush().await;
            }
            filter.after = rows.last().map(AuditPosition::of);
        }
    }
}

impl Writer<'_> {
    async fn add(&mut self, row: &AuditRow) -> Result<(), Ended> {
        self.part.append(&mut (self.run.line)(row));
        self.rows += 1;
        self.reached = Some(AuditPosition::of(row));
        if self.part.len() >= PART_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Ended> {
        let Some(reached) = self.reached.take() else { return Ok(()) };
        let text = std::mem::take(&mut self.part);
        self.bytes += text.len() as u64;
        if self.bytes > MAX_FILE_BYTES {
            return Err(Ended::TooLarge);
        }
        let part = ExportPart { text, rows: self.rows, reached };
        if !self.run.store.jobs().add_export_part(self.lease, self.number, &part).await? {
            return Err(Ended::Lost);
        }
        self.number += 1;
        self.rows = 0;
        Ok(())
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
