use std::time::Duration;

use padan_domain::{ClientName, Endpoint, ModelContractId, NationalId, ReasonCode};

/// What a row tells of a request, as far as it got.
#[derive(Debug, Clone)]
pub struct AuditEvent {
    /// The request's id, as the answer carries it.
    pub request_id: String,
    /// The client that sent the request.
    pub client: ClientName,
    /// The endpoint that was called.
    pub endpoint: Endpoint,
    /// How the request ended.
    pub ending: RequestEnding,
    /// The NIK, once it was read. Only its keyed hash is written.
    pub nik: Option<NationalId>,
    /// Whether the digits of the NIK are what one expects of them and of the date of birth.
    pub nik_plausible: Option<bool>,
    /// What was told of each field.
    pub fields: Vec<(&'static str, Option<bool>)>,
    /// The similarity as it was shown, 0 to 100.
    pub percentage: Option<f64>,
    /// What faces were compared with.
    pub compared_under: Option<ComparedUnder>,
    /// How long the request took until its outcome.
    pub took: Duration,
}

/// How a request ended, as its row in the audit trail says.
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

/// The models by which two faces were compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComparedUnder {
    /// What the embeddings mean.
    pub contract: ModelContractId,
    /// What the percentage means: the calibration's id.
    pub calibration: String,
}
