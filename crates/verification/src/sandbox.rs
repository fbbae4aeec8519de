//! The sandbox: clients of their own are answered from a fixed table of test people, so that a programmer can try every
//! answer without the data of a person.
//!
//! **Architecture Invariant:** [`Sandbox`] knows no registry, no store and no engine, so that no answer of it is about a
//! person. A handler asks either the sandbox or the [`Verifier`](crate::Verifier), by what the store says of the client.

mod photo;
mod record;
mod test_case;

use std::{sync::Arc, time::Instant};

use padan_domain::{
    CitizenStatus, Clock, Endpoint, FaceJudgement, Judgement, Percentage, Photo, ReasonCode, judge,
};
use padan_inference::PhotoReader;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

pub use self::test_case::{TEST_CASES, TestCase};
use crate::{
    basic::{self, BasicOutcome, BasicRequest},
    config::Config,
    error::VerificationError,
    face::{FaceOutcome, FaceRequest},
    timing::StepTimings,
};

/// Answers sandbox clients. A process has one.
pub struct Sandbox {
    config: Config,
    clock: Clock,
    reader: Arc<Mutex<PhotoReader>>,
    /// Whose photo is read.
    turn: Arc<Semaphore>,
}

/// Why a request of a sandbox client has no result.
#[derive(Debug)]
pub enum SandboxRefusal {
    /// The test person, or the test photo, stands for this answer.
    Chosen(ReasonCode),
    /// The photo cannot be read, or was not read in time.
    Photo {
        /// The form's field of the photo.
        field: &'static str,
        /// What is wrong.
        error: VerificationError,
    },
}

/// What a test photo stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TestPhoto {
    /// The reason code of the answer.
    pub reason: ReasonCode,
    /// The percentage of compared faces, 0 to 100, as the answer shows it.
    pub percentage: Option<f64>,
    /// The score of a face that was judged for liveness, 0 to 1.
    pub spoof: Option<f64>,
}

/// The similarity of test faces that match.
const MATCHING: f64 = 82.04;
/// The similarity of test faces that do not match.
const DIFFERING: f64 = 42.04;

impl Sandbox {
    /// A sandbox that judges names, and shows percentages, as these settings say.
    pub fn new(config: &Config, clock: Clock, reader: PhotoReader) -> Self {
        let turn = Arc::new(Semaphore::new(1));
        Self { config: config.clone(), clock, reader: Arc::new(Mutex::new(reader)), turn }
    }

    /// The deadline of a request that starts now.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.config.budget()
    }

    /// Answers a face verification. The steps have the order of [`Verifier::verify_face`](crate::Verifier::verify_face):
    /// the photo is read only for a person with an active record.
    ///
    /// # Errors
    ///
    /// [`SandboxRefusal`], as the test person stands for it, or when the photo cannot be read.
    pub async fn verify_face(
        &self,
        request: FaceRequest,
        deadline: Instant,
    ) -> Result<FaceOutcome, SandboxRefusal> {
        let case = TestCase::of_nik(&request.nik);
        let reason = TestCase::reason_for(case, Endpoint::FaceVerification);
        if reason.is_some_and(test_case::is_of_service) {
            return Err(SandboxRefusal::of(reason));
        }
        let record = case.and_then(|case| record::of(case, &self.clock));
        let (mut name_match, mut is_compared) = (None, false);
        let judgement = match record {
            None => Judgement::UnknownNik,
            Some(record) if record.status != CitizenStatus::Active => Judgement::Known {
                status: record.status,
                name: false,
                date_of_birth: false,
                face: FaceJudgement::NoReference,
            },
            Some(record) => {
                self.read("face_image", request.photo, deadline).await?;
                if reason.is_some_and(test_case::is_of_photo) {
                    return Err(SandboxRefusal::of(reason));
                }
                let face = face_of(reason);
                is_compared = matches!(face, FaceJudgement::Compared(_));
                name_match = request.name.compare(&record.name, &self.config.names);
                let date_of_birth = request.date_of_birth == record.date_of_birth;
                Judgement::Known { status: record.status, name: name_match.is_some(), date_of_birth, face }
            }
        };
        let decision = judge(judgement);
        let shown_percentage = if is_compared {
            self.config.shown(&decision.results)
        } else {
            decision.results.face_image_percentage
        };
        Ok(FaceOutcome {
            decision,
            shown_percentage,
            name_match,
            compared_under: None,
            spoof: None,
            face: None,
            timings: StepTimings::default(),
            trial: None,
        })
    }

    /// Answers a basic verification.
    ///
    /// # Errors
    ///
    /// [`SandboxRefusal::Chosen`], as the test person stands for it.
    pub fn verify_fields(&self, request: &BasicRequest) -> Result<BasicOutcome, SandboxRefusal> {
        let case = TestCase::of_nik(&request.nik);
        let reason = TestCase::reason_for(case, Endpoint::Verification);
        if reason.is_some_and(test_case::is_of_service) {
            return Err(SandboxRefusal::of(reason));
        }
        let record = case.and_then(|case| record::of(case, &self.clock));
        Ok(basic::judge_fields(record.as_ref(), request, &self.config.names))
    }

    /// Answers a face match. The size of the captured photo chooses the answer.
    ///
    /// # Errors
    ///
    /// [`SandboxRefusal`], as the test photo stands for it, or when a photo cannot be read.
    pub async fn match_faces(
        &self,
        captured: Photo,
        stored: Photo,
        deadline: Instant,
    ) -> Result<TestPhoto, SandboxRefusal> {
        let size = self.read("captured_image", captured, deadline).await?;
        self.read("stored_image", stored, deadline).await?;
        let reason = chosen_by(size, Endpoint::FaceMatch)?.unwrap_or(ReasonCode::FacesMatch);
        let percentage = match reason {
            ReasonCode::FacesMatch => Some(MATCHING),
            ReasonCode::FacesDiffer => Some(DIFFERING),
            _ => None,
        };
        let percentage = percentage.map(|percentage| self.config.percentage_step.round_down(percentage));
        Ok(TestPhoto { reason, percentage, spoof: None })
    }

    /// Answers a judgement for liveness. The size of the photo chooses the answer.
    ///
    /// # Errors
    ///
    /// [`SandboxRefusal`], as the test photo stands for it, or when the photo cannot be read.
    pub async fn judge_liveness(&self, photo: Photo, deadline: Instant) -> Result<TestPhoto, SandboxRefusal> {
        let size = self.read("image", photo, deadline).await?;
        let reason = chosen_by(size, Endpoint::PassiveLiveness)?.unwrap_or(ReasonCode::SpoofLow);
        let spoof = match reason {
            ReasonCode::SpoofLow => Some(0.02611),
            ReasonCode::SpoofModerate => Some(0.5678),
            ReasonCode::SpoofHigh => Some(0.99768),
            _ => None,
        };
        Ok(TestPhoto { reason, percentage: None, spoof })
    }

    /// Reads a photo as strictly as for other clients, and returns its width and height.
    async fn read(
        &self,
        field: &'static str,
        photo: Photo,
        deadline: Instant,
    ) -> Result<(u32, u32), SandboxRefusal> {
        let read = photo::read(&self.turn, &self.reader, photo, deadline).await;
        read.map_err(|error| SandboxRefusal::Photo { field, error })
    }
}

impl SandboxRefusal {
    fn of(reason: Option<ReasonCode>) -> Self {
        Self::Chosen(reason.unwrap_or(ReasonCode::Internal))
    }
}

/// The result for which a photo of this size stands at an endpoint; `None` for a photo of any other size.
fn chosen_by(size: (u32, u32), endpoint: Endpoint) -> Result<Option<ReasonCode>, SandboxRefusal> {
    match TestCase::reason_for(TestCase::of_photo(size), endpoint) {
        Some(reason) if test_case::is_of_service(reason) || test_case::is_of_photo(reason) => {
            Err(SandboxRefusal::Chosen(reason))
        }
        other => Ok(other),
    }
}

/// How the faces compare for a test person.
fn face_of(reason: Option<ReasonCode>) -> FaceJudgement {
    match reason {
        Some(ReasonCode::NoReferencePhoto) => FaceJudgement::NoReference,
        Some(ReasonCode::FaceMismatch) => FaceJudgement::Compared(Percentage::new(DIFFERING)),
        _ => FaceJudgement::Compared(Percentage::new(MATCHING)),
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sandbox")
    }
}
