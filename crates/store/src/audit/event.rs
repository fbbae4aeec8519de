use std::time::Duration;

use padan_domain::{ClientName, Endpoint, ModelContractId, NameMatch, NationalId, ReasonCode};

/// The content of a request's row, as far as the request was processed.
#[derive(Debug, Clone)]
pub struct AuditEvent {
    /// The request's id, which the answer carries too.
    pub request_id: String,
    /// The client that sent the request.
    pub client: ClientName,
    /// Whether it is a sandbox client, which is answered from the table of test people.
    pub is_sandbox: bool,
    /// The endpoint that was called.
    pub endpoint: Endpoint,
    /// How the request ended.
    pub ending: RequestEnding,
    /// The NIK, once it was parsed. Only its keyed hash is written.
    pub nik: Option<NationalId>,
    /// Whether the digits of the NIK are plausible and agree with the date of birth.
    pub nik_plausible: Option<bool>,
    /// The reported result for each field.
    pub fields: Vec<(&'static str, Option<bool>)>,
    /// For each name that matched, the rules that this needed.
    pub name_rules: Vec<(&'static str, NameMatch)>,
    /// The similarity in the answer, 0 to 100.
    pub percentage: Option<f64>,
    /// The models that compared the faces.
    pub compared_under: Option<ComparedUnder>,
    /// The score of the selfie, 0 to 1, if it was judged for liveness.
    pub spoof: Option<f64>,
    /// How long the request took until its outcome.
    pub took: Duration,
}

/// How a request ended, as its row in the audit trail records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestEnding {
    /// An answer with this reason code was sent.
    Answered(ReasonCode),
    /// The client closed the connection before there was an answer.
    Unanswered,
}

impl RequestEnding {
    /// The text of the column `reason`: the reason code, or `UNANSWERED`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered(reason) => reason.as_str(),
            Self::Unanswered => "UNANSWERED",
        }
    }
}

/// The models with which two faces were compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ComparedUnder {
    /// The contract of the embeddings.
    pub contract: ModelContractId,
    /// The id of the calibration that gave the percentage.
    pub calibration: String,
}
