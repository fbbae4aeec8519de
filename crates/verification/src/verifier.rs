//! The verification of a person by a registry, a portrait and a selfie.

pub(crate) mod faces;
mod figures;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Instant,
};

use padan_domain::{
    BirthDate, CitizenStatus, ClientName, Clock, FaceJudgement, InvalidBirthDate, InvalidNationalId,
    Judgement, NationalId, judge,
};
use padan_inference::Engine;
use padan_registry::{Citizen, Registry};
use padan_store::{AuditTrail, Store};
use tracing::{Instrument as _, info_span};

use self::faces::{JudgedFace, both, compared_under, percentage, probe_under};
pub use self::figures::{EngineIdentity, VerifierFigures};
use crate::{
    admission::Caller,
    basic::{self, BasicOutcome, BasicRequest},
    config::Config,
    cpu_account::CpuAccount,
    deadline::within,
    engine_in_use::EngineInUse,
    error::{SuspectedSpoof, VerificationError},
    face::{FaceOutcome, FaceRequest},
    live_measurement::{ComparedFaces, LiveMeasurement},
    samples::Samples,
    sandbox::{Sandbox, TestCase},
    shadow::{Decided, Shadow},
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
        let engine = self.engine_for(&request.client);
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
                if let Some(score) = judged.spoof.filter(|score| self.parts.config.liveness.refuses(*score)) {
                    return Err(VerificationError::SpoofSuspected(Box::new(SuspectedSpoof { score, trial })));
                }
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
                    self.live.measure(&engine, &self.parts.store.templates(), &nik, &faces);
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

    /// The engine of one request, whose work is charged to the client. All photos of a request need the same, so that they
    /// are embedded under the same contract.
    pub(crate) fn engine_for(&self, client: &ClientName) -> Engine {
        self.parts.engine.current().on_behalf_of(self.cpu_account.caller(client))
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
        let (reference, probe) = tokio::join!(
            self.reference(engine, &request.nik, citizen.portrait_updated_at, deadline, timings),
            probe_under(gate, engine, request.photo, deadline).instrument(info_span!("probe")),
        );
        let (reference, probe) = both(reference, probe)?;
        timings.probe = Some(probe.timings);
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
