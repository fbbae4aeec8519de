//! The progress of the enrolment of all people. It is stored so that several processes share the work and a killed run
//! can be resumed.
//!
//! The work is divided into ranges of NIKs. The row of the run has the checkpoint: the end of the last assigned range.
//! Each range in progress has a row of its own and is leased to a process. When a process is killed, its leases expire
//! and another process takes over its ranges. Processing a range twice is harmless: people who have a template are
//! skipped.

use std::time::Duration;

use padan_domain::{ModelContractId, NikRange};
use padan_postgres::Pool;
use uuid::Uuid;

pub(crate) mod checkpoint;
pub(crate) mod status;
pub(crate) mod tally;

use self::status::StatusRow;
pub use self::{checkpoint::Checkpoint, status::EnrolmentStatus, tally::EnrolmentTally};
use crate::{error::StoreError, store::Store};

/// A process's access to the enrolment under one model contract.
#[derive(Debug, Clone)]
pub struct EnrolmentLedger {
    store: Store,
    contract: ModelContractId,
    /// The process that leases ranges.
    process: Uuid,
    lease_seconds: f64,
}

struct RangeRow {
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

impl Store {
    /// A new process's access to the enrolment under a model contract. Other processes take over a range when the
    /// process has not renewed its lease for the time `lease`.
    pub fn enrolment(&self, contract: &ModelContractId, lease: Duration) -> EnrolmentLedger {
        EnrolmentLedger {
            store: self.clone(),
            contract: contract.clone(),
            process: Uuid::now_v7(),
            lease_seconds: lease.as_secs_f64(),
        }
    }

    /// The status of all enrolments, most recent first.
    ///
    /// # Errors
    ///
    /// When the store fails or a row is invalid.
    pub async fn enrolments(&self) -> Result<Vec<EnrolmentStatus>, StoreError> {
        read_enrolments(&self.0.pool).await
    }
}

/// The status of all enrolments, most recent first.
pub(crate) async fn read_enrolments(pool: &Pool) -> Result<Vec<EnrolmentStatus>, StoreError> {
    let query = || {
        sqlx::query_as!(
            StatusRow,
            r#"SELECT run.contract_id, model_set, reached, started_at, finished_at, completed_at,
                      templates, covered, unusable, failed,
                      count(open.first_prefix) AS "open_ranges!",
                      count(DISTINCT open.leased_by) FILTER (WHERE open.lease_until >= now()) AS "processes!"
                 FROM store.enrolment_run AS run
                 LEFT JOIN store.enrolment_range AS open ON open.contract_id = run.contract_id
                GROUP BY run.contract_id
                ORDER BY started_at DESC, run.contract_id"#
        )
    };
    let rows = pool.fetch_all(query).await?;
    rows.into_iter().map(EnrolmentStatus::try_from).collect()
}

impl EnrolmentLedger {
    /// Resumes the unfinished run, or begins a new one.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn begin(&self, model_set: &str) -> Result<(), StoreError> {
        let query = || {
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
                self.contract.as_str(),
                model_set
            )
        };
        self.store.0.pool().execute(query).await?;
        Ok(())
    }

    /// Takes over a range whose lease has expired; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When the store fails or the row is invalid.
    pub async fn take_over(&self) -> Result<Option<NikRange>, StoreError> {
        let query = || {
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
                self.contract.as_str(),
                self.process,
                self.lease_seconds
            )
        };
        let row = self.store.0.pool().fetch_optional(query).await?;
        row.map(NikRange::try_from).transpose()
    }

    /// The end of the last assigned range; `None` when the run is finished.
    ///
    /// # Errors
    ///
    /// When the store fails or the row is invalid.
    pub async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        let query = || {
            sqlx::query_scalar!(
                "SELECT reached FROM store.enrolment_run WHERE contract_id = $1 AND finished_at IS NULL",
                self.contract.as_str()
            )
        };
        let reached = self.store.0.pool().fetch_optional(query).await?;
        reached.map(Checkpoint::try_from).transpose()
    }

    /// Assigns the range after a checkpoint to this process; false when another process claimed it first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn claim(&self, after: &Checkpoint, range: &NikRange) -> Result<bool, StoreError> {
        // Only if the checkpoint is still the one that the process read.
        let query = || {
            sqlx::query!(
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
                self.contract.as_str(),
                after.text(),
                range.first.as_str(),
                range.last.as_str(),
                self.process,
                self.lease_seconds
            )
        };
        Ok(self.store.0.pool().execute(query).await? == 1)
    }

    /// Renews the lease of a range; false when another process has taken it over.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn renew(&self, range: &NikRange) -> Result<bool, StoreError> {
        let query = || {
            sqlx::query!(
                "UPDATE store.enrolment_range
                    SET lease_until = now() + make_interval(secs => $4)
                  WHERE contract_id = $1
                    AND first_prefix = $2
                    AND leased_by = $3",
                self.contract.as_str(),
                range.first.as_str(),
                self.process,
                self.lease_seconds
            )
        };
        Ok(self.store.0.pool().execute(query).await? == 1)
    }

    /// Finishes a range and adds its tally to the run's; false when another process has taken it over.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn finish_range(&self, range: &NikRange, tally: EnrolmentTally) -> Result<bool, StoreError> {
        let to_i64 = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let query = || {
            sqlx::query!(
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
                self.contract.as_str(),
                range.first.as_str(),
                self.process,
                to_i64(tally.templates),
                to_i64(tally.unusable),
                to_i64(tally.failed),
                to_i64(tally.covered)
            )
        };
        Ok(self.store.0.pool().execute(query).await? == 1)
    }

    /// Releases the ranges of this process, so that other processes need not wait until its leases expire.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn release(&self) -> Result<(), StoreError> {
        let query = || {
            sqlx::query!(
                "UPDATE store.enrolment_range
                    SET lease_until = '-infinity'
                  WHERE contract_id = $1
                    AND leased_by = $2",
                self.contract.as_str(),
                self.process
            )
        };
        self.store.0.pool().execute(query).await?;
        Ok(())
    }

    /// Finishes the run whose last range ends at this checkpoint; false while a range is in progress.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn finish(&self, at: &Checkpoint) -> Result<bool, StoreError> {
        let query = || {
            sqlx::query!(
                "UPDATE store.enrolment_run AS run
                    SET finished_at = now(),
                        completed_at = now()
                  WHERE contract_id = $1
                    AND reached = $2
                    AND finished_at IS NULL
                    AND NOT EXISTS (SELECT FROM store.enrolment_range WHERE contract_id = run.contract_id)",
                self.contract.as_str(),
                at.text()
            )
        };
        Ok(self.store.0.pool().execute(query).await? == 1)
    }
}
