//! Signs as somebody does who has a copy of the audit key. Written from the description of the format, apart from the
//! code that it attacks.

use aes_gcm::{
    Aes256Gcm,
    aead::{Aead as _, Payload},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use padan_store::{AuditHead, AuditRow};
use sha2::Sha256;

/// The HMAC over fields, each with a mark of its presence and its length before it.
fn sign(purpose: &str, fields: &[Option<Vec<u8>>]) -> Vec<u8> {
    // The key of the fixture's settings.
    let key = hex::decode("456789abcdef0123".repeat(4)).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let purpose = Some(purpose.as_bytes().to_vec());
    for field in std::iter::once(&purpose).chain(fields) {
        let bytes = field.clone().unwrap_or_default();
        mac.update(&[u8::from(field.is_some())]);
        mac.update(&(bytes.len() as u64).to_be_bytes());
        mac.update(&bytes);
    }
    mac.finalize().into_bytes().to_vec()
}

fn text(field: &str) -> Vec<u8> {
    field.as_bytes().to_vec()
}

fn optional(field: Option<&String>) -> Option<Vec<u8>> {
    field.map(|field| text(field))
}

fn integer(number: i64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn float(number: f64) -> Vec<u8> {
    number.to_bits().to_be_bytes().to_vec()
}

/// The HMAC of a row in which a name matched and the selfie was judged. Beside a person, it covers the request's id by
/// the seal only.
pub(crate) fn row_mac(row: &AuditRow, previous: &[u8]) -> Vec<u8> {
    let is_sealed = row.person_seal.is_some();
    let purpose = if is_sealed { "padan audit row 7" } else { "padan audit row 6" };
    let request_id = row.request_id.as_ref().filter(|_| !is_sealed);
    sign(
        purpose,
        &[
            Some(previous.to_vec()),
            Some(row.writer.as_bytes().to_vec()),
            Some(integer(row.sequence)),
            Some(integer(row.at.timestamp_micros())),
            Some(text(&row.kind)),
            optional(request_id),
            optional(row.client.as_ref()),
            optional(row.endpoint.as_ref()),
            Some(text(&row.reason)),
            optional(row.person_key_id.as_ref()),
            row.person_seal.clone(),
            row.nik_plausible.map(|plausible| vec![u8::from(plausible)]),
            Some(text(&row.fields)),
            row.percentage.map(float),
            optional(row.contract_id.as_ref()),
            optional(row.calibration_id.as_ref()),
            Some(float(row.milliseconds)),
            optional(row.name_rules.as_ref()),
            Some(vec![u8::from(row.sandbox)]),
            row.spoof.map(float),
        ],
    )
}

fn head_fields(head: &AuditHead) -> [Option<Vec<u8>>; 3] {
    [Some(head.writer.as_bytes().to_vec()), Some(integer(head.sequence)), Some(head.mac.clone())]
}

/// The signature of an anchor of a month, as yyyy-mm.
pub(crate) fn anchor_signature(
    head: &AuditHead,
    month: &str,
    pruned_at: chrono::DateTime<chrono::Utc>,
) -> Vec<u8> {
    let further = [Some(text(month)), Some(integer(pruned_at.timestamp_micros()))];
    sign("padan audit anchor 2", &[head_fields(head).as_slice(), &further].concat())
}

/// The signature of a row whose person was removed, as a part of the step that the row `step` announces.
pub(crate) fn removal_signature(row: &AuditHead, step: &AuditHead) -> Vec<u8> {
    let cipher = Aes256Gcm::new_from_slice(&sign("padan audit forgetting 2", &[])).unwrap();
    let place = [step.writer.as_bytes().as_slice(), &step.sequence.to_be_bytes()].concat();
    let bound_to = [row.writer.as_bytes().as_slice(), &row.sequence.to_be_bytes(), &row.mac].concat();
    let nonce = [7; 12];
    let sealed = cipher.encrypt(&nonce.into(), Payload { msg: &place, aad: &bound_to }).unwrap();
    [nonce.as_slice(), &sealed].concat()
}

/// An operator's row without an expiry, as releases before migration 0032 signed it.
pub(crate) struct FormerOperatorRow<'a> {
    pub(crate) name: &'a str,
    pub(crate) role: &'a str,
    pub(crate) token_sha256: &'a [u8],
    /// Microseconds of adding it, of its last change, and of that of its password.
    pub(crate) times: [i64; 3],
    pub(crate) password_hash: &'a str,
}

/// The HMAC of such a row of an enabled operator without a code.
pub(crate) fn former_operator_mac(row: &FormerOperatorRow<'_>) -> Vec<u8> {
    let [created_at, changed_at, credentials_changed_at] = row.times.map(|time| Some(integer(time)));
    sign(
        "padan operator row 2",
        &[
            Some(text(row.name)),
            Some(text(row.role)),
            Some(row.token_sha256.to_vec()),
            None,
            Some(vec![0]),
            created_at,
            changed_at,
            Some(text(row.password_hash)),
            None,
            None,
            credentials_changed_at,
        ],
    )
}
