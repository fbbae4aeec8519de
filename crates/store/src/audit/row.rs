use aes_gcm::{Aes128Gcm, Key, aead::Generate as _};
use chrono::{DateTime, Utc};
use padan_domain::NameMatch;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{event::AuditEvent, head::AuditHead, keys::AuditKeys};
use crate::{error::StoreError, keys::person_keys::PersonKeys};

/// A row of the table `store.audit_event`.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// When the request had its outcome.
    pub at: DateTime<Utc>,
    /// The chain.
    pub writer: Uuid,
    /// The number in the chain, from 1.
    pub sequence: i64,
    /// `request`; `forget` for a person who was forgotten; `admin` for an act of an operator.
    pub kind: String,
    /// The request's id.
    pub request_id: Option<String>,
    /// The client's name.
    pub client: Option<String>,
    /// The endpoint's name.
    pub endpoint: Option<String>,
    /// Whether the request was that of a sandbox client, which is answered from the table of test people.
    pub sandbox: bool,
    /// The reason code.
    pub reason: String,
    /// The keyed hash of the NIK; `None` when there was none, or the person was forgotten.
    pub person_key: Option<Vec<u8>>,
    /// The id of the person key with which the NIK was hashed.
    pub person_key_id: Option<String>,
    /// The random salt of the seal. Without it, the NIK of a seal cannot be found by hashing all NIKs.
    pub person_salt: Option<Vec<u8>>,
    /// The hash over salt and person, which the row's HMAC covers.
    pub person_seal: Option<Vec<u8>>,
    /// Whether the digits of the NIK are plausible.
    pub nik_plausible: Option<bool>,
    /// The reported result for each field, as a JSON object.
    pub fields: String,
    /// The rules by which names matched, as a JSON object of lists; `None` if no name matched.
    pub name_rules: Option<String>,
    /// The similarity in the answer.
    pub percentage: Option<f64>,
    /// The score that the liveness set gave the selfie.
    pub spoof: Option<f64>,
    /// The model contract under which faces were compared.
    pub contract_id: Option<String>,
    /// The calibration that gave the percentage.
    pub calibration_id: Option<String>,
    /// Milliseconds until the outcome.
    pub milliseconds: f64,
    /// The id of the audit key that signed the removal of the person.
    pub forget_key_id: Option<String>,
    /// The signature of the removal, which also names the step.
    pub forget_mac: Option<Vec<u8>>,
    /// The id of the audit key.
    pub key_id: String,
    /// The HMAC over the row and the HMAC of the previous row.
    pub mac: Vec<u8>,
}

/// The beginning of a chain: a row of the table `store.audit_chain`.
#[derive(Debug, Clone)]
pub(crate) struct ChainRow {
    pub(crate) writer: Uuid,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) previous_writer: Option<Uuid>,
    pub(crate) previous_sequence: Option<i64>,
    pub(crate) previous_mac: Option<Vec<u8>>,
    pub(crate) seen: String,
    pub(crate) unrecorded: i64,
    pub(crate) person_key_id: String,
    pub(crate) key_id: String,
    pub(crate) mac: Vec<u8>,
}

/// The time and place of a new row.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowPosition {
    pub(super) at: DateTime<Utc>,
    pub(super) writer: Uuid,
    pub(super) sequence: i64,
}

/// What the HMAC of a row covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowFormat {
    /// The request's id, and the seal of the person. Rows without a person, and all rows of earlier programs.
    OpenRequest,
    /// A seal of both, so that both can be removed when the person is forgotten.
    SealedRequest,
}

/// Why no format fits a row's HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WrongSignature {
    /// Its key is not among the keys.
    UnknownKey,
    /// The row, its HMAC or the row before it was changed.
    Changed,
}

/// A person in a row: the key by which rows are found, and the seal, which remains when the person is forgotten.
struct Person {
    key: Vec<u8>,
    key_id: String,
    salt: Vec<u8>,
    seal: Vec<u8>,
}

impl AuditRow {
    /// A row of a request, not yet signed.
    pub(super) fn of(
        event: &AuditEvent,
        position: RowPosition,
        keys: &PersonKeys,
    ) -> Result<Self, StoreError> {
        let request = event.request_id.as_str();
        let person = event
            .nik
            .as_ref()
            .map(|nik| Person::new(keys.of(nik)?, keys.current_id(), request))
            .transpose()?;
        let fields = event.fields.iter().map(|(name, matches)| {
            let value = matches.map_or("null", |matches| if matches { "true" } else { "false" });
            format!("\"{name}\":{value}")
        });
        let fields = format!("{{{}}}", fields.collect::<Vec<_>>().join(","));
        let mut row = Self::blank("request", position, event.ending.as_str());
        row.fields = fields;
        row.name_rules = name_rules(&event.name_rules);
        row.request_id = Some(event.request_id.clone());
        row.client = Some(event.client.as_str().to_owned());
        row.endpoint = Some(event.endpoint.as_str().to_owned());
        row.sandbox = event.is_sandbox;
        row.nik_plausible = event.nik_plausible;
        row.percentage = event.percentage;
        row.spoof = event.spoof;
        row.milliseconds = event.took.as_micros() as f64 / 1000.0;
        if let Some(models) = &event.compared_under {
            row.contract_id = Some(models.contract.as_str().to_owned());
            row.calibration_id = Some(models.calibration.clone());
        }
        if let Some(Person { key, key_id, salt, seal }) = person {
            (row.person_key, row.person_key_id) = (Some(key), Some(key_id));
            (row.person_salt, row.person_seal) = (Some(salt), Some(seal));
        }
        Ok(row)
    }

    /// A row that announces from which rows a person was removed, and who requested it.
    pub(super) fn of_forgetting(announcement: String, requested_by: &str, position: RowPosition) -> Self {
        let mut row = Self::blank("forget", position, "FORGOTTEN");
        row.client = Some(requested_by.to_owned());
        row.fields = announcement;
        row
    }

    /// A row of an act of an operator: the act's name, the client that it changed, and its content.
    pub(super) fn of_administration(
        act: &str,
        client: Option<String>,
        content: String,
        position: RowPosition,
    ) -> Self {
        let mut row = Self::blank("admin", position, act);
        row.client = client;
        row.fields = content;
        row
    }

    fn blank(kind: &str, position: RowPosition, reason: &str) -> Self {
        Self {
            at: position.at,
            writer: position.writer,
            sequence: position.sequence,
            kind: kind.to_owned(),
            request_id: None,
            client: None,
            endpoint: None,
            sandbox: false,
            reason: reason.to_owned(),
            person_key: None,
            person_key_id: None,
            person_salt: None,
            person_seal: None,
            nik_plausible: None,
            fields: "{}".to_owned(),
            name_rules: None,
            percentage: None,
            spoof: None,
            contract_id: None,
            calibration_id: None,
            milliseconds: 0.0,
            forget_key_id: None,
            forget_mac: None,
            key_id: String::new(),
            mac: Vec::new(),
        }
    }

    /// Signs the row as the successor of the row with the HMAC `previous`.
    pub(super) fn signed(mut self, previous: &[u8], keys: &AuditKeys) -> Result<Self, StoreError> {
        keys.current_id().clone_into(&mut self.key_id);
        let format =
            if self.person_seal.is_some() { RowFormat::SealedRequest } else { RowFormat::OpenRequest };
        self.mac = self.computed_mac(format, previous, keys).ok_or_else(unsigned)?;
        Ok(self)
    }

    /// The format in which the row's HMAC is right.
    pub(super) fn signed_format(
        &self,
        previous: &[u8],
        keys: &AuditKeys,
    ) -> Result<RowFormat, WrongSignature> {
        for format in [RowFormat::SealedRequest, RowFormat::OpenRequest] {
            let mac = self.computed_mac(format, previous, keys).ok_or(WrongSignature::UnknownKey)?;
            if mac == self.mac {
                return Ok(format);
            }
        }
        Err(WrongSignature::Changed)
    }

    fn computed_mac(&self, format: RowFormat, previous: &[u8], keys: &AuditKeys) -> Option<Vec<u8>> {
        // Rows without what later releases record are signed as before it was recorded, so that older rows stay valid.
        let (purpose, request_id) = match format {
            RowFormat::SealedRequest if self.spoof.is_some() => ("padan audit row 7", None),
            RowFormat::OpenRequest if self.spoof.is_some() => {
                ("padan audit row 6", self.request_id.as_deref())
            }
            RowFormat::SealedRequest if self.sandbox => ("padan audit row 5", None),
            RowFormat::SealedRequest => ("padan audit row 3", None),
            RowFormat::OpenRequest if self.sandbox => ("padan audit row 4", self.request_id.as_deref()),
            RowFormat::OpenRequest if self.name_rules.is_some() => {
                ("padan audit row 2", self.request_id.as_deref())
            }
            RowFormat::OpenRequest => ("padan audit row 1", self.request_id.as_deref()),
        };
        let signature = keys
            .signature(&self.key_id, purpose)?
            .with(Some(previous))
            .with(Some(self.writer.as_bytes()))
            .integer(self.sequence)
            .integer(self.at.timestamp_micros())
            .text(Some(&self.kind))
            .text(request_id)
            .text(self.client.as_deref())
            .text(self.endpoint.as_deref())
            .text(Some(&self.reason))
            .text(self.person_key_id.as_deref())
            .with(self.person_seal.as_deref())
            .with(self.nik_plausible.map(u8::from).as_ref().map(std::slice::from_ref))
            .text(Some(&self.fields))
            .float(self.percentage)
            .text(self.contract_id.as_deref())
            .text(self.calibration_id.as_deref())
            .float(Some(self.milliseconds));
        let signature = match (&self.name_rules, self.spoof) {
            (rules, Some(_)) => {
                signature.text(rules.as_deref()).with(Some(&[u8::from(self.sandbox)])).float(self.spoof)
            }
            (Some(rules), None) => signature.text(Some(rules)),
            (None, None) => signature,
        };
        Some(signature.finish())
    }

    /// The format in which the row was signed as the successor of a row with one of these HMACs.
    pub(super) fn format_after_any(&self, previous: &[Vec<u8>], keys: &AuditKeys) -> Option<RowFormat> {
        previous.iter().find_map(|previous| self.signed_format(previous, keys).ok())
    }

    /// Whether the person in the row, and in the newer format the request's id, matches the seal, or was removed.
    pub(super) fn person_is_sealed(&self, format: RowFormat) -> bool {
        match (&self.person_key, &self.person_salt, &self.person_seal) {
            (Some(key), Some(salt), Some(sealed)) => match format {
                RowFormat::SealedRequest => self.seals_request(key, salt, sealed),
                RowFormat::OpenRequest => seal(key, salt) == *sealed,
            },
            (None, None, _) => format == RowFormat::OpenRequest || self.request_id.is_none(),
            _ => false,
        }
    }

    fn seals_request(&self, key: &[u8], salt: &[u8], sealed: &[u8]) -> bool {
        self.request_id.as_deref().is_some_and(|request| seal_with_request(key, salt, request) == sealed)
    }

    /// Whether the row's person was removed.
    pub(super) fn is_forgotten(&self) -> bool {
        self.person_key.is_none() && self.person_seal.is_some()
    }

    pub(super) fn head(&self) -> AuditHead {
        AuditHead { writer: self.writer, sequence: self.sequence, mac: self.mac.clone() }
    }
}

impl ChainRow {
    /// Signs the beginning of the chain.
    pub(super) fn signed(mut self, keys: &AuditKeys) -> Result<Self, StoreError> {
        keys.current_id().clone_into(&mut self.key_id);
        self.mac = self.computed_mac(keys).ok_or_else(unsigned)?;
        Ok(self)
    }

    /// Whether the beginning is the one that was written.
    pub(super) fn is_signed(&self, keys: &AuditKeys) -> bool {
        self.computed_mac(keys).as_ref() == Some(&self.mac)
    }

    /// The HMAC that the beginning must have; `None` when its key is not among the keys.
    fn computed_mac(&self, keys: &AuditKeys) -> Option<Vec<u8>> {
        let signature = keys
            .signature(&self.key_id, "padan audit chain 1")?
            .with(Some(self.writer.as_bytes()))
            .integer(self.started_at.timestamp_micros())
            .with(self.previous_writer.as_ref().map(|writer| writer.as_bytes().as_slice()))
            .integer(self.previous_sequence.unwrap_or_default())
            .with(self.previous_mac.as_deref())
            .text(Some(&self.seen))
            .integer(self.unrecorded)
            .text(Some(&self.person_key_id));
        Some(signature.finish())
    }

    /// The heads of other chains that the beginning names: their rows existed when it was written.
    pub(super) fn seen_heads(&self) -> Vec<AuditHead> {
        let previous = match (self.previous_writer, self.previous_sequence, &self.previous_mac) {
            (Some(writer), Some(sequence), Some(mac)) => {
                Some(AuditHead { writer, sequence, mac: mac.clone() })
            }
            _ => None,
        };
        self.seen.lines().filter_map(AuditHead::find_in).chain(previous).collect()
    }

    pub(super) fn head(&self) -> AuditHead {
        AuditHead { writer: self.writer, sequence: 0, mac: self.mac.clone() }
    }
}

pub(super) fn unsigned() -> StoreError {
    StoreError::Cryptography("the audit key cannot sign")
}

/// `{"name":["titles","spelling"]}`; `None` without a name.
fn name_rules(names: &[(&'static str, NameMatch)]) -> Option<String> {
    let rules =
        names.iter().map(|(field, matched)| format!("\"{field}\":[\"{}\"]", matched.words().join("\",\"")));
    (!names.is_empty()).then(|| format!("{{{}}}", rules.collect::<Vec<_>>().join(",")))
}

impl Person {
    fn new(key: [u8; 32], key_id: &str, request_id: &str) -> Result<Self, StoreError> {
        let salt = Key::<Aes128Gcm>::try_generate().map_err(|_| StoreError::no_random_bytes())?;
        Ok(Self {
            key: key.to_vec(),
            key_id: key_id.to_owned(),
            seal: seal_with_request(&key, &salt, request_id),
            salt: salt.to_vec(),
        })
    }
}

fn seal(key: &[u8], salt: &[u8]) -> Vec<u8> {
    let hash = Sha256::new().chain_update(b"padan audit person 1\0").chain_update(salt).chain_update(key);
    hash.finalize().to_vec()
}

/// The seal of a row whose request id is removed together with its person.
pub(super) fn seal_with_request(key: &[u8], salt: &[u8], request_id: &str) -> Vec<u8> {
    // The lengths of salt and key are fixed.
    let hash = Sha256::new().chain_update(b"padan audit person 2\0").chain_update(salt).chain_update(key);
    hash.chain_update(request_id).finalize().to_vec()
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
#[cfg(test)]
mod tests;
