use padan_domain::{BirthDate, Decision, NationalId, PersonName, Photo};
use padan_store::ComparedUnder;

use crate::{ClientName, StepTimings, Trial, hint};

/// What a client claims of a person, and the selfie.
#[derive(Debug, Clone)]
pub struct FaceRequest {
    /// Who asks.
    pub client: ClientName,
    /// The identity number.
    pub nik: NationalId,
    /// The name.
    pub name: PersonName,
    /// The date of birth.
    pub date_of_birth: BirthDate,
    /// The selfie, not yet decoded.
    pub photo: Photo,
}

impl FaceRequest {
    /// Whether the digits of the NIK are what one expects of them and of the date of birth. It decides nothing.
    pub fn nik_is_plausible(&self) -> bool {
        hint::is_plausible(&self.nik, self.date_of_birth)
    }
}

/// The outcome of a face verification.
#[derive(Debug)]
pub struct FaceOutcome {
    /// What the answer tells.
    pub decision: Decision,
    /// By which models faces were compared, when they were.
    pub compared_under: Option<ComparedUnder>,
    /// How long each step took.
    pub timings: StepTimings,
    /// To be kept until the outcome is durable in the audit trail.
    pub trial: Option<Trial>,
}
