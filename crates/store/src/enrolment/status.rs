use chrono::{DateTime, Utc};
use padan_domain::ModelContractId;

use super::{checkpoint::Checkpoint, tally::EnrolmentTally};
use crate::error::StoreError;

/// The status of the enrolment under one model contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentStatus {
    /// The model contract.
    pub contract: ModelContractId,
    /// The name of the model set in the settings of the process that began the run.
    pub model_set: String,
    /// How far ranges have been assigned.
    pub checkpoint: Checkpoint,
    /// When the last run began.
    pub started_at: DateTime<Utc>,
    /// When it finished; `None` while it runs.
    pub finished_at: Option<DateTime<Utc>>,
    /// When a run last finished; `None` when none has.
    pub completed_at: Option<DateTime<Utc>>,
    /// The people of the ranges that this run has finished.
    pub tally: EnrolmentTally,
    /// Ranges that are not finished.
    pub open_ranges: u64,
    /// Processes with an unexpired lease.
    pub processes: u64,
}

pub(super) struct StatusRow {
    pub(super) contract_id: String,
    pub(super) model_set: String,
    pub(super) reached: String,
    pub(super) started_at: DateTime<Utc>,
    pub(super) finished_at: Option<DateTime<Utc>>,
    pub(super) completed_at: Option<DateTime<Utc>>,
    pub(super) templates: i64,
    pub(super) covered: i64,
    pub(super) unusable: i64,
    pub(super) failed: i64,
    pub(super) open_ranges: i64,
    pub(super) processes: i64,
}

impl TryFrom<StatusRow> for EnrolmentStatus {
    type Error = StoreError;

    fn try_from(row: StatusRow) -> Result<Self, StoreError> {
        let inconsistent = |column| StoreError::Inconsistent { table: "store.enrolment_run", column };
        let to_u64 = |count: i64, column| u64::try_from(count).map_err(|_| inconsistent(column));
        // A count of rows is never negative.
        let counted = |count: i64| u64::try_from(count).unwrap_or_default();
        Ok(Self {
            contract: row.contract_id.parse().map_err(|_| inconsistent("contract_id"))?,
            model_set: row.model_set,
            checkpoint: row.reached.try_into()?,
            started_at: row.started_at,
            finished_at: row.finished_at,
            completed_at: row.completed_at,
            tally: EnrolmentTally {
                templates: to_u64(row.templates, "templates")?,
                covered: to_u64(row.covered, "covered")?,
                unusable: to_u64(row.unusable, "unusable")?,
                failed: to_u64(row.failed, "failed")?,
            },
            open_ranges: counted(row.open_ranges),
            processes: counted(row.processes),
        })
    }
}
