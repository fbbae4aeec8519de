use padan_domain::{BirthDate, Decision, NationalId, PersonName, Photo};

use crate::StepTimings;

/// What a client claims of a person, and the selfie.
#[derive(Debug, Clone)]
pub struct FaceRequest {
    /// The identity number.
    pub nik: NationalId,
    /// The name.
    pub name: PersonName,
    /// The date of birth.
    pub date_of_birth: BirthDate,
    /// The selfie, not yet decoded.
    pub photo: Photo,
}

/// The outcome of a face verification.
#[derive(Debug, Clone)]
pub struct FaceOutcome {
    /// What the answer tells.
    pub decision: Decision,
    /// How long each step took.
    pub timings: StepTimings,
}
