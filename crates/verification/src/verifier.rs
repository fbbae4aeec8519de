use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use padan_domain::{
    BirthDate, CitizenStatus, Clock, Embedding, FaceJudgement, InvalidBirthDate, InvalidNationalId,
    Judgement, NationalId, Percentage, Photo, judge,
};
use padan_inference::{Analysis, Engine, Face, Identity, JobEnded, JobEvent, JobStarted, WorkerFigures};
use padan_registry::{Citizen, Registry};
use padan_store::{AuditCommit, AuditFigures, AuditTrail, ComparedUnder, PoolFigures, Store, fault_point};
use tracing::{Instrument as _, info_span};

use crate::{
    admission::Caller,
    basic::{self, BasicOutcome, BasicRequest},
    config::Config,
    cpu_account::{CpuAccount, CpuTime},
    deadline::{engine_error, within},
    engine_in_use::EngineInUse,
    error::VerificationError,
    face::{FaceOutcome, FaceRequest},
    live_marks::LiveMarks,
    live_measurement::{ComparedFaces, LiveFigures, LiveMeasurement, MeasuredSimilarities, live_scale},
    liveness_gate::LivenessGate,
    samples::{Sampled, Samples},
    sandbox::{Sandbox, TestCase},
    scale_point::ScalePoint,
    shadow::{Decided, Shadow, ShadowFigures},
    similarity::similarity,
    stated_rate::{StatedRate, stated_fmr},
    timing::{StepTimings, timed},
    trials::{Trial, TrialKind, Trials},
};

/// Verifies people. A process has one, and all its requests share it.
#[derive(Clone)]
pub struct Verifier {
    pub(crate) parts: Arc<VerifierParts>,
    pub(crate) trials: Trials,
    pub(crate) unreadable_templates: Arc<AtomicU64>,
    pub(crate) samples: Arc<Samples>,
    pub(crate) cpu_account: Arc<CpuAccount>,
    pub(crate) live: Arc<LiveMeasurement>,
    pub(crate) shadow: Shadow,
}

/// The parts of a verifier.
pub struct VerifierParts {
    /// The civil registry's replica.
    pub registry: Registry,
    /// The service's own database.
    pub store: Store,
    /// The audit trail of requests.
    pub audit: AuditTrail,
    /// The models.
    pub engine: EngineInUse,
    /// Section `[verification]`.
    pub config: Config,
    /// The source of today's date.
    pub clock: Clock,
    /// What answers sandbox clients.
    pub sandbox: Sandbox,
}

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
    /// Makes a verifier of its parts.
    pub fn new(parts: VerifierParts) -> Self {
        Self {
            trials: Trials::new(&parts.config, parts.store.clone(), parts.clock),
            live: Arc::new(LiveMeasurement::new(parts.config.impostor_sample)),
            parts: Arc::new(parts),
            unreadable_templates: Arc::default(),
            samples: Arc::default(),
            cpu_account: Arc::default(),
            shadow: Shadow::default(),
        }
    }

    /// The deadline of a request that starts now.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.parts.config.budget()
    }

    /// What measures a second model set on a share of the requests.
    pub fn shadow(&self) -> Shadow {
        self.shadow.clone()
    }

    /// What answers sandbox clients.
    pub fn sandbox(&self) -> &Sandbox {
        &self.parts.sandbox
    }

    /// Parses a NIK, and checks its structure if the settings require it. A sandbox client may send those of test people,
    /// none of which has it.
    ///
    /// # Errors
    ///
    /// [`InvalidNationalId`] when the text is not 16 digits, or does not have the required structure.
    pub fn national_id(&self, text: &str, caller: &Caller) -> Result<NationalId, InvalidNationalId> {
        let nik: NationalId = text.parse()?;
        let is_test_person = caller.client.is_sandbox && TestCase::is_test_person(&nik);
        if self.parts.config.check_nik_structure && !nik.is_well_structured() && !is_test_person {
            return Err(InvalidNationalId);
        }
        Ok(nik)
    }

    /// Parses a date of birth, which must not lie after today in Jakarta.
    ///
    /// # Errors
    ///
    /// [`InvalidBirthDate`] when the text is not `dd-mm-yyyy`, the day does not exist, or it lies in the future.
    pub fn birth_date(&self, text: &str) -> Result<BirthDate, InvalidBirthDate> {
        BirthDate::parse(text, &self.parts.clock)
    }

    /// Verifies a person's claims and selfie.
    ///
    /// An unknown NIK and a status that is not active decide before the photo is analysed. A photo that cannot be used
    /// is reported before a name or date that differs.
    ///
    /// # Errors
    ///
    /// [`VerificationError`] when a database does not answer, the selfie cannot be used, too many trials have
    /// failed, the service is full, or a fault occurs.
    pub async fn verify_face(
        &self,
        request: FaceRequest,
        deadline: Instant,
    ) -> Result<FaceOutcome, VerificationError> {
        let mut timings = StepTimings::default();
        let (mut spoof, mut found) = (None, None);
        // One engine for the entire request, so that reference and selfie are embedded under the same contract.
        let caller = self.cpu_account.caller(&request.client);
        let engine = self.parts.engine.current().on_behalf_of(caller);
        let lookup = within(deadline, self.parts.registry.citizen(&request.nik));
        let (citizen, trial) = tokio::join!(
            timed(&mut timings.registry, info_span!("registry"), lookup),
            self.trials.begin(TrialKind::Face, &request.client, &request.nik, deadline)
        );
        let citizen = citizen.map_err(VerificationError::RegistryUnavailable)?;
        let trial = trial?;
        timings.turn = trial.as_ref().and_then(Trial::turn);
        // Like the other results, that of the name counts only for an active record.
        let name_match = citizen
            .as_ref()
            .filter(|citizen| citizen.status == CitizenStatus::Active)
            .and_then(|citizen| request.name.compare(&citizen.name, &self.parts.config.names));
        let judgement = match citizen {
            None => Judgement::UnknownNik,
            Some(citizen) => {
                let date_of_birth = request.date_of_birth == citizen.date_of_birth;
                let nik = request.nik.clone();
                let sampled = self.shadow.sample(&request.photo);
                let judged = self.judge_face(&engine, &citizen, request, deadline, &mut timings).await?;
                (spoof, found) = (judged.spoof, judged.found);
                if let (Some(sampled), FaceJudgement::Compared(percentage)) = (sampled, &judged.face) {
                    self.shadow.compare(
                        sampled,
                        Decided {
                            nik: nik.clone(),
                            portrait_updated_at: citizen.portrait_updated_at,
                            percentage: *percentage,
                            under: compared_under(&engine),
                            claims_match: name_match.is_some() && date_of_birth,
                        },
                    );
                }
                if let Some(faces) = judged.compared.filter(|_| name_match.is_some() && date_of_birth) {
                    self.live.measure(&engine, &self.parts.store, &nik, &faces);
                }
                let face = judged.face;
                Judgement::Known { status: citizen.status, name: name_match.is_some(), date_of_birth, face }
            }
        };
        let compared = matches!(judgement, Judgement::Known { face: FaceJudgement::Compared(_), .. });
        let compared_under = compared.then(|| compared_under(&engine));
        let decision = judge(judgement);
        let shown_percentage = compared_under
            .as_ref()
            .map_or(decision.results.face_image_percentage, |_| self.parts.config.shown(&decision.results));
        Ok(FaceOutcome {
            decision,
            shown_percentage,
            name_match,
            compared_under,
            spoof,
            face: found,
            timings,
            trial,
        })
    }

    /// Verifies a person's claims without a face.
    ///
    /// # Errors
    ///
    /// [`VerificationError`] when a database does not answer, or too many fields were wrong.
    pub async fn verify_fields(
        &self,
        request: BasicRequest,
        deadline: Instant,
    ) -> Result<BasicOutcome, VerificationError> {
        let mut timings = StepTimings::default();
        let lookup = within(deadline, self.parts.registry.civil_record(&request.nik));
        let (record, trial) = tokio::join!(
            timed(&mut timings.registry, info_span!("registry"), lookup),
            self.trials.begin(TrialKind::Fields, &request.client, &request.nik, deadline)
        );
        let record = record.map_err(VerificationError::RegistryUnavailable)?;
        let trial = trial?;
        timings.turn = trial.as_ref().and_then(Trial::turn);
        let judged = basic::judge_fields(record.as_ref(), &request, &self.parts.config.names);
        Ok(BasicOutcome { timings, trial, ..judged })
    }

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

    /// Compares the faces of an active record.
    async fn judge_face(
        &self,
        engine: &Engine,
        citizen: &Citizen,
        request: FaceRequest,
        deadline: Instant,
        timings: &mut StepTimings,
    ) -> Result<JudgedFace, VerificationError> {
        if citizen.status == CitizenStatus::Active {
            self.compare_faces(engine, citizen, request, deadline, timings).await
        } else {
            Ok(JudgedFace { face: FaceJudgement::NoReference, found: None, spoof: None, compared: None })
        }
    }

    async fn compare_faces(
        &self,
        engine: &Engine,
        citizen: &Citizen,
        request: FaceRequest,
        deadline: Instant,
        timings: &mut StepTimings,
    ) -> Result<JudgedFace, VerificationError> {
        let gate = self.parts.config.liveness;
        let mut enrolment = StepTimings::default();
        let (reference, probe) = tokio::join!(
            self.reference(engine, &request.nik, citizen.portrait_updated_at, deadline, &mut enrolment),
            probe_under(gate, engine, request.photo, deadline).instrument(info_span!("probe")),
        );
        let (reference, probe) = both(reference, probe)?;
        *timings = StepTimings {
            registry: timings.registry,
            turn: timings.turn,
            probe: Some(probe.timings),
            ..enrolment
        };
        if let Some(spoof) = probe.spoof.filter(|spoof| gate.refuses(*spoof)) {
            return Err(VerificationError::SpoofSuspected(spoof));
        }
        let found = Some(probe.face);
        let Some(reference) = reference else {
            return Ok(JudgedFace {
                face: FaceJudgement::NoReference,
                found,
                spoof: probe.spoof,
                compared: None,
            });
        };
        let face = FaceJudgement::Compared(percentage(engine, &reference, &probe.embedding)?);
        let compared = Some(ComparedFaces { reference, probe: probe.embedding });
        Ok(JudgedFace { face, found, spoof: probe.spoof, compared })
    }
}

/// How a selfie compares with the portrait, and how it was judged.
struct JudgedFace {
    face: FaceJudgement,
    /// The face that was found in the selfie; `None` when it was not analysed.
    found: Option<Face>,
    spoof: Option<f64>,
    /// The two faces; `None` when they were not compared.
    compared: Option<ComparedFaces>,
}

/// Embeds a selfie until the deadline, and judges it for liveness if the gate is on.
async fn probe_under(
    gate: LivenessGate,
    engine: &Engine,
    photo: Photo,
    deadline: Instant,
) -> Result<Analysis, VerificationError> {
    if gate.is_on() {
        within(deadline, engine.judged_probe(photo, deadline)).await.map_err(engine_error)
    } else {
        probe(engine, photo, deadline).await
    }
}

/// Embeds a selfie until the deadline.
pub(crate) async fn probe(
    engine: &Engine,
    photo: Photo,
    deadline: Instant,
) -> Result<Analysis, VerificationError> {
    within(deadline, engine.probe(photo, deadline)).await.map_err(engine_error)
}

/// The models by which an engine compares.
pub(crate) fn compared_under(engine: &Engine) -> ComparedUnder {
    let Identity { contract, calibration_id, .. } = engine.identity();
    ComparedUnder { contract: contract.clone(), calibration: calibration_id.clone() }
}

/// The similarity of two faces.
pub(crate) fn percentage(
    engine: &Engine,
    reference: &Embedding,
    probe: &Embedding,
) -> Result<Percentage, VerificationError> {
    let similarity = similarity(engine, reference, probe).ok_or_else(|| {
        VerificationError::Internal("embeddings of one model contract differ in length".into())
    })?;
    Ok(engine.calibration().percentage(similarity))
}

/// Both values, or the error of the lower rank.
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
    fn an_outage_is_reported_before_a_bad_photo_and_a_bad_photo_before_a_full_service() {
        let reported =
            |a: VerificationError, b: VerificationError| both::<(), ()>(Err(a), Err(b)).unwrap_err().reason();
        assert_eq!(reported(store(), photo()), ReasonCode::StoreUnavailable);
        assert_eq!(reported(registry(), photo()), ReasonCode::RegistryUnavailable);
        assert_eq!(reported(photo(), registry()), ReasonCode::RegistryUnavailable);
        assert_eq!(reported(VerificationError::Busy, photo()), ReasonCode::NoFace);
        assert_eq!(both::<_, ()>(Ok(1), Err(photo())).unwrap_err().reason(), ReasonCode::NoFace);
    }
}
