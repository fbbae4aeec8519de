//! How the service is.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use padan_domain::Percentage;
use padan_verification::{LivePoint, LiveRates, PoolFigures, ScalePoint};
use serde::Serialize;
use utoipa::ToSchema;

use super::{alerts::Alert, call::Call, fault::Fault, models::SetInUse};

/// The state of this process and what it depends on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    version: &'static str,
    /// Whether models, registry and store are usable.
    ready: bool,
    /// Each component with `ok` or its fault.
    components: BTreeMap<&'static str, String>,
    /// The registry's replicas.
    replicas: Vec<Replica>,
    store: Pool,
    queue: Queue,
    /// Rows of the audit trail since the start of this process.
    audit_rows: AuditRows,
    /// Whether this process uses another model than the active one.
    model_outdated: bool,
    /// Whether all connections of the public listener are in use.
    connections_full: bool,
    /// The model set that this process uses.
    models: SetInUse,
    /// What is wrong with this process now. Alerts of Prometheus look further back, and at all processes.
    alerts: Vec<Alert>,
    /// What the percentages stand for.
    calibration: Scale,
    /// What the live measurement says of the scale; null when it counted nothing, or the store does not answer.
    live: Option<LiveScale>,
}

/// The false match rates that percentages stand for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Scale {
    /// The id of the calibration.
    id: String,
    pass_percentage: f64,
    points: Vec<PointOfScale>,
}

/// A point of the scale. Between two points the rate is linear in its logarithm.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PointOfScale {
    percentage: f64,
    /// The share of comparisons of two people that reach the percentage.
    false_match_rate: f64,
}

/// False match rates that services measured on the people whom they verified in the last 30 days, under this scale.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LiveScale {
    /// The first day, in Asia/Jakarta.
    from: String,
    /// Comparisons of selfies with templates of other people.
    comparisons: u64,
    points: Vec<LivePointOfScale>,
}

/// A measured point, with its 95 % interval.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LivePointOfScale {
    percentage: f64,
    false_match_rate: f64,
    low: f64,
    high: f64,
}

/// A replica of the registry.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Replica {
    pool: Pool,
    /// Whether it is asked in its turn; false for a while after a failure.
    in_turn: bool,
    /// Its lag; null when it is not known.
    lag_seconds: Option<f64>,
    /// Whether it is not asked because of its lag.
    too_far_behind: bool,
}

/// Connections to a database.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pool {
    /// Host, port and database.
    name: String,
    max_connections: u32,
    connections: u32,
    in_use: u32,
    /// Statements that timed out since the start.
    timeouts: u64,
    /// Statements that failed since the start.
    failures: u64,
}

/// The photos that wait.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Queue {
    workers: usize,
    busy: usize,
    queued: usize,
    capacity: usize,
    /// Photos that were refused since the start because the queue was full.
    refused: u64,
    /// Photos that were dropped since the start because their time was over.
    expired: u64,
}

/// Rows of the audit trail.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditRows {
    durable: u64,
    failed: u64,
}

pub(super) async fn health(call: Call) -> Result<HttpResponse, Fault> {
    let components = call.verifier.readiness().await;
    let figures = call.verifier.figures();
    let identity = call.verifier.engine_identity();
    let calibration = Scale {
        id: identity.calibration.clone(),
        pass_percentage: Percentage::PASS_MARK.shown(),
        points: call
            .verifier
            .scale()
            .into_iter()
            .map(|ScalePoint { percentage, false_match_rate }| PointOfScale { percentage, false_match_rate })
            .collect(),
    };
    let live = call.mandate.live_rates(call.verifier.live_marks()).await.unwrap_or_else(|error| {
        tracing::warn!("the live measurement cannot be read: {error}");
        None
    });
    let connections_full = call.connections.are_full().is_some();
    let alerts = Alert::of(&components, &figures, connections_full);
    let replicas = figures.registry.into_iter().map(|replica| Replica {
        pool: Pool::of(&replica.pool),
        in_turn: replica.in_turn,
        lag_seconds: replica.lag_seconds,
        too_far_behind: replica.too_far_behind,
    });
    let ready = components.iter().all(|component| component.state.is_ok());
    let components = components
        .into_iter()
        .map(|component| (component.name, component.state.err().unwrap_or_else(|| "ok".to_owned())));
    Ok(HttpResponse::Ok().json(Health {
        version: env!("CARGO_PKG_VERSION"),
        ready,
        components: components.collect(),
        replicas: replicas.collect(),
        store: Pool::of(&figures.store),
        queue: Queue {
            workers: figures.engine.workers,
            busy: figures.engine.busy,
            queued: figures.engine.queued,
            capacity: figures.engine.queue_length,
            refused: figures.engine.refused,
            expired: figures.engine.expired,
        },
        audit_rows: AuditRows { durable: figures.audit.rows, failed: figures.audit.failed },
        model_outdated: figures.model_outdated,
        connections_full,
        models: identity.into(),
        alerts,
        calibration,
        live: live.map(LiveScale::from),
    }))
}

impl From<LiveRates> for LiveScale {
    fn from(LiveRates { from, comparisons, points }: LiveRates) -> Self {
        let points = points.into_iter().map(|LivePoint { percentage, rate, low, high }| LivePointOfScale {
            percentage,
            false_match_rate: rate,
            low,
            high,
        });
        Self { from: from.to_string(), comparisons, points: points.collect() }
    }
}

impl Pool {
    fn of(figures: &PoolFigures) -> Self {
        Self {
            name: figures.name.clone(),
            max_connections: figures.max_connections,
            connections: figures.connections,
            in_use: figures.in_use,
            timeouts: figures.timeouts,
            failures: figures.failures,
        }
    }
}
