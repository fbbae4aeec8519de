//! The audit trail: who asked what about whom, and what was answered.
//!
//! Rows are written by an [`AuditTrail`](crate::AuditTrail), one chain a process: each row carries an HMAC over itself and the HMAC of
//! the row before it. A row that was changed no longer fits its own HMAC, one that was deleted is missing in its chain,
//! and one that was cut off at the end is named by a head, which the service also wrote to its log, or by the start of a
//! later chain.

mod checker;
mod export;
mod forgetting;
mod keys;
mod person_keys_in_use;
mod retention;
mod row;
mod statements;
mod trail;
mod usage;
mod writer;

use std::time::Duration;

use padan_domain::{ClientName, Endpoint, ModelContractId, NationalId, ReasonCode};
use uuid::Uuid;

pub use checker::{AuditFault, AuditReport};
pub use export::{AuditFilter, AuditLog};
pub use forgetting::Forgotten;
pub(crate) use forgetting::{Forgetting, STEP};
pub use keys::AuditKeys;
pub(crate) use person_keys_in_use::person_keys_besides;
pub use row::AuditRow;
pub use trail::{AuditCommit, AuditFigures, AuditTrail};
pub use usage::UsageRow;

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

/// The last row of a chain as of a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditHead {
    /// The chain.
    pub writer: Uuid,
    /// The row's number in it, from 1; 0 is the chain's beginning.
    pub sequence: i64,
    /// The row's HMAC.
    pub mac: Vec<u8>,
}

impl AuditHead {
    /// A head as a line has it: as [`Display`](std::fmt::Display) writes it, or as the service logs it, in text or JSON.
    pub fn find_in(line: &str) -> Option<Self> {
        let value = |name: &str| {
            let after = line.split(name).nth(1)?;
            let start = after.trim_start_matches(['"', ':', '=', ' ']);
            let end = start.find(|c: char| !c.is_ascii_hexdigit() && c != '-').unwrap_or(start.len());
            Some(&start[..end])
        };
        Some(Self {
            writer: value("writer")?.parse().ok()?,
            sequence: value("sequence")?.parse().ok()?,
            mac: hex::decode(value("mac")?).ok().filter(|mac| mac.len() == 32)?,
        })
    }
}

impl std::fmt::Display for AuditHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "writer={} sequence={} mac={}", self.writer, self.sequence, hex::encode(&self.mac))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_found_in_a_line_of_text_and_in_one_of_json() {
        let head = AuditHead { writer: Uuid::from_u128(7), sequence: 12, mac: vec![0xab; 32] };
        assert_eq!(AuditHead::find_in(&head.to_string()), Some(head.clone()));
        let json = format!(
            "{{\"timestamp\":\"2026-11-24T00:00:00Z\",\"message\":\"audit head\",\"writer\":\"{}\",\"sequence\":12,\
             \"mac\":\"{}\",\"target\":\"padan_store\"}}",
            head.writer,
            "ab".repeat(32)
        );
        assert_eq!(AuditHead::find_in(&json), Some(head));
        assert_eq!(AuditHead::find_in("answered endpoint=face-verification"), None);
        assert_eq!(AuditHead::find_in("writer=7 sequence=12 mac=ab"), None);
    }
}
