//! Exports and enrolments that operators start.

pub(crate) mod exports;
pub(crate) mod handle;
pub(crate) mod job;
mod statements;

use uuid::Uuid;

use self::statements::{Beginning, Ending, Renewal, Selection, Taking};
use crate::{
    error::StoreError,
    jobs::{
        handle::Jobs,
        job::{
            Job, JobEnd, JobKind, JobLease, JobProgress, JobWish, NewJob, TakenJob, lease_seconds, seconds,
        },
    },
};

/// A process that waits for enrolments to be started.
#[derive(Debug)]
pub struct EnrolmentWorker {
    jobs: Jobs,
    process: Uuid,
}

impl Jobs {
    /// Begins a job. False while another enrolment is open, or while there are too many exports.
    ///
    /// # Errors
    ///
    /// When the store fails, or the NIK cannot be encrypted.
    pub async fn begin(&self, new: &NewJob) -> Result<bool, StoreError> {
        let keys = self.0.audit_keys();
        let sealed = new.nik.as_ref().map(|nik| exports::seal_nik(new.id, nik, keys)).transpose()?;
        Ok(self.0.pool().run(statements::begin, &Beginning { new, sealed }).await?)
    }

    /// The last jobs of a kind, newest first.
    ///
    /// # Errors
    ///
    /// When the store fails or a row is invalid.
    pub async fn list(&self, kind: JobKind) -> Result<Vec<Job>, StoreError> {
        let rows =
            self.0.pool().run(statements::select, &Selection { kind: kind.as_str(), id: None }).await?;
        rows.into_iter().map(Job::try_from).collect()
    }

    /// The job of an id.
    ///
    /// # Errors
    ///
    /// When the store fails or the row is invalid.
    pub async fn get(&self, kind: JobKind, id: Uuid) -> Result<Option<Job>, StoreError> {
        let selection = Selection { kind: kind.as_str(), id: Some(id) };
        self.0.pool().run(statements::select, &selection).await?.pop().map(Job::try_from).transpose()
    }

    /// Takes an open job that no process does: this one, or the oldest. `None` when there is none.
    ///
    /// # Errors
    ///
    /// When the store fails or the row is invalid.
    pub async fn take(&self, kind: JobKind, id: Option<Uuid>) -> Result<Option<TakenJob>, StoreError> {
        let taking = Taking { kind: kind.as_str(), id, process: Uuid::now_v7(), seconds: lease_seconds() };
        let Some(id) = self.0.pool().run(statements::take, &taking).await? else { return Ok(None) };
        let lease = JobLease { job: id, process: taking.process };
        let mut rows =
            self.0.pool().run(statements::select, &Selection { kind: taking.kind, id: Some(id) }).await?;
        let Some(row) = rows.pop() else { return Ok(None) };
        let nik =
            row.sealed_nik().map(|sealed| exports::open_nik(id, &sealed, self.0.audit_keys())).transpose()?;
        let inconsistent = |_| StoreError::Inconsistent { table: "store.job", column: "reached" };
        let reached = row.reached.as_deref().map(str::parse).transpose().map_err(inconsistent)?;
        Ok(Some(TakenJob { lease, job: row.try_into()?, nik, reached }))
    }

    /// Renews the lease and notes how far the job is. False when the job is no longer this process's: it was paused,
    /// stopped or taken over.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn renew(&self, lease: &JobLease, progress: JobProgress) -> Result<bool, StoreError> {
        let renewal = Renewal {
            lease,
            seconds: lease_seconds(),
            done: i64::try_from(progress.done).unwrap_or(i64::MAX),
            total: progress.total.map(|total| i64::try_from(total).unwrap_or(i64::MAX)),
        };
        Ok(self.0.pool().run(statements::renew, &renewal).await?)
    }

    /// Gives the job up, so that another process can continue it at once.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn release(&self, lease: &JobLease) -> Result<(), StoreError> {
        Ok(self.0.pool().run(statements::release, lease).await?)
    }

    /// Ends a job of this process. False when it is no longer this process's.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn end(&self, lease: &JobLease, end: JobEnd) -> Result<bool, StoreError> {
        let ending = match end {
            JobEnd::Done(kept) => {
                Ending { lease, state: "done", error: None, kept_seconds: kept.map(seconds) }
            }
            JobEnd::Failed(error) => {
                Ending { lease, state: "failed", error: Some(error), kept_seconds: None }
            }
        };
        Ok(self.0.pool().run(statements::end, &ending).await?)
    }

    /// Changes what is wanted of a job. False when its state does not permit it, or another enrolment is open.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn wish(&self, kind: JobKind, id: Uuid, wish: JobWish) -> Result<bool, StoreError> {
        Ok(self.0.pool().run(statements::wish, &(kind.as_str(), id, wish)).await?)
    }

    /// A process that waits for enrolments. It counts once it is noted.
    pub fn enrolment_worker(&self) -> EnrolmentWorker {
        EnrolmentWorker { jobs: self.clone(), process: Uuid::now_v7() }
    }

    /// The number of processes that wait for enrolments or do one.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn enrolment_workers(&self) -> Result<u64, StoreError> {
        Ok(self.0.pool().run(statements::count_workers, &()).await?.unsigned_abs())
    }
}

impl EnrolmentWorker {
    /// Notes that the process waits or works. It counts for the next seconds.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn note(&self) -> Result<(), StoreError> {
        Ok(self.jobs.0.pool().run(statements::note_worker, &self.process).await?)
    }

    /// Notes that the process ends.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn leave(&self) -> Result<(), StoreError> {
        Ok(self.jobs.0.pool().run(statements::remove_worker, &self.process).await?)
    }
}
