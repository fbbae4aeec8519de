//! Exports and enrolments that operators start.

pub(crate) mod exports;
pub(crate) mod job;
mod row;

use uuid::Uuid;

use self::row::JobRow;
use crate::{
    error::StoreError,
    handles::Jobs,
    jobs::job::{
        Job, JobEnd, JobKind, JobLease, JobProgress, JobWish, MAX_EXPORT_JOBS, NewJob, TakenJob,
        lease_seconds, seconds,
    },
};

/// A process that waits for enrolments to be started.
#[derive(Debug)]
pub struct EnrolmentWorker {
    jobs: Jobs,
    process: Uuid,
}

/// Jobs of a kind that are shown.
const MOST_SHOWN: i64 = 50;

impl Jobs {
    /// Begins a job. False while another enrolment is open, or while there are too many exports.
    ///
    /// # Errors
    ///
    /// When the store fails, or the NIK cannot be encrypted.
    pub async fn begin(&self, new: &NewJob) -> Result<bool, StoreError> {
        let keys = self.0.audit_keys();
        let sealed = new.nik.as_ref().map(|nik| exports::seal_nik(new.id, nik, keys)).transpose()?;
        let query = || {
            sqlx::query!(
                "INSERT INTO store.job (id, kind, operator, subject, sealed_nik, key_id)
                 SELECT $1::uuid, $2::text, $3::text, $4::text, $5::bytea, $6::text
                  WHERE $2 <> 'audit_export'
                     OR (SELECT count(*)
                           FROM store.job
                          WHERE kind = 'audit_export'
                            AND (ended_at IS NULL OR kept_until > now())) < $7::bigint
                 ON CONFLICT (kind) WHERE kind = 'enrolment' AND ended_at IS NULL DO NOTHING",
                new.id,
                new.kind.as_str(),
                new.operator.as_str(),
                new.subject.to_string(),
                sealed.as_ref().map(|sealed| sealed.bytes.as_slice()),
                sealed.as_ref().map(|sealed| sealed.key_id.as_str()),
                i64::from(MAX_EXPORT_JOBS)
            )
        };
        Ok(self.0.pool().execute(query).await? == 1)
    }

    /// The last jobs of a kind, newest first.
    ///
    /// # Errors
    ///
    /// When the store fails or a row is invalid.
    pub async fn list(&self, kind: JobKind) -> Result<Vec<Job>, StoreError> {
        self.select(kind, None).await?.into_iter().map(Job::try_from).collect()
    }

    /// The job of an id.
    ///
    /// # Errors
    ///
    /// When the store fails or the row is invalid.
    pub async fn get(&self, kind: JobKind, id: Uuid) -> Result<Option<Job>, StoreError> {
        self.select(kind, Some(id)).await?.pop().map(Job::try_from).transpose()
    }

    /// Takes an open job that no process does: this one, or the oldest. `None` when there is none.
    ///
    /// # Errors
    ///
    /// When the store fails or the row is invalid.
    pub async fn take(&self, kind: JobKind, id: Option<Uuid>) -> Result<Option<TakenJob>, StoreError> {
        let process = Uuid::now_v7();
        let query = || {
            sqlx::query_scalar!(
                "UPDATE store.job
                    SET process = $2,
                        lease_until = now() + make_interval(secs => $3)
                  WHERE id = (SELECT id
                                FROM store.job
                               WHERE kind = $1
                                 AND state = 'open'
                                 AND (process IS NULL OR lease_until < now())
                                 AND ($4::uuid IS NULL OR id = $4)
                               ORDER BY started_at
                               LIMIT 1
                                 FOR UPDATE SKIP LOCKED)
                 RETURNING id",
                kind.as_str(),
                process,
                lease_seconds(),
                id
            )
        };
        let Some(id) = self.0.pool().fetch_optional(query).await? else { return Ok(None) };
        let lease = JobLease { job: id, process };
        let Some(row) = self.select(kind, Some(id)).await?.pop() else { return Ok(None) };
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
        let to_i64 = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        // What was reached before the job was paused is noted all the same.
        let query = || {
            sqlx::query_scalar!(
                r#"UPDATE store.job
                      SET lease_until = CASE WHEN state = 'open' THEN now() + make_interval(secs => $3) END,
                          done = greatest(done, $4),
                          total = coalesce($5, total)
                    WHERE id = $1
                      AND (process = $2 AND state = 'open'
                           OR process IS NULL AND state = 'paused')
                RETURNING state = 'open' AS "is_mine!""#,
                lease.job,
                lease.process,
                lease_seconds(),
                to_i64(progress.done),
                progress.total.map(to_i64)
            )
        };
        Ok(self.0.pool().fetch_optional(query).await?.unwrap_or(false))
    }

    /// Gives the job up, so that another process can continue it at once.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn release(&self, lease: &JobLease) -> Result<(), StoreError> {
        // The process of the job is then one that does not exist, so that this one writes nothing more.
        let query = || {
            sqlx::query!(
                "UPDATE store.job SET process = gen_random_uuid(), lease_until = '-infinity' WHERE id = $1 AND process = $2",
                lease.job,
                lease.process
            )
        };
        self.0.pool().execute(query).await?;
        Ok(())
    }

    /// Ends a job of this process. False when it is no longer this process's.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn end(&self, lease: &JobLease, end: JobEnd) -> Result<bool, StoreError> {
        let (state, error, kept) = match end {
            JobEnd::Done(kept) => ("done", None, kept.map(seconds)),
            JobEnd::Failed(error) => ("failed", Some(error), None),
        };
        let query = || {
            sqlx::query!(
                "UPDATE store.job
                    SET state = $3,
                        ended_at = now(),
                        error = $4,
                        kept_until = now() + make_interval(secs => $5),
                        sealed_nik = CASE WHEN $3 = 'failed' THEN sealed_nik END,
                        key_id = CASE WHEN $3 = 'failed' THEN key_id END
                  WHERE id = $1
                    AND process = $2
                    AND state = 'open'",
                lease.job,
                lease.process,
                state,
                error,
                kept
            )
        };
        Ok(self.0.pool().execute(query).await? == 1)
    }

    /// Changes what is wanted of a job. False when its state does not permit it, or another enrolment is open.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn wish(&self, kind: JobKind, id: Uuid, wish: JobWish) -> Result<bool, StoreError> {
        let (from, to): (&[&str], _) = match wish {
            JobWish::Pause => (&["open"], "paused"),
            JobWish::Continue => (&["paused", "failed"], "open"),
            JobWish::Stop => (&["open", "paused"], "stopped"),
        };
        let query = || {
            sqlx::query!(
                "UPDATE store.job AS wanted
                    SET state = $4,
                        ended_at = CASE WHEN $4 = 'stopped' THEN now() END,
                        error = NULL,
                        process = NULL,
                        lease_until = NULL
                  WHERE kind = $1
                    AND id = $2
                    AND state = ANY($3)
                    AND NOT (state = 'failed'
                             AND kind = 'enrolment'
                             AND EXISTS (SELECT
                                           FROM store.job AS other
                                          WHERE other.kind = wanted.kind AND other.ended_at IS NULL))",
                kind.as_str(),
                id,
                from as &[&str],
                to
            )
        };
        Ok(self.0.pool().execute(query).await? == 1)
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
        let query = || {
            sqlx::query_scalar!(
                r#"SELECT count(*) AS "workers!" FROM store.enrolment_worker WHERE seen_at > now() - interval '20 seconds'"#
            )
        };
        Ok(self.0.pool().fetch_one(query).await?.unsigned_abs())
    }

    /// The last jobs of a kind, newest first, or the one of an id.
    async fn select(&self, kind: JobKind, id: Option<Uuid>) -> Result<Vec<JobRow>, StoreError> {
        let query = || {
            sqlx::query_as!(
                JobRow,
                r#"SELECT id, kind, operator, subject, sealed_nik, key_id, started_at, ended_at, done, total, bytes,
                          parts, error, reached,
                          CASE WHEN kept_until > now() THEN kept_until END AS kept_until,
                          CASE WHEN state <> 'open' THEN state
                               WHEN process IS NULL THEN 'waiting'
                               WHEN lease_until < now() THEN 'interrupted'
                               ELSE 'running' END AS "state!"
                     FROM store.job
                    WHERE kind = $1
                      AND ($2::uuid IS NULL OR id = $2)
                    ORDER BY started_at DESC, id DESC
                    LIMIT $3"#,
                kind.as_str(),
                id,
                MOST_SHOWN
            )
        };
        Ok(self.0.pool().fetch_all(query).await?)
    }
}

impl EnrolmentWorker {
    /// Notes that the process waits or works. It counts for the next seconds.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn note(&self) -> Result<(), StoreError> {
        let query = || {
            sqlx::query!(
                "WITH gone AS (
                     DELETE FROM store.enrolment_worker WHERE seen_at < now() - interval '1 day' AND process <> $1
                 )
                 INSERT INTO store.enrolment_worker (process) VALUES ($1)
                 ON CONFLICT (process) DO UPDATE SET seen_at = now()",
                self.process
            )
        };
        self.jobs.0.pool().execute(query).await?;
        Ok(())
    }

    /// Notes that the process ends.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn leave(&self) -> Result<(), StoreError> {
        let query = || sqlx::query!("DELETE FROM store.enrolment_worker WHERE process = $1", self.process);
        self.jobs.0.pool().execute(query).await?;
        Ok(())
    }
}
