use padan_domain::{BirthDate, ClientName, Decision, NameMatch, NationalId, PersonName, Photo};
use padan_inference::Face;
use padan_store::ComparedUnder;

use crate::{nik_plausibility, timing::StepTimings, trials::Trial};

/// A client's claims about a person, and the selfie.
#[derive(Debug, Clone)]
pub struct FaceRequest {
    /// The client that sent the request.
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
    /// Whether the digits of the NIK have the structure of issued numbers and agree with the date of birth. It does
    /// not affect the decision.
    pub fn nik_is_plausible(&self) -> bool {
        nik_plausibility::is_plausible(&self.nik, self.date_of_birth)
    }
}

/// The outcome of a face verification.
#[derive(Debug)]
pub struct FaceOutcome {
    /// The decision, with the result of each field.
    pub decision: Decision,
    /// The percentage in the answer, which may be coarser than that of the decision, or withheld.
    pub shown_percentage: Option<f64>,
    /// The rules by which the name matches; `None` when it differs or was not judged.
    pub name_match: Option<NameMatch>,
    /// The models with which the faces were compared; `None` when they were not compared.
    pub compared_under: Option<ComparedUnder>,
    /// The score of the selfie, 0 to 1; `None` when it was not judged for liveness.
    pub spoof: Option<f64>,
    /// The face that was found in the selfie; `None` when it was not analysed.
    pub face: Option<Face>,
    /// How long each step took.
    pub timings: StepTimings,
    /// Keep it until the outcome is durable in the audit trail.
    pub trial: Option<Trial>,
}
