use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use padan_domain::{
    BirthDate, CitizenStatus, Clock, Decision, Embedding, FaceJudgement, InvalidBirthDate, InvalidNationalId,
    Judgement, NationalId, judge,
};
use padan_inference::{Analysis, Engine, FaceError, Identity, JobObserver, WorkerFigures};
use padan_registry::{Citizen, Registry};
use padan_store::{AuditCommit, AuditFigures, AuditTrail, ComparedUnder, PoolFigures, Store};
use tracing::{Instrument as _, info_span};

use crate::{
    BasicOutcome, BasicRequest, Config, EngineInUse, FaceOutcome, FaceRequest, StepTimings,
    VerificationError, basic,
    error::Cause,
    sampling::{Sampled, Samples},
    timing::timed,
    trials::Trials,
};

/// Verifies people. One is made at start and shared by all who serve.
#[derive(Clone)]
pub struct Verifier {
    pub(crate) parts: Arc<VerifierParts>,
    pub(crate) trials: Trials,
    pub(crate) unreadable_templates: Arc<AtomicU64>,
    pub(crate) samples: Arc<Samples>,
}

/// What a verifier is made of.
pub struct VerifierParts {
    /// The civil registry's replica.
    pub registry: Registry,
    /// The service's own database.
    pub store: Store,
    /// Where requests are recorded.
    pub audit: AuditTrail,
    /// The models.
    pub engine: EngineInUse,
    /// Section `[verification]`.
    pub config: Config,
    /// Where the date comes from.
    pub clock: Clock,
}

/// Figures for an operator, as of now.
pub struct VerifierFigures {
    /// The inference queue and its workers.
    pub engine: WorkerFigures,
    /// The registry's replicas, one a URL.
    pub registry: Vec<padan_registry::ReplicaFigures>,
    /// The pool to the store.
    pub store: PoolFigures,
    /// The audit trail.
    pub audit: AuditFigures,
    /// Templates that could not be read, and were made anew.
    pub unreadable_templates: u64,
    /// Whether another model than the active one serves, because that one cannot be used.
    pub model_behind: bool,
    /// What databases were asked for a while ago.
    pub sampled: Sampled,
}

/// What the engine computes with, in words for an operator.
#[derive(Debug, Clone)]
pub struct EngineIdentity {
    /// The model set's name.
    pub model_set: String,
    /// The contract under which embeddings are compared.
    pub contract: String,
    /// What its percentages mean.
    pub calibration: String,
    /// The device.
    pub device: &'static str,
    /// The numbers that the embedder computes with there.
    pub precision: &'static str,
}

impl Verifier {
    /// Puts the parts together.
    pub fn new(parts: VerifierParts) -> Self {
        Self {
            parts: Arc::new(parts),
            trials: Trials::default(),
            unreadable_templates: Arc::default(),
            samples: Arc::default(),
        }
    }

    /// When a request that starts now must have its outcome.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.parts.config.budget()
    }

    /// Reads a NIK; its structure counts where the settings say so.
    pub fn national_id(&self, text: &str) -> Result<NationalId, InvalidNationalId> {
        let nik: NationalId = text.parse()?;
        if self.parts.config.check_nik_structure && !nik.is_well_structured() {
            return Err(InvalidNationalId);
        }
        Ok(nik)
    }

    /// Reads a date of birth, by today's date in Jakarta.
    pub fn birth_date(&self, text: &str) -> Result<BirthDate, InvalidBirthDate> {
        BirthDate::parse(text, &self.parts.clock)
    }

    /// Verifies a person's claims and selfie.
    ///
    /// An unknown NIK and a status that is not active are answered before the photo is looked at. A photo
    /// that cannot be judged beats a name or date that differs.
    pub async fn verify_face(
        &self,
        request: FaceRequest,
        deadline: Instant,
    ) -> Result<FaceOutcome, VerificationError> {
        let mut timings = StepTimings::default();
        // One engine from here to the end: reference and selfie are embedded under the same contract.
        let engine = self.parts.engine.current();
        let lookup = within(deadline, self.parts.registry.citizen(&request.nik));
        let (citizen, trial) = tokio::join!(
            timed(&mut timings.registry, info_span!("registry"), lookup),
            self.begin_trial(&request.client, &request.nik, deadline)
        );
        let citizen = citizen.map_err(VerificationError::RegistryUnavailable)?;
        let trial = trial?;
        let judgement = match citizen {
            None => Judgement::UnknownNik,
            Some(citizen) => self.judge_known(&engine, &citizen, request, deadline, &mut timings).await?,
        };
        let compared = matches!(judgement, Judgement::Known { face: FaceJudgement::Compared(_), .. });
        let compared_under = compared.then(|| {
            let Identity { contract, calibration_id, .. } = engine.identity();
            ComparedUnder { contract: contract.clone(), calibration: calibration_id.clone() }
        });
        Ok(FaceOutcome { decision: judge(judgement), compared_under, timings, trial })
    }

    /// Verifies a person's claims without a face.
    pub async fn verify_fields(
        &self,
        request: BasicRequest,
        deadline: Instant,
    ) -> Result<BasicOutcome, VerificationError> {
        let mut timings = StepTimings::default();
        let lookup = within(deadline, self.parts.registry.civil_record(&request.nik));
        let record = timed(&mut timings.registry, info_span!("registry"), lookup)
            .await
            .map_err(VerificationError::RegistryUnavailable)?;
        let judged = basic::judge_fields(record.as_ref(), &request, self.parts.config.names);
        Ok(BasicOutcome { timings, ..judged })
    }

    /// Figures for an operator.
    pub fn figures(&self) -> VerifierFigures {
        VerifierFigures {
            engine: self.parts.engine.current().figures(),
            registry: self.parts.registry.figures(),
            store: self.parts.store.pool_figures(),
            audit: self.parts.audit.figures(),
            unreadable_templates: self.unreadable_templates.load(Ordering::Relaxed),
            model_behind: self.parts.engine.is_behind(),
            sampled: self.samples.current(),
        }
    }

    /// Sets the observers that are called for every photo that a worker starts on and for every commit of the audit
    /// trail. They must not block.
    pub fn observe(&self, jobs: JobObserver, commits: impl Fn(AuditCommit) + Send + Sync + 'static) {
        self.parts.engine.observe_jobs(jobs);
        self.parts.audit.observe_commits(commits);
    }

    /// What the engine computes with.
    pub fn engine_identity(&self) -> EngineIdentity {
        let engine = self.parts.engine.current();
        let Identity { model_set, contract, calibration_id, placement, .. } = engine.identity();
        EngineIdentity {
            model_set: model_set.clone(),
            contract: contract.as_str().to_owned(),
            calibration: calibration_id.clone(),
            device: placement.device.name(),
            precision: placement.precision.name(),
        }
    }

    async fn judge_known(
        &self,
        engine: &Engine,
        citizen: &Citizen,
        request: FaceRequest,
        deadline: Instant,
        timings: &mut StepTimings,
    ) -> Result<Judgement, VerificationError> {
        let name = request.name.matches(&citizen.name, self.parts.config.names);
        let date_of_birth = request.date_of_birth == citizen.date_of_birth;
        let face = if citizen.status == CitizenStatus::Active {
            self.compare_faces(engine, citizen, request, deadline, timings).await?
        } else {
            FaceJudgement::NoReference
        };
        Ok(Judgement::Known { status: citizen.status, name, date_of_birth, face })
    }

    async fn compare_faces(
        &self,
        engine: &Engine,
        citizen: &Citizen,
        request: FaceRequest,
        deadline: Instant,
        timings: &mut StepTimings,
    ) -> Result<FaceJudgement, VerificationError> {
        let mut enrolment = StepTimings::default();
        let (reference, probe) = tokio::join!(
            self.reference(engine, &request.nik, citizen.portrait_updated_at, deadline, &mut enrolment),
            probe(engine, request.photo, deadline).instrument(info_span!("probe")),
        );
        let (reference, probe) = both(reference, probe)?;
        *timings = StepTimings { registry: timings.registry, probe: Some(probe.timings), ..enrolment };
        reference.map_or(Ok(FaceJudgement::NoReference), |reference| {
            compared(engine, &reference, &probe.embedding)
        })
    }
}

async fn probe(
    engine: &Engine,
    photo: padan_domain::Photo,
    deadline: Instant,
) -> Result<Analysis, VerificationError> {
    within(deadline, engine.probe(photo, deadline)).await.map_err(face_error)
}

fn compared(
    engine: &Engine,
    reference: &Embedding,
    probe: &Embedding,
) -> Result<FaceJudgement, VerificationError> {
    let similarity = reference.similarity(probe).ok_or_else(|| {
        VerificationError::Internal("embeddings of one model contract differ in length".into())
    })?;
    Ok(FaceJudgement::Compared(engine.calibration().percentage(similarity)))
}

/// Awaits a step until the deadline.
pub(crate) async fn within<T, E>(
    deadline: Instant,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, Cause>
where
    E: std::error::Error + Send + Sync + 'static,
{
    // On the heap: a database's future is large, and one sits within the other up to the handler.
    match tokio::time::timeout_at(deadline.into(), Box::pin(step)).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.into()),
        Err(elapsed) => Err(elapsed.into()),
    }
}

/// What an error of the engine means for the selfie. Anything but the engine's own error is the deadline.
pub(crate) fn face_error(cause: Cause) -> VerificationError {
    match cause.downcast::<FaceError>().map(|error| *error) {
        Ok(FaceError::Rejected(fault)) => VerificationError::Photo(fault),
        Ok(FaceError::QueueFull | FaceError::Expired) | Err(_) => VerificationError::Busy,
        Ok(broken @ FaceError::Broken(_)) => VerificationError::Internal(broken.into()),
    }
}

/// Both values, or the error that is told first.
fn both<A, B>(
    first: Result<A, VerificationError>,
    second: Result<B, VerificationError>,
) -> Result<(A, B), VerificationError> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
        (Err(first), Err(second)) if first.rank() <= second.rank() => Err(first),
        (Err(_), Err(second)) => Err(second),
    }
}

impl VerificationError {
    /// The decision that tells nothing, when a database cannot answer; `None` for every other error.
    pub fn outage(&self) -> Option<Decision> {
        match self {
            Self::RegistryUnavailable(_) | Self::StoreUnavailable(_) => {
                Some(Decision::unavailable(self.reason()))
            }
            Self::TooManyFailedFaces(_) | Self::Photo(_) | Self::Busy | Self::Internal(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use padan_domain::ReasonCode;
    use padan_inference::PhotoFault;

    use super::*;

    fn registry() -> VerificationError {
        VerificationError::RegistryUnavailable("down".into())
    }

    fn store() -> VerificationError {
        VerificationError::StoreUnavailable("down".into())
    }

    fn photo() -> VerificationError {
        VerificationError::Photo(PhotoFault::NoFace)
    }

    #[test]
    fn an_outage_is_told_before_a_bad_photo_and_a_bad_photo_before_a_full_service() {
        let told =
            |a: VerificationError, b: VerificationError| both::<(), ()>(Err(a), Err(b)).unwrap_err().reason();
        assert_eq!(told(store(), photo()), ReasonCode::StoreUnavailable);
        assert_eq!(told(registry(), photo()), ReasonCode::RegistryUnavailable);
        assert_eq!(told(photo(), registry()), ReasonCode::RegistryUnavailable);
        assert_eq!(told(VerificationError::Busy, photo()), ReasonCode::NoFace);
        assert_eq!(both::<_, ()>(Ok(1), Err(photo())).unwrap_err().reason(), ReasonCode::NoFace);
    }

    #[test]
    fn the_engines_errors_are_told_apart() {
        let told = |error: FaceError| face_error(error.into()).reason();
        assert_eq!(told(FaceError::Rejected(PhotoFault::Turned)), ReasonCode::FaceTurned);
        assert_eq!(told(FaceError::QueueFull), ReasonCode::Overloaded);
        assert_eq!(told(FaceError::Expired), ReasonCode::Overloaded);
        assert_eq!(told(FaceError::Broken("session".into())), ReasonCode::Internal);
    }

    #[test]
    fn only_an_outage_of_a_database_tells_empty_results() {
        assert!(registry().outage().is_some());
        assert!(store().outage().is_some());
        assert!(photo().outage().is_none());
        assert!(VerificationError::Busy.outage().is_none());
    }

    #[tokio::test]
    async fn a_step_ends_at_the_deadline() {
        let never = std::future::pending::<Result<(), FaceError>>();
        let cause = within(Instant::now(), never).await.unwrap_err();
        assert_eq!(face_error(cause).reason(), ReasonCode::Overloaded);
    }
}
