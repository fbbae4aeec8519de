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
mod statements;
pub(crate) mod status;
pub(crate) mod tally;

use self::statements::{Claim, FinishedRange, LeaseHolder, NewRun, ReachedEnd};
pub use self::{checkpoint::Checkpoint, status::EnrolmentStatus, tally::EnrolmentTally};
use crate::{error::StoreError, store::Store};

/// A process's access to the enrolment under one model contract.
#[derive(Debug, Clone)]
pub struct EnrolmentLedger {
    store: Store,
    holder: LeaseHolder,
}

impl Store {
    /// A new process's access to the enrolment under a model contract. Other processes take over a range when the
    /// process has not renewed its lease for the time `lease`.
    pub fn enrolment(&self, contract: &ModelContractId, lease: Duration) -> EnrolmentLedger {
        let holder = LeaseHolder {
            contract: contract.as_str().to_owned(),
            process: Uuid::now_v7(),
            lease_seconds: lease.as_secs_f64(),
        };
        EnrolmentLedger { store: self.clone(), holder }
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
    let rows = pool.run(status::all, &()).await?;
    rows.into_iter().map(EnrolmentStatus::try_from).collect()
}

impl EnrolmentLedger {
    /// Resumes the unfinished run, or begins a new one.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn begin(&self, model_set: &str) -> Result<(), StoreError> {
        let run = NewRun { contract: self.holder.contract.clone(), model_set: model_set.to_owned() };
        Ok(self.store.0.pool.run(statements::begin, &run).await?)
    }

    /// Takes over a range whose lease has expired; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When the store fails or the row is invalid.
    pub async fn take_over(&self) -> Result<Option<NikRange>, StoreError> {
        let row = self.store.0.pool.run(statements::take_over, &self.holder).await?;
        row.map(NikRange::try_from).transpose()
    }

    /// The end of the last assigned range; `None` when the run is finished.
    ///
    /// # Errors
    ///
    /// When the store fails or the row is invalid.
    pub async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        let reached = self.store.0.pool.run(statements::checkpoint, &self.holder.contract).await?;
        reached.map(Checkpoint::try_from).transpose()
    }

    /// Assigns the range after a checkpoint to this process; false when another process claimed it first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn claim(&self, after: &Checkpoint, range: &NikRange) -> Result<bool, StoreError> {
        let claim = Claim { holder: self.holder.clone(), after: after.text(), range: range.clone() };
        Ok(self.store.0.pool.run(statements::claim, &claim).await?)
    }

    /// Renews the lease of a range; false when another process has taken it over.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn renew(&self, range: &NikRange) -> Result<bool, StoreError> {
        let lease = (self.holder.clone(), range.first.clone());
        Ok(self.store.0.pool.run(statements::renew, &lease).await?)
    }

    /// Finishes a range and adds its tally to the run's; false when another process has taken it over.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn finish_range(&self, range: &NikRange, tally: EnrolmentTally) -> Result<bool, StoreError> {
        let to_i64 = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let finished = FinishedRange {
            holder: self.holder.clone(),
            first: range.first.clone(),
            templates: to_i64(tally.templates),
            covered: to_i64(tally.covered),
            unusable: to_i64(tally.unusable),
            failed: to_i64(tally.failed),
        };
        Ok(self.store.0.pool.run(statements::finish_range, &finished).await?)
    }

    /// Releases the ranges of this process, so that other processes need not wait until its leases expire.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn release(&self) -> Result<(), StoreError> {
        Ok(self.store.0.pool.run(statements::release, &self.holder).await?)
    }

    /// Finishes the run whose last range ends at this checkpoint; false while a range is in progress.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn finish(&self, at: &Checkpoint) -> Result<bool, StoreError> {
        let run = ReachedEnd { contract: self.holder.contract.clone(), reached: at.text() };
        Ok(self.store.0.pool.run(statements::finish, &run).await?)
    }
}
