//! What a verifier shows of itself, and to whom it reports.

use std::sync::{Arc, atomic::Ordering};

use padan_domain::Percentage;
use padan_inference::{Identity, JobEnded, JobEvent, JobStarted, WorkerFigures};
use padan_store::{AuditCommit, AuditFigures, PoolFigures, fault_point};

use super::Verifier;
use crate::{
    cpu_account::CpuTime,
    live_marks::LiveMarks,
    live_measurement::{LiveFigures, MeasuredSimilarities, live_scale},
    samples::Sampled,
    scale_point::ScalePoint,
    shadow::ShadowFigures,
    stated_rate::{StatedRate, stated_fmr},
};

/// Current figures for an operator.
pub struct VerifierFigures {
    /// The inference queue and its workers.
    pub engine: WorkerFigures,
    /// The registry's replicas, one for each URL.
    pub registry: Vec<padan_registry::ReplicaFigures>,
    /// The pool to the store.
    pub store: PoolFigures,
    /// The audit trail.
    pub audit: AuditFigures,
    /// Templates that could not be read and were therefore made again, since the start.
    pub unreadable_templates: u64,
    /// Whether another model than the active one is used, because the active one cannot be.
    pub model_outdated: bool,
    /// The figures that were sampled last.
    pub sampled: Sampled,
    /// The processor time of each client's photos.
    pub cpu: Vec<CpuTime>,
    /// What the live measurement has in memory.
    pub live: LiveFigures,
    /// What the shadow model set made of the requests.
    pub shadow: ShadowFigures,
}

/// The engine's models and device, for an operator.
#[derive(Debug, Clone)]
pub struct EngineIdentity {
    /// The model set's name.
    pub model_set: String,
    /// The contract under which embeddings are compared.
    pub contract: String,
    /// The id of the calibration, which gives percentages their meaning.
    pub calibration: String,
    /// The device.
    pub device: &'static str,
    /// The embedder's numeric precision on the device.
    pub precision: &'static str,
    /// The false match rates that the scale states for some percentages.
    pub stated_fmr: Vec<StatedRate>,
}

/// The percentages whose measured rates are shown; one is the pass mark.
const MEASURED_PERCENTAGES: [f64; 5] = [25.0, 50.0, 60.0, 75.0, 90.0];

impl Verifier {
    /// Current figures for an operator.
    pub fn figures(&self) -> VerifierFigures {
        VerifierFigures {
            engine: self.parts.engine.current().figures(),
            registry: self.parts.registry.figures(),
            store: self.parts.store.pool_figures(),
            audit: self.parts.audit.figures(),
            unreadable_templates: self.unreadable_templates.load(Ordering::Relaxed),
            model_outdated: self.parts.engine.is_outdated(),
            sampled: self.samples.current(),
            cpu: self.cpu_account.totals(),
            live: self.live.figures(),
            shadow: self.shadow.figures(),
        }
    }

    /// Sets the observers that are called when a worker starts on a photo and when the audit trail commits. They must
    /// not block. From then on, clients are charged with the processor time of their photos.
    pub fn observe(
        &self,
        on_started: impl Fn(JobStarted) + Send + Sync + 'static,
        commits: impl Fn(AuditCommit) + Send + Sync + 'static,
    ) {
        let account = Arc::clone(&self.cpu_account);
        self.parts.engine.observe_jobs(Arc::new(move |event| match event {
            JobEvent::Started(job) => {
                fault_point("worker of the engine");
                on_started(job);
            }
            JobEvent::Ended(JobEnded { caller, cpu }) => account.charge(caller, cpu),
        }));
        self.parts.audit.observe_commits(commits);
    }

    /// Sets the observer that is called with the similarities of each selfie that is measured. It must not block.
    pub fn observe_similarities(&self, observer: impl Fn(&MeasuredSimilarities) + Send + Sync + 'static) {
        self.live.observe(Box::new(observer));
    }

    /// The models and the device of the current engine.
    pub fn engine_identity(&self) -> EngineIdentity {
        let engine = self.parts.engine.current();
        let Identity { model_set, contract, calibration_id, points, placement, .. } = engine.identity();
        EngineIdentity {
            model_set: model_set.clone(),
            contract: contract.as_str().to_owned(),
            calibration: calibration_id.clone(),
            device: placement.device.name(),
            precision: placement.precision.name(),
            stated_fmr: stated_fmr(points),
        }
    }

    /// The false match rates that the percentages of the current engine stand for.
    pub fn scale(&self) -> Vec<ScalePoint> {
        let engine = self.parts.engine.current();
        let points = engine.identity().points.iter();
        points.map(|point| ScalePoint { percentage: point.percentage, false_match_rate: point.fmr }).collect()
    }

    /// What the live measurement of the current engine is asked for.
    pub fn live_marks(&self) -> LiveMarks {
        let engine = self.parts.engine.current();
        let cosine = |percentage: &f64| engine.calibration().cosine(Percentage::new(*percentage));
        LiveMarks {
            scale: live_scale(&engine),
            percentages: MEASURED_PERCENTAGES.to_vec(),
            cosines: MEASURED_PERCENTAGES.iter().map(cosine).collect(),
        }
    }
}
