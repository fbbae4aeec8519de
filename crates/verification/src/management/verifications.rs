//! Verifications of the audit trail that run beside the requests, one at a time in each process.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use chrono::{DateTime, Utc};
use padan_domain::Clock;
use padan_store::{AuditLog, AuditReport, Config};
use parking_lot::Mutex;
use uuid::Uuid;

/// A verification of the audit trail.
#[derive(Debug, Clone)]
pub struct TrailVerification {
    /// Its id.
    pub id: Uuid,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Rows that were checked so far.
    pub checked_rows: u64,
    /// How it ended; `None` while it runs.
    pub outcome: Option<TrailOutcome>,
}

/// How a verification of the audit trail ended.
#[derive(Debug, Clone)]
pub struct TrailOutcome {
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// What it found, or why it could not be completed.
    pub result: Result<Arc<AuditReport>, String>,
}

/// The last verifications of this process.
#[derive(Clone, Default)]
pub(super) struct Verifications(Arc<Mutex<VecDeque<Arc<Running>>>>);

struct Running {
    id: Uuid,
    started_at: DateTime<Utc>,
    checked_rows: AtomicU64,
    outcome: Mutex<Option<TrailOutcome>>,
}

/// The results that are kept.
const KEPT: usize = 16;

impl Verifications {
    /// Starts a verification. `None` while another one runs. Must be called within a Tokio runtime.
    pub(super) fn start(&self, config: Config, clock: Clock) -> Option<TrailVerification> {
        let running = Arc::new(Running {
            id: Uuid::now_v7(),
            started_at: clock.now(),
            checked_rows: AtomicU64::new(0),
            outcome: Mutex::default(),
        });
        {
            let mut kept = self.0.lock();
            if kept.iter().any(|other| other.state().outcome.is_none()) {
                return None;
            }
            kept.push_front(Arc::clone(&running));
            kept.truncate(KEPT);
        }
        let started = running.state();
        tokio::spawn(async move {
            let result = running.verify(&config).await;
            let outcome = TrailOutcome { ended_at: clock.now(), result };
            *running.outcome.lock() = Some(outcome);
        });
        Some(started)
    }

    /// The verifications, newest first.
    pub(super) fn list(&self) -> Vec<TrailVerification> {
        let kept = self.0.lock();
        kept.iter().map(|running| running.state()).collect()
    }
}

impl Running {
    async fn verify(&self, config: &Config) -> Result<Arc<AuditReport>, String> {
        let mut log = AuditLog::open(config).await.map_err(|error| error.to_string())?;
        let verified = log.verify_with_progress(Vec::new(), &self.checked_rows).await;
        verified.map(Arc::new).map_err(|error| error.to_string())
    }

    fn state(&self) -> TrailVerification {
        TrailVerification {
            id: self.id,
            started_at: self.started_at,
            checked_rows: self.checked_rows.load(Relaxed),
            outcome: self.outcome.lock().clone(),
        }
    }
}
