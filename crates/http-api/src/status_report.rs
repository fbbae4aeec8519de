use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use padan_verification::{
    EngineIdentity, PoolFigures, ShadowFigures, ShadowState, ShadowSummary, Verifier, VerifierFigures,
};
use serde::{Deserialize, Serialize};

use crate::{
    activity::{Activity, LastCommit, LastMinute},
    metrics::{Load, Metrics},
    readiness::Readiness,
};

/// The body of `/status`: what `padan status` shows. It has no personal data and no name of a client.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct StatusReport {
    /// The version of the program.
    pub version: String,
    /// When the process began.
    pub started_at: DateTime<Utc>,
    /// How long ago that was.
    pub uptime_seconds: f64,
    /// Whether `/readyz` answers 200.
    pub ready: bool,
    /// Each component with `ok` or its fault.
    pub components: BTreeMap<String, String>,
    /// The models in use.
    pub model: ModelStatus,
    /// The model set that is measured beside them; `None` without one.
    pub shadow: Option<ShadowStatus>,
    /// `None`: there is none, so passive liveness is not offered.
    pub liveness_set: Option<String>,
    /// The answers of the last minute.
    pub last_minute: LastMinute,
    /// What the public listener is busy with.
    pub load: Load,
    /// The queue of photos.
    pub queue: QueueStatus,
    /// The replicas of the registry.
    pub replicas: Vec<ReplicaStatus>,
    /// The service's own database.
    pub store: DatabaseStatus,
    /// The audit trail.
    pub audit: AuditStatus,
    /// The certificates of the listeners.
    pub certificates: Vec<CertificateStatus>,
}

/// The models in use.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct ModelStatus {
    /// The model set's name.
    pub model_set: String,
    /// The id of the model contract.
    pub contract: String,
    /// The id of the calibration.
    pub calibration: String,
    /// The device.
    pub device: String,
    /// The embedder's precision on the device.
    pub precision: String,
    /// Whether another model is active, which this process could not load.
    pub is_behind: bool,
}

/// The model set that is measured on a share of the requests, and answers none.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct ShadowStatus {
    /// Its name.
    pub model_set: String,
    /// The id of its model contract.
    pub contract: String,
    /// The share of the requests, in percent.
    pub percent: f64,
    /// Whether this process could load it.
    pub is_loaded: bool,
    /// Requests that it was compared on since the start.
    pub compared: u64,
    /// Requests that were drawn and not compared since the start, for whatever reason.
    pub not_compared: u64,
}

/// The queue of photos and its workers.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct QueueStatus {
    /// Photos that wait.
    pub photos: usize,
    /// The most that may wait.
    pub capacity: usize,
    /// Worker threads.
    pub workers: usize,
    /// Those that process a photo.
    pub workers_busy: usize,
}

/// A replica of the registry.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct ReplicaStatus {
    /// The pool of connections to it.
    #[serde(flatten)]
    pub database: DatabaseStatus,
    /// Whether it is tried in its turn; false for a while after a failure.
    pub in_rotation: bool,
    /// Its lag behind its primary; `None` when it is not known.
    pub lag_seconds: Option<f64>,
    /// Whether it is not asked because of its lag.
    pub too_far_behind: bool,
}

/// The pool of connections to a database.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct DatabaseStatus {
    /// `host:port/database`.
    pub host: String,
    /// Connections that a statement uses.
    pub connections_in_use: u32,
    /// Open connections.
    pub connections_open: u32,
    /// The most that the pool opens.
    pub connections_max: u32,
    /// Statements that timed out since the start.
    pub timeouts: u64,
    /// Statements that failed for another reason since the start.
    pub failures: u64,
}

/// The audit trail.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct AuditStatus {
    /// Rows that this process made durable.
    pub rows: u64,
    /// Rows that could not be written.
    pub rows_failed: u64,
    /// When the last rows became durable; `None` before the first ones.
    pub last_commit_at: Option<DateTime<Utc>>,
    /// How long that took.
    pub last_commit_milliseconds: Option<f64>,
}

/// The certificate of a listener.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct CertificateStatus {
    /// `public`.
    pub listener: String,
    /// When it expires.
    pub expires_at: Option<DateTime<Utc>>,
}

impl StatusReport {
    /// The state of the process now.
    pub(crate) fn of(
        verifier: &Verifier,
        readiness: Readiness,
        metrics: &Metrics,
        activity: &Activity,
    ) -> Self {
        let VerifierFigures { engine, registry, store, audit, model_outdated, shadow, .. } =
            verifier.figures();
        let commit = activity.last_commit();
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: activity.started_at(),
            uptime_seconds: activity.uptime().as_secs_f64(),
            ready: readiness.ready,
            components: readiness
                .components
                .into_iter()
                .map(|(name, state)| (name.to_owned(), state))
                .collect(),
            model: ModelStatus::of(verifier.engine_identity(), model_outdated),
            shadow: ShadowStatus::of(shadow),
            liveness_set: verifier.liveness_set(),
            last_minute: activity.last_minute(),
            load: metrics.load(),
            queue: QueueStatus {
                photos: engine.queued,
                capacity: engine.queue_length,
                workers: engine.workers,
                workers_busy: engine.busy,
            },
            replicas: registry
                .iter()
                .map(|replica| ReplicaStatus {
                    database: DatabaseStatus::of(&replica.pool),
                    in_rotation: replica.in_turn,
                    lag_seconds: replica.lag_seconds,
                    too_far_behind: replica.too_far_behind,
                })
                .collect(),
            store: DatabaseStatus::of(&store),
            audit: AuditStatus {
                rows: audit.rows,
                rows_failed: audit.failed,
                last_commit_at: commit.map(|LastCommit { at, .. }| at),
                last_commit_milliseconds: commit.map(|LastCommit { milliseconds, .. }| milliseconds),
            },
            certificates: metrics
                .public_certificate_expiry()
                .map(|at| CertificateStatus {
                    listener: "public".to_owned(),
                    expires_at: DateTime::from_timestamp(at, 0),
                })
                .into_iter()
                .collect(),
        }
    }
}

impl ModelStatus {
    fn of(identity: EngineIdentity, is_behind: bool) -> Self {
        let EngineIdentity { model_set, contract, calibration, device, precision, .. } = identity;
        let (device, precision) = (device.to_owned(), precision.to_owned());
        Self { model_set, contract, calibration, device, precision, is_behind }
    }
}

impl ShadowStatus {
    fn of(ShadowFigures { state, counts }: ShadowFigures) -> Option<Self> {
        let ShadowState { model_set, contract, share, is_loaded } = state?;
        let of_this = counts.into_iter().filter(|(counted, _)| *counted == contract);
        let (mut compared, mut requests) = (0, 0);
        for (_, counts) in of_this {
            let summary = ShadowSummary::of(&counts);
            compared += summary.compared();
            requests += summary.requests();
        }
        let (contract, percent) = (contract.to_string(), share.percent());
        Some(Self { model_set, contract, percent, is_loaded, compared, not_compared: requests - compared })
    }
}

impl DatabaseStatus {
    fn of(pool: &PoolFigures) -> Self {
        Self {
            host: pool.name.clone(),
            connections_in_use: pool.in_use,
            connections_open: pool.connections,
            connections_max: pool.max_connections,
            timeouts: pool.timeouts,
            failures: pool.failures,
        }
    }
}
