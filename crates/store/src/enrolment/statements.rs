use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::{NikPrefix, NikRange};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::StoreError;

/// A process that leases ranges.
#[derive(Debug, Clone)]
pub(super) struct LeaseHolder {
    pub(super) contract: String,
    pub(super) process: Uuid,
    pub(super) lease_seconds: f64,
}

/// A run to begin.
pub(super) struct NewRun {
    pub(super) contract: String,
    pub(super) model_set: String,
}

/// A range to assign to a process, and the checkpoint that it follows.
pub(super) struct Claim {
    pub(super) holder: LeaseHolder,
    pub(super) after: String,
    pub(super) range: NikRange,
}

/// A finished range, with the numbers of its people by outcome.
pub(super) struct FinishedRange {
    pub(super) holder: LeaseHolder,
    pub(super) first: NikPrefix,
    pub(super) templates: i64,
    pub(super) covered: i64,
    pub(super) unusable: i64,
    pub(super) failed: i64,
}

/// A run whose last range ends at the end of the registry.
pub(super) struct ReachedEnd {
    pub(super) contract: String,
    pub(super) reached: String,
}

pub(super) struct RangeRow {
    first_prefix: String,
    last_prefix: String,
}

impl TryFrom<RangeRow> for NikRange {
    type Error = StoreError;

    fn try_from(row: RangeRow) -> Result<Self, StoreError> {
        let prefix = |text: &str, column| {
            text.parse().map_err(|_| StoreError::Inconsistent { table: "store.enrolment_range", column })
        };
        Ok(Self {
            first: prefix(&row.first_prefix, "first_prefix")?,
            last: prefix(&row.last_prefix, "last_prefix")?,
        })
    }
}

pub(super) fn begin<'c>(
    connection: &'c mut PgConnection,
    NewRun { contract, model_set }: &'c NewRun,
) -> BoxFuture<'c, sqlx::Result<()>> {
    async move {
        sqlx::query!(
            "INSERT INTO store.enrolment_run AS run (contract_id, model_set)
             VALUES ($1, $2)
             ON CONFLICT (contract_id) DO UPDATE
             SET model_set = excluded.model_set,
                 reached = '',
                 started_at = now(),
                 finished_at = NULL,
                 templates = 0,
                 covered = 0,
                 unusable = 0,
                 failed = 0
             WHERE run.finished_at IS NOT NULL",
            contract,
            model_set
        )
        .execute(connection)
        .await
        .map(drop)
    }
    .boxed()
}

pub(super) fn take_over<'c>(
    connection: &'c mut PgConnection,
    holder: &'c LeaseHolder,
) -> BoxFuture<'c, sqlx::Result<Option<RangeRow>>> {
    sqlx::query_as!(
        RangeRow,
        "UPDATE store.enrolment_range AS taken
            SET leased_by = $2,
                lease_until = now() + make_interval(secs => $3)
           FROM (SELECT contract_id, first_prefix
                   FROM store.enrolment_range
                  WHERE contract_id = $1
                    AND lease_until < now()
                  ORDER BY first_prefix
                  LIMIT 1
                    FOR UPDATE SKIP LOCKED) AS left_behind
          WHERE taken.contract_id = left_behind.contract_id
            AND taken.first_prefix = left_behind.first_prefix
         RETURNING taken.first_prefix, taken.last_prefix",
        holder.contract,
        holder.process,
        holder.lease_seconds
    )
    .fetch_optional(connection)
    .boxed()
}

pub(super) fn checkpoint<'c>(
    connection: &'c mut PgConnection,
    contract: &'c String,
) -> BoxFuture<'c, sqlx::Result<Option<String>>> {
    sqlx::query_scalar!(
        "SELECT reached FROM store.enrolment_run WHERE contract_id = $1 AND finished_at IS NULL",
        contract
    )
    .fetch_optional(connection)
    .boxed()
}

/// Assigns the range only if the checkpoint is still the one that the process read.
pub(super) fn claim<'c>(
    connection: &'c mut PgConnection,
    Claim { holder, after, range }: &'c Claim,
) -> BoxFuture<'c, sqlx::Result<bool>> {
    async move {
        let done = sqlx::query!(
            "WITH moved AS (
                 UPDATE store.enrolment_run
                    SET reached = $4
                  WHERE contract_id = $1
                    AND reached = $2
                    AND finished_at IS NULL
                 RETURNING contract_id
             )
             INSERT INTO store.enrolment_range (contract_id, first_prefix, last_prefix, leased_by, lease_until)
             SELECT contract_id, $3, $4, $5, now() + make_interval(secs => $6)
               FROM moved",
            holder.contract,
            after,
            range.first.as_str(),
            range.last.as_str(),
            holder.process,
            holder.lease_seconds
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }
    .boxed()
}

pub(super) fn renew<'c>(
    connection: &'c mut PgConnection,
    (holder, first): &'c (LeaseHolder, NikPrefix),
) -> BoxFuture<'c, sqlx::Result<bool>> {
    async move {
        let done = sqlx::query!(
            "UPDATE store.enrolment_range
                SET lease_until = now() + make_interval(secs => $4)
              WHERE contract_id = $1
                AND first_prefix = $2
                AND leased_by = $3",
            holder.contract,
            first.as_str(),
            holder.process,
            holder.lease_seconds
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }
    .boxed()
}

pub(super) fn finish_range<'c>(
    connection: &'c mut PgConnection,
    finished: &'c FinishedRange,
) -> BoxFuture<'c, sqlx::Result<bool>> {
    async move {
        let done = sqlx::query!(
            "WITH done AS (
                 DELETE FROM store.enrolment_range
                  WHERE contract_id = $1
                    AND first_prefix = $2
                    AND leased_by = $3
                 RETURNING contract_id
             )
             UPDATE store.enrolment_run AS run
                SET templates = templates + $4,
                    unusable = unusable + $5,
                    failed = failed + $6,
                    covered = covered + $7
               FROM done
              WHERE run.contract_id = done.contract_id",
            finished.holder.contract,
            finished.first.as_str(),
            finished.holder.process,
            finished.templates,
            finished.unusable,
            finished.failed,
            finished.covered
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }
    .boxed()
}

pub(super) fn release<'c>(
    connection: &'c mut PgConnection,
    holder: &'c LeaseHolder,
) -> BoxFuture<'c, sqlx::Result<()>> {
    async move {
        sqlx::query!(
            "UPDATE store.enrolment_range
                SET lease_until = '-infinity'
              WHERE contract_id = $1
                AND leased_by = $2",
            holder.contract,
            holder.process
        )
        .execute(connection)
        .await
        .map(drop)
    }
    .boxed()
}

pub(super) fn finish<'c>(
    connection: &'c mut PgConnection,
    ReachedEnd { contract, reached }: &'c ReachedEnd,
) -> BoxFuture<'c, sqlx::Result<bool>> {
    async move {
        let done = sqlx::query!(
            "UPDATE store.enrolment_run AS run
                SET finished_at = now(),
                    completed_at = now()
              WHERE contract_id = $1
                AND reached = $2
                AND finished_at IS NULL
                AND NOT EXISTS (SELECT FROM store.enrolment_range WHERE contract_id = run.contract_id)",
            contract,
            reached
        )
        .execute(connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }
    .boxed()
}
