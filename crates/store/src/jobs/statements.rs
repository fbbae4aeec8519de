use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    error::StoreError,
    jobs::job::{Job, JobKind, JobLease, JobProgress, JobState, JobWish, MAX_EXPORT_JOBS, NewJob},
    keys::sealing::SealedBytes,
};

/// A job to begin.
pub(super) struct Beginning<'a> {
    pub(super) new: &'a NewJob,
    pub(super) sealed: Option<SealedBytes>,
}

/// Jobs to read: all of a kind, or the one of an id.
pub(super) struct Selection {
    pub(super) kind: &'static str,
    pub(super) id: Option<Uuid>,
}

/// A job to take.
pub(super) struct Taking {
    pub(super) kind: &'static str,
    pub(super) id: Option<Uuid>,
    pub(super) process: Uuid,
    pub(super) seconds: f64,
}

/// A lease to renew.
pub(super) struct Renewal<'a> {
    pub(super) lease: &'a JobLease,
    pub(super) seconds: f64,
    pub(super) done: i64,
    pub(super) total: Option<i64>,
}

/// The end of a job.
pub(super) struct Ending<'a> {
    pub(super) lease: &'a JobLease,
    pub(super) state: &'static str,
    pub(super) error: Option<String>,
    pub(super) kept_seconds: Option<f64>,
}

pub(super) struct JobRow {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) operator: String,
    pub(super) subject: String,
    pub(super) state: String,
    pub(super) started_at: DateTime<Utc>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) done: i64,
    pub(super) total: Option<i64>,
    pub(super) bytes: i64,
    pub(super) parts: i32,
    pub(super) error: Option<String>,
    pub(super) kept_until: Option<DateTime<Utc>>,
    pub(super) reached: Option<String>,
    sealed_nik: Option<Vec<u8>>,
    key_id: Option<String>,
}

/// Jobs of a kind that are shown.
const MOST_SHOWN: i64 = 50;

impl JobRow {
    pub(super) fn sealed_nik(&self) -> Option<SealedBytes> {
        self.key_id.clone().zip(self.sealed_nik.clone()).map(|(key_id, bytes)| SealedBytes { key_id, bytes })
    }
}

impl TryFrom<JobRow> for Job {
    type Error = StoreError;

    fn try_from(row: JobRow) -> Result<Self, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "store.job", column };
        let to_u64 = |count: i64, column| u64::try_from(count).map_err(|_| inconsistent(column));
        let kind =
            [JobKind::Enrolment, JobKind::AuditExport].into_iter().find(|kind| kind.as_str() == row.kind);
        let states = [
            JobState::Waiting,
            JobState::Running,
            JobState::Interrupted,
            JobState::Paused,
            JobState::Done,
            JobState::Failed,
            JobState::Stopped,
        ];
        let state = states.into_iter().find(|state| state.as_str() == row.state);
        Ok(Self {
            id: row.id,
            kind: kind.ok_or_else(|| inconsistent("kind"))?,
            operator: row.operator,
            subject: serde_json::from_str(&row.subject).map_err(|_| inconsistent("subject"))?,
            state: state.ok_or_else(|| inconsistent("state"))?,
            started_at: row.started_at,
            ended_at: row.ended_at,
            progress: JobProgress {
                done: to_u64(row.done, "done")?,
                total: row.total.map(|total| to_u64(total, "total")).transpose()?,
            },
            bytes: to_u64(row.bytes, "bytes")?,
            error: row.error,
            kept_until: row.kept_until,
            parts: u32::try_from(row.parts).map_err(|_| inconsistent("parts"))?,
        })
    }
}

/// False when there are too many exports, or an enrolment is open.
pub(super) fn begin<'c>(
    connection: &'c mut PgConnection,
    Beginning { new, sealed }: &'c Beginning<'_>,
) -> BoxFuture<'c, sqlx::Result<bool>> {
    async move {
        let done = sqlx::query!(
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
        .execute(connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }
    .boxed()
}

pub(super) fn select<'c>(
    connection: &'c mut PgConnection,
    selection: &'c Selection,
) -> BoxFuture<'c, sqlx::Result<Vec<JobRow>>> {
    sqlx::query_as!(
        JobRow,
        r#"SELECT id, kind, operator, subject, sealed_nik, key_id, started_at, ended_at, done, total, bytes, parts, error,
                  reached,
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
        selection.kind,
        selection.id,
        MOST_SHOWN
    )
    .fetch_all(connection)
    .boxed()
}

pub(super) fn take<'c>(
    connection: &'c mut PgConnection,
    taking: &'c Taking,
) -> BoxFuture<'c, sqlx::Result<Option<Uuid>>> {
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
        taking.kind,
        taking.process,
        taking.seconds,
        taking.id
    )
    .fetch_optional(connection)
    .boxed()
}

/// False when the job is no longer this process's. What it reached before it was paused is noted all the same.
pub(super) fn renew<'c>(
    connection: &'c mut PgConnection,
    renewal: &'c Renewal<'_>,
) -> BoxFuture<'c, sqlx::Result<bool>> {
    async move {
        let is_mine = sqlx::query_scalar!(
            r#"UPDATE store.job
                  SET lease_until = CASE WHEN state = 'open' THEN now() + make_interval(secs => $3) END,
                      done = greatest(done, $4),
                      total = coalesce($5, total)
                WHERE id = $1
                  AND (process = $2 AND state = 'open'
                       OR process IS NULL AND state = 'paused')
            RETURNING state = 'open' AS "is_mine!""#,
            renewal.lease.job,
            renewal.lease.process,
            renewal.seconds,
            renewal.done,
            renewal.total
        )
        .fetch_optional(connection)
        .await?;
        Ok(is_mine.unwrap_or(false))
    }
    .boxed()
}

/// The process of the job is then one that does not exist, so that this one writes nothing more.
pub(super) fn release<'c>(
    connection: &'c mut PgConnection,
    lease: &'c JobLease,
) -> BoxFuture<'c, sqlx::Result<()>> {
    async move {
        sqlx::query!(
            "UPDATE store.job SET process = gen_random_uuid(), lease_until = '-infinity' WHERE id = $1 AND process = $2",
            lease.job,
            lease.process
        )
        .execute(connection)
        .await
        .map(drop)
    }
    .boxed()
}

pub(super) fn end<'c>(
    connection: &'c mut PgConnection,
    ending: &'c Ending<'_>,
) -> BoxFuture<'c, sqlx::Result<bool>> {
    async move {
        let done = sqlx::query!(
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
            ending.lease.job,
            ending.lease.process,
            ending.state,
            ending.error,
            ending.kept_seconds
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }
    .boxed()
}

pub(super) fn wish<'c>(
    connection: &'c mut PgConnection,
    (kind, id, wish): &'c (&'static str, Uuid, JobWish),
) -> BoxFuture<'c, sqlx::Result<bool>> {
    let (from, to): (&[&str], _) = match wish {
        JobWish::Pause => (&["open"], "paused"),
        JobWish::Continue => (&["paused", "failed"], "open"),
        JobWish::Stop => (&["open", "paused"], "stopped"),
    };
    let from: Vec<_> = from.iter().map(|&state| state.to_owned()).collect();
    async move {
        let done = sqlx::query!(
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
                         AND EXISTS (SELECT FROM store.job AS other WHERE other.kind = wanted.kind AND other.ended_at IS NULL))",
            kind,
            id,
            &from,
            to
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }
    .boxed()
}

pub(super) fn note_worker<'c>(
    connection: &'c mut PgConnection,
    process: &'c Uuid,
) -> BoxFuture<'c, sqlx::Result<()>> {
    async move {
        sqlx::query!(
            "WITH gone AS (
                 DELETE FROM store.enrolment_worker WHERE seen_at < now() - interval '1 day' AND process <> $1
             )
             INSERT INTO store.enrolment_worker (process) VALUES ($1)
             ON CONFLICT (process) DO UPDATE SET seen_at = now()",
            process
        )
        .execute(connection)
        .await
        .map(drop)
    }
    .boxed()
}

pub(super) fn remove_worker<'c>(
    connection: &'c mut PgConnection,
    process: &'c Uuid,
) -> BoxFuture<'c, sqlx::Result<()>> {
    async move {
        sqlx::query!("DELETE FROM store.enrolment_worker WHERE process = $1", process)
            .execute(connection)
            .await
            .map(drop)
    }
    .boxed()
}

pub(super) fn count_workers<'c>(
    connection: &'c mut PgConnection,
    (): &'c (),
) -> BoxFuture<'c, sqlx::Result<i64>> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "workers!" FROM store.enrolment_worker WHERE seen_at > now() - interval '20 seconds'"#
    )
    .fetch_one(connection)
    .boxed()
}
