use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    error::StoreError,
    jobs::job::{Job, JobKind, JobProgress, JobState},
    keys::sealing::SealedBytes,
};

/// A row of the table `store.job`.
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
    pub(super) sealed_nik: Option<Vec<u8>>,
    pub(super) key_id: Option<String>,
}

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
