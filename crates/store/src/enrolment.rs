//! How far the enrolment of everybody has come, kept so that processes share the work and one that was killed is gone
//! on with.
//!
//! The work is cut into ranges of NIKs. The run's row says up to where ranges have been given out; the ranges in
//! progress are rows of their own, each leased to a process. A process that ends without a word lets its leases run
//! out, and another takes its ranges over. A range that is done twice does no harm: who has a template is passed over.

use std::time::Duration;

use padan_domain::{ModelContractId, NikRange};
use padan_postgres::Pool;
use uuid::Uuid;

pub(crate) mod checkpoint;
mod statements;
pub(crate) mod status;
pub(crate) mod tally;

pub use self::{checkpoint::Checkpoint, status::EnrolmentStatus, tally::EnrolmentTally};

use self::statements::{Claim, Counted, Holder, Reaching};
use crate::{error::StoreError, store::Store};

/// One process's access to the enrolment under one model contract.
#[derive(Debug, Clone)]
pub struct EnrolmentLedger {
    store: Store,
    holder: Holder,
}

impl Store {
    /// Access to the enrolment under a model contract for a process that has just started. A range of its is taken
    /// over by others once it has not been renewed for `lease`.
    pub fn enrolment(&self, contract: &ModelContractId, lease: Duration) -> EnrolmentLedger {
        let holder = Holder {
            contract: contract.as_str().to_owned(),
            process: Uuid::now_v7(),
            lease_seconds: lease.as_secs_f64(),
        };
        EnrolmentLedger { store: self.clone(), holder }
    }

    /// Every enrolment that there is, the last begun first.
    pub async fn enrolments(&self) -> Result<Vec<EnrolmentStatus>, StoreError> {
        all_in(&self.0.pool).await
    }
}

/// Every enrolment that there is, the last begun first.
pub(crate) async fn all_in(pool: &Pool) -> Result<Vec<EnrolmentStatus>, StoreError> {
    let rows = pool.run(status::all, &()).await?;
    rows.into_iter().map(EnrolmentStatus::try_from).collect()
}

impl EnrolmentLedger {
    /// Goes on with the run that is under way, or begins the next one.
    pub async fn begin(&self, model_set: &str) -> Result<(), StoreError> {
        let question = (self.holder.contract.clone(), model_set.to_owned());
        Ok(self.store.0.pool.run(statements::begin, &question).await?)
    }

    /// Takes a range over whose process has ended without a word; `None` when there is none.
    pub async fn take_over(&self) -> Result<Option<NikRange>, StoreError> {
        let row = self.store.0.pool.run(statements::take_over, &self.holder).await?;
        row.map(NikRange::try_from).transpose()
    }

    /// Up to where ranges have been given out; `None` when the run is finished.
    pub async fn checkpoint(&self) -> Result<Option<Checkpoint>, StoreError> {
        let reached = self.store.0.pool.run(statements::checkpoint, &self.holder.contract).await?;
        reached.map(Checkpoint::try_from).transpose()
    }

    /// Gives this process the range that follows a checkpoint; false when another process was faster.
    pub async fn claim(&self, after: &Checkpoint, range: &NikRange) -> Result<bool, StoreError> {
        let claim = Claim { holder: self.holder.clone(), after: after.text(), range: range.clone() };
        Ok(self.store.0.pool.run(statements::claim, &claim).await?)
    }

    /// Renews the lease of a range; false when another process has it now.
    pub async fn renew(&self, range: &NikRange) -> Result<bool, StoreError> {
        let question = (self.holder.clone(), range.first.clone());
        Ok(self.store.0.pool.run(statements::renew, &question).await?)
    }

    /// Counts a range as done; false when another process has it now and will count it.
    pub async fn finish_range(&self, range: &NikRange, tally: EnrolmentTally) -> Result<bool, StoreError> {
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let counted = Counted {
            holder: self.holder.clone(),
            first: range.first.clone(),
            templates: whole(tally.templates),
            unusable: whole(tally.unusable),
            failed: whole(tally.failed),
        };
        Ok(self.store.0.pool.run(statements::finish_range, &counted).await?)
    }

    /// Hands back what this process has not finished, so that nobody waits for its leases to run out.
    pub async fn release(&self) -> Result<(), StoreError> {
        Ok(self.store.0.pool.run(statements::release, &self.holder).await?)
    }

    /// Finishes the run when nobody follows the checkpoint and no range is in progress; false when one still is.
    pub async fn finish(&self, at: &Checkpoint) -> Result<bool, StoreError> {
        let reaching = Reaching { contract: self.holder.contract.clone(), reached: at.text() };
        Ok(self.store.0.pool.run(statements::finish, &reaching).await?)
    }
}
