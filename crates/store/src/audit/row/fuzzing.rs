//! The fuzz target of rows.

use super::*;
use crate::audit::removal::{Announcement, Removal, sign_removal};

/// Makes two rows from bytes, and changes the first one as somebody might who can write to the table. Each row is a list
/// of lines, in which `-` stands for an absent value; an empty line separates the rows.
///
/// # Panics
///
/// When a property does not hold.
pub fn audit_row(data: &[u8]) {
    let at = data.windows(2).position(|pair| pair == b"\n\n").unwrap_or(data.len());
    let (one, another) = (&data[..at], data.get(at + 2..).unwrap_or_default());
    let Ok(keys) = AuditKeys::from_hex(&"0123456789abcdef".repeat(4).into()) else { return };
    let Some(one) = Parts::of(one).row(&keys) else { return };
    assert!(is_intact(&one, PREVIOUS, &keys), "a signed row is not intact");
    assert!(!is_intact(&one, b"another row", &keys), "a row is intact after another row");
    for (what, changed) in changes(&one) {
        assert!(!is_intact(&changed, PREVIOUS, &keys) || same(&changed, &one), "{what} can be changed");
    }
    if let Some(another) = Parts::of(another).row(&keys) {
        assert!(same(&one, &another) || one.mac != another.mac, "two rows have the same HMAC");
    }
    removal(&one, &keys);
    if let Some(announcement) = Announcement::in_row(&one) {
        let text = announcement.to_text();
        let again = text.map(|fields| Announcement::in_row(&AuditRow { fields, ..one.clone() }));
        assert!(again == Ok(Some(announcement)), "an announcement does not read itself");
    }
}

const PREVIOUS: &[u8] = b"the row before";

/// Whether `audit verify` accepts the row, with its person.
fn is_intact(row: &AuditRow, previous: &[u8], keys: &AuditKeys) -> bool {
    let format = row.signed_format(previous, keys);
    format.is_ok_and(|format| row.person_is_sealed(format)) && !row.is_forgotten()
}

/// Whether two rows say the same, bit by bit.
fn same(one: &AuditRow, another: &AuditRow) -> bool {
    let bits = |row: &AuditRow| {
        (row.percentage.map(f64::to_bits), row.spoof.map(f64::to_bits), row.milliseconds.to_bits())
    };
    let rest = |row: &AuditRow| AuditRow {
        percentage: None,
        spoof: None,
        milliseconds: 0.0,
        mac: Vec::new(),
        ..row.clone()
    };
    bits(one) == bits(another) && rest(one) == rest(another)
}

/// The parts of a row.
struct Parts<'a>(Vec<&'a [u8]>);

impl<'a> Parts<'a> {
    fn of(data: &'a [u8]) -> Self {
        Self(data.split(|byte| *byte == b'\n').collect())
    }

    fn bytes(&self, at: usize) -> &'a [u8] {
        self.0.get(at).copied().unwrap_or_default()
    }

    fn text(&self, at: usize) -> Option<String> {
        let bytes = self.bytes(at);
        (bytes != b"-").then(|| String::from_utf8_lossy(bytes).into_owned())
    }

    fn number(&self, at: usize) -> [u8; 8] {
        let mut number = [0; 8];
        let bytes = self.bytes(at);
        let length = bytes.len().min(8);
        number[..length].copy_from_slice(&bytes[..length]);
        number
    }

    fn row(&self, keys: &AuditKeys) -> Option<AuditRow> {
        let micros = i64::from_be_bytes(self.number(10)) % (1 << 52);
        let position = RowPosition {
            at: DateTime::from_timestamp_micros(micros)?,
            writer: Uuid::from_u128(7),
            sequence: i64::from_be_bytes(self.number(9)),
        };
        let mut row = AuditRow::blank(&self.text(0)?, position, &self.text(4)?);
        row.request_id = self.text(1);
        row.client = self.text(2);
        row.endpoint = self.text(3);
        row.fields = self.text(5)?;
        row.name_rules = self.text(6);
        row.sandbox = !self.bytes(16).is_empty();
        row.contract_id = self.text(7);
        row.calibration_id = self.text(8);
        row.percentage = self.text(11).map(|_| f64::from_bits(u64::from_be_bytes(self.number(11))));
        row.spoof = self
            .text(17)
            .filter(|text| !text.is_empty())
            .map(|_| f64::from_bits(u64::from_be_bytes(self.number(17))));
        row.milliseconds = f64::from_bits(u64::from_be_bytes(self.number(12)));
        row.nik_plausible = self.text(13).map(|text| text.is_empty());
        // Rows of earlier programs have another seal, and a signature that covers the request's id.
        let is_of_earlier_program = self.bytes(15).is_empty();
        if let Some(person) = self.text(14) {
            let key = Sha256::digest(person).to_vec();
            let salt = key[..16].to_vec();
            row.person_seal = Some(match (&row.request_id, is_of_earlier_program) {
                (Some(request), false) => seal_with_request(&key, &salt, request),
                (None, false) => return None,
                (_, true) => seal(&key, &salt),
            });
            (row.person_key, row.person_salt) = (Some(key), Some(salt));
            row.person_key_id = Some("00112233".to_owned());
            if is_of_earlier_program {
                keys.current_id().clone_into(&mut row.key_id);
                row.mac = row.computed_mac(RowFormat::OpenRequest, PREVIOUS, keys)?;
                return Some(row);
            }
        }
        row.signed(PREVIOUS, keys).ok()
    }
}

/// The row with one change each.
fn changes(row: &AuditRow) -> Vec<(&'static str, AuditRow)> {
    type Change = (&'static str, fn(&mut AuditRow));
    const CHANGES: &[Change] = &[
        ("the time", |row| row.at += chrono::TimeDelta::microseconds(1)),
        ("the chain", |row| row.writer = Uuid::from_u128(8)),
        ("the number", |row| row.sequence ^= 1),
        ("the kind", |row| row.kind.push('x')),
        ("the request", |row| row.request_id = longer(row.request_id.take())),
        ("the request's absence", |row| toggled(&mut row.request_id)),
        ("the client", |row| row.client = longer(row.client.take())),
        ("the client's absence", |row| toggled(&mut row.client)),
        ("the endpoint", |row| row.endpoint = longer(row.endpoint.take())),
        ("client and endpoint", |row| std::mem::swap(&mut row.client, &mut row.endpoint)),
        ("the bounds of client and endpoint", |row| {
            if let (Some(client), Some(endpoint)) = (&mut row.client, &mut row.endpoint)
                && let Some(last) = client.pop()
            {
                endpoint.insert(0, last);
            }
        }),
        ("the sandbox", |row| row.sandbox = !row.sandbox),
        ("the reason", |row| row.reason.push('x')),
        ("reason and fields", |row| std::mem::swap(&mut row.reason, &mut row.fields)),
        ("the fields", |row| row.fields.push('x')),
        ("the rules of names", |row| row.name_rules = longer(row.name_rules.take())),
        ("the absence of rules", |row| toggled(&mut row.name_rules)),
        ("rules and calibration", |row| std::mem::swap(&mut row.name_rules, &mut row.calibration_id)),
        ("the contract", |row| row.contract_id = longer(row.contract_id.take())),
        ("the calibration", |row| toggled(&mut row.calibration_id)),
        ("the percentage", |row| {
            row.percentage = row.percentage.map(|value| f64::from_bits(value.to_bits() ^ 1));
        }),
        ("the percentage's absence", |row| row.percentage = row.percentage.xor(Some(0.0))),
        ("the score", |row| row.spoof = row.spoof.map(|value| f64::from_bits(value.to_bits() ^ 1))),
        ("the score's absence", |row| row.spoof = row.spoof.xor(Some(0.0))),
        ("percentage and score", |row| std::mem::swap(&mut row.percentage, &mut row.spoof)),
        ("the duration", |row| row.milliseconds = f64::from_bits(row.milliseconds.to_bits() ^ 1)),
        ("the plausibility", |row| row.nik_plausible = row.nik_plausible.map(|plausible| !plausible)),
        ("the plausibility's absence", |row| row.nik_plausible = row.nik_plausible.xor(Some(true))),
        ("the person", |row| flip(row.person_key.as_mut())),
        ("the person's absence", |row| row.person_key = None),
        ("the salt", |row| flip(row.person_salt.as_mut())),
        ("the seal", |row| flip(row.person_seal.as_mut())),
        ("the seal's absence", |row| {
            (row.person_key, row.person_salt, row.person_seal) = (None, None, None);
        }),
        ("the person's removal", |row| {
            (row.person_key, row.person_salt, row.request_id) = (None, None, None);
        }),
        ("the person key's id", |row| row.person_key_id = longer(row.person_key_id.take())),
        ("the key's id", |row| row.key_id.push('0')),
        ("the HMAC", |row| flip(Some(&mut row.mac))),
    ];
    let changed = |change: fn(&mut AuditRow)| {
        let mut row = row.clone();
        change(&mut row);
        row
    };
    CHANGES.iter().map(|(what, change)| (*what, changed(*change))).collect()
}

fn longer(text: Option<String>) -> Option<String> {
    text.map(|text| text + "x")
}

fn toggled(text: &mut Option<String>) {
    *text = if text.is_some() { None } else { Some(String::new()) };
}

fn flip(bytes: Option<&mut Vec<u8>>) {
    if let Some(first) = bytes.and_then(|bytes| bytes.first_mut()) {
        *first ^= 1;
    }
}

/// The removal of a person holds for the row for which it was signed, and for no other.
fn removal(row: &AuditRow, keys: &AuditKeys) {
    let step = (Uuid::from_u128(9), row.sequence);
    let Ok(signature) = sign_removal(&row.head(), step, keys) else { return };
    let removed = |forget_mac: Option<Vec<u8>>, row: &AuditRow| {
        let forget_key_id = Some(keys.current_id().to_owned());
        Removal::of(&AuditRow { forget_key_id, forget_mac, ..row.clone() }, keys)
    };
    let is_forged = |removal: Removal| matches!(removal, Removal::Forged);
    assert!(
        matches!(removed(Some(signature.clone()), row), Removal::InStep(found) if found == step),
        "a removal does not name its step"
    );
    assert!(is_forged(removed(None, row)));
    let another = AuditRow { sequence: row.sequence ^ 1, ..row.clone() };
    assert!(is_forged(removed(Some(signature.clone()), &another)), "a removal holds for another row");
    let mut changed = Some(signature);
    flip(changed.as_mut());
    assert!(is_forged(removed(changed, row)), "a changed removal holds");
    assert!(is_forged(removed(Some(row.mac.clone()), row)), "a row's HMAC is a removal");
}
