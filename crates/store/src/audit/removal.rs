//! The removal of a person from rows: what stands in for the person, and the row that announces it.

use std::collections::BTreeMap;

use aes_gcm::{
    Aes256Gcm,
    aead::{Aead as _, Generate as _, Nonce, Payload},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    head::AuditHead,
    keys::{AuditKeys, Signature},
    month::Month,
    row::{AuditRow, unsigned},
};
use crate::error::StoreError;

/// The place of the row that announces a step: its chain and its number there.
pub(super) type StepId = (Uuid, i64);

/// What a row without its person says about the removal.
pub(super) enum Removal {
    /// It was not signed with an audit key.
    Forged,
    /// It names a key that is not among the keys.
    UnknownKey(String),
    /// It is signed, and does not name its step.
    OfOlderRelease,
    /// It is signed as a part of this step.
    InStep(StepId),
}

/// What the row of a step says in its column `fields`: how many rows lost their person, and which ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Announcement {
    pub(super) rows: u64,
    /// By month, since rows are pruned by month. Older releases announced only the number of rows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) months: BTreeMap<String, AnnouncedMonth>,
}

/// The rows of a month that lost their person in a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AnnouncedMonth {
    pub(super) rows: u64,
    /// The HMAC over the signatures of these rows, in hexadecimal digits.
    pub(super) signatures: String,
}

/// Gathers the signatures of a step's rows in a month, in the order of time, chain and number.
pub(super) struct SignatureSum {
    rows: u64,
    sum: Signature,
}

const NONCE: usize = 12;
/// The signatures of older releases are HMACs.
const OLD_SIGNATURE: usize = 32;

impl Removal {
    pub(super) fn of(row: &AuditRow, keys: &AuditKeys) -> Self {
        let (Some(key_id), Some(mac)) = (&row.forget_key_id, &row.forget_mac) else { return Self::Forged };
        let head = row.head();
        if mac.len() == OLD_SIGNATURE {
            return match keys
                .signature(key_id, "padan audit forgetting 1")
                .map(|begun| begun.head(&head).finish())
            {
                None => Self::UnknownKey(key_id.clone()),
                Some(signature) if signature == *mac => Self::OfOlderRelease,
                Some(_) => Self::Forged,
            };
        }
        match keys.cipher(key_id, PURPOSE) {
            None => Self::UnknownKey(key_id.clone()),
            Some(cipher) => open(&cipher, mac, &head).map_or(Self::Forged, Self::InStep),
        }
    }
}

const PURPOSE: &str = "padan audit forgetting 2";

/// The signature of a row whose person was removed: the place of the step's row, encrypted and bound to the row. It
/// does not depend on the person, and whoever lacks the key cannot tell which rows lost their person in the same step.
pub(super) fn sign_removal(row: &AuditHead, step: StepId, keys: &AuditKeys) -> Result<Vec<u8>, StoreError> {
    let cipher = keys.cipher(keys.current_id(), PURPOSE).ok_or_else(unsigned)?;
    let nonce = Nonce::<Aes256Gcm>::try_generate().map_err(|_| StoreError::no_random_bytes())?;
    let place = [step.0.as_bytes().as_slice(), &step.1.to_be_bytes()].concat();
    let sealed = cipher
        .encrypt(&nonce, Payload { msg: &place, aad: &bytes_of(row) })
        .map_err(|_| StoreError::Cryptography("AES-GCM refused to sign the removal of a person"))?;
    Ok([nonce.as_slice(), &sealed].concat())
}

fn open(cipher: &Aes256Gcm, sealed: &[u8], row: &AuditHead) -> Option<StepId> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE>()?;
    let place = cipher.decrypt(&(*nonce).into(), Payload { msg: ciphertext, aad: &bytes_of(row) }).ok()?;
    let (writer, sequence) = place.split_first_chunk::<16>()?;
    Some((Uuid::from_bytes(*writer), i64::from_be_bytes(sequence.try_into().ok()?)))
}

/// All parts but the last one have a fixed length, so that different rows never give the same bytes.
fn bytes_of(row: &AuditHead) -> Vec<u8> {
    [row.writer.as_bytes().as_slice(), &row.sequence.to_be_bytes(), &row.mac].concat()
}

impl Announcement {
    /// The announcement of rows that lost their person, with their signatures, in the order of time, chain and number.
    pub(super) fn of<'r>(
        rows: impl Iterator<Item = (Month, &'r [u8])>,
        keys: &AuditKeys,
    ) -> Result<Self, StoreError> {
        let mut sums = BTreeMap::new();
        for (month, signature) in rows {
            let sum = match sums.remove(&month) {
                Some(sum) => sum,
                None => SignatureSum::begin(keys.current_id(), keys).ok_or_else(unsigned)?,
            };
            sums.insert(month, sum.with(signature));
        }
        let months: BTreeMap<_, _> =
            sums.into_iter().map(|(month, sum)| (month.to_string(), sum.finish())).collect();
        Ok(Self { rows: months.values().map(|month| month.rows).sum(), months })
    }

    /// What a row of kind `forget` announces; `None` for other kinds.
    pub(super) fn in_row(row: &AuditRow) -> Option<Self> {
        (row.kind == "forget").then(|| serde_json::from_str(&row.fields).ok()).flatten()
    }

    pub(super) fn to_text(&self) -> Result<String, StoreError> {
        serde_json::to_string(self).map_err(|_| StoreError::Cryptography("an announcement has no text"))
    }
}

impl SignatureSum {
    /// `None` when there is no key of this id.
    pub(super) fn begin(key_id: &str, keys: &AuditKeys) -> Option<Self> {
        Some(Self { rows: 0, sum: keys.signature(key_id, "padan audit forgetting step 1")? })
    }

    pub(super) fn with(self, signature: &[u8]) -> Self {
        Self { rows: self.rows + 1, sum: self.sum.with(Some(signature)) }
    }

    pub(super) fn finish(self) -> AnnouncedMonth {
        AnnouncedMonth { rows: self.rows, signatures: hex::encode(self.sum.finish()) }
    }
}
