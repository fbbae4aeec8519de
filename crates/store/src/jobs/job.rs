//! Long work that operators start in the management interface: enrolments, and exports of the audit trail.
//!
//! Each has a row that says who started it, what it is, how far it is and how it ended. The process at work holds a lease,
//! which it renews. After the process was killed, the lease expires: the job is interrupted, and any process may continue
//! it.

use chrono::{DateTime, TimeDelta, Utc};
use padan_domain::{NationalId, OperatorName};
use serde_json::Value;
use uuid::Uuid;

use crate::audit::search::AuditPosition;

/// What kind of work a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// The enrolment of all people under a model set. One is open at a time.
    Enrolment,
    /// An export of rows of the audit trail, whose file is kept for a while.
    AuditExport,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// No process has begun it.
    Waiting,
    /// A process is at work.
    Running,
    /// The process at work was killed or has ended. Any process may continue it.
    Interrupted,
    /// An operator has paused it.
    Paused,
    /// It is complete.
    Done,
    /// It ended with an error.
    Failed,
    /// An operator has ended or removed it.
    Stopped,
}

/// A job to begin.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its id.
    pub id: Uuid,
    /// What kind of work it is.
    pub kind: JobKind,
    /// Who starts it.
    pub operator: OperatorName,
    /// What it is about. It must not name a person.
    pub subject: Value,
    /// The person whom an export is about. It is kept encrypted until the job ends.
    pub nik: Option<NationalId>,
}

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: Uuid,
    /// What kind of work it is.
    pub kind: JobKind,
    /// Who started it.
    pub operator: String,
    /// What it is about.
    pub subject: Value,
    /// Where it stands.
    pub state: JobState,
    /// When it was started.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// How far it is.
    pub progress: JobProgress,
    /// The size of the file so far.
    pub bytes: u64,
    /// Why it failed or was stopped.
    pub error: Option<String>,
    /// Until when the file of a finished export is kept; `None` when there is none.
    pub kept_until: Option<DateTime<Utc>>,
    /// The number of parts of the file.
    pub parts: u32,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobProgress {
    /// People or rows that were processed.
    pub done: u64,
    /// An estimate of all of them.
    pub total: Option<u64>,
}

/// A job that this process does, until the lease is lost.
#[derive(Debug, Clone)]
pub struct JobLease {
    /// The job.
    pub job: Uuid,
    pub(crate) process: Uuid,
}

/// A job that this process has taken.
#[derive(Debug)]
pub struct TakenJob {
    /// The lease.
    pub lease: JobLease,
    /// The job.
    pub job: Job,
    /// The person whom an export is about.
    pub nik: Option<NationalId>,
    /// The last row that was exported.
    pub reached: Option<AuditPosition>,
}

/// What an operator wants of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobWish {
    /// It is to wait.
    Pause,
    /// It is to go on: after a pause, or after it failed.
    Continue,
    /// It is to end.
    Stop,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEnd {
    /// It is complete. The file is kept for this time.
    Done(Option<TimeDelta>),
    /// It failed.
    Failed(String),
}

/// Files of exports that exist or are being made at the same time.
pub const MAX_EXPORT_JOBS: u32 = 8;
/// How long a lease lasts.
pub const JOB_LEASE: TimeDelta = TimeDelta::seconds(30);

impl JobKind {
    /// The text of the column `kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enrolment => "enrolment",
            Self::AuditExport => "audit_export",
        }
    }
}

impl JobState {
    /// The name of the state in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }

    /// Whether the job has neither ended nor been paused.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Running | Self::Interrupted)
    }
}

/// How long a lease lasts, in seconds.
pub(crate) fn lease_seconds() -> f64 {
    seconds(JOB_LEASE)
}

pub(crate) fn seconds(time: TimeDelta) -> f64 {
    time.as_seconds_f64()
}
