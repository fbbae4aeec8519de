use std::{collections::HashMap, fmt, pin::pin};

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use padan_postgres::Fault;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    head::AuditHead,
    keys::AuditKeys,
    row::{AuditRow, ChainRow, anchor_signature},
};
use crate::error::StoreError;

/// The result of verifying the audit trail.
#[derive(Debug, Default)]
pub struct AuditReport {
    /// Rows that were verified.
    pub rows: u64,
    /// Chains to which these rows belong.
    pub chains: u64,
    /// Rows whose person was removed with a signature.
    pub forgotten: u64,
    /// Requests that were answered 503 because their rows could not be written. The beginnings of chains record the
    /// number.
    pub unrecorded: u64,
    /// Chains whose first rows were pruned.
    pub pruned: u64,
    /// The first thousand faults, in the order in which they were found.
    pub faults: Vec<AuditFault>,
    /// The number of all faults.
    pub fault_count: u64,
}

/// Evidence that the trail was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditFault {
    /// The row is not the one that was written.
    Changed(RowLocation),
    /// The row's person is not the one that was written.
    PersonChanged(RowLocation),
    /// Rows within a chain are missing.
    Missing {
        /// The first missing row.
        first: RowLocation,
        /// The number of the next row that exists.
        next: i64,
    },
    /// The first row of a chain that has neither a beginning nor an anchor.
    NoBeginning(RowLocation),
    /// A row that is known to have been written is missing, with all later rows of its chain.
    CutOff(RowLocation),
    /// The beginning of a chain is not the one that was written.
    BeginningChanged(Uuid),
    /// An anchor was not signed with an audit key.
    AnchorForged(Uuid),
    /// A row was signed with a key that is not among the audit keys.
    UnknownKey {
        /// The row.
        row: RowLocation,
        /// The id of the key.
        key_id: String,
    },
    /// The row's person was removed without a signature of an audit key.
    PersonRemoved(RowLocation),
    /// The person was removed from more rows than were announced.
    Unannounced {
        /// The number of rows without their person.
        rows: u64,
        /// The announced number.
        announced: i64,
    },
}

/// Identifies a row of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLocation {
    /// The chain.
    pub writer: Uuid,
    /// The row's number in the chain.
    pub sequence: i64,
    /// The row's time, where it is known.
    pub at: Option<DateTime<Utc>>,
    /// The request's id, where it is known.
    pub request_id: Option<String>,
}

/// Further faults are counted and not listed.
const MAX_LISTED_FAULTS: usize = 1000;

/// The last row of a chain that was verified, or its anchor.
struct LastRow {
    sequence: i64,
    mac: Vec<u8>,
}

struct Checker<'k> {
    keys: &'k AuditKeys,
    beginnings: HashMap<Uuid, Vec<u8>>,
    anchors: HashMap<Uuid, LastRow>,
    /// Rows that must exist, since a head or the beginning of another chain names them, and that were not read yet.
    expected: HashMap<(Uuid, i64), Vec<u8>>,
    last_rows: HashMap<Uuid, LastRow>,
    announced: i64,
    report: AuditReport,
}

pub(super) async fn verify(
    snapshot: &mut PgConnection,
    keys: &AuditKeys,
    known: Vec<AuditHead>,
) -> Result<AuditReport, StoreError> {
    let mut checker = Checker {
        keys,
        beginnings: HashMap::new(),
        anchors: HashMap::new(),
        expected: HashMap::new(),
        last_rows: HashMap::new(),
        announced: 0,
        report: AuditReport::default(),
    };
    let heads = heads(snapshot).await?;
    checker.read_anchors(snapshot).await?;
    checker.read_beginnings(snapshot).await?;
    checker.expect(heads.into_iter().chain(known));
    let mut rows = pin!(
        sqlx::query_as!(
            AuditRow,
            "SELECT at, writer, sequence, kind, request_id, client, endpoint, reason, person_key, person_key_id,
                    person_salt, person_seal, nik_plausible, fields, name_rules, percentage, contract_id,
                    calibration_id, milliseconds, forget_key_id, forget_mac, key_id, mac
               FROM store.audit_event
              ORDER BY at, writer, sequence"
        )
        .fetch(snapshot)
    );
    while let Some(row) = rows.try_next().await.map_err(|error| Fault::of(&error))? {
        checker.check_row(&row);
    }
    Ok(checker.conclude())
}

pub(super) async fn heads(connection: &mut PgConnection) -> Result<Vec<AuditHead>, StoreError> {
    let heads = sqlx::query_as!(
        AuditHead,
        "SELECT writer, sequence, mac
           FROM (SELECT DISTINCT ON (writer) writer, sequence, mac, noted_at
                   FROM store.audit_head
                  ORDER BY writer, sequence DESC) AS head
          ORDER BY noted_at DESC, writer"
    );
    Ok(heads.fetch_all(connection).await.map_err(|error| Fault::of(&error))?)
}

struct AnchorRow {
    writer: Uuid,
    sequence: i64,
    mac: Vec<u8>,
    key_id: String,
    signature: Vec<u8>,
}

impl Checker<'_> {
    async fn read_anchors(&mut self, snapshot: &mut PgConnection) -> Result<(), StoreError> {
        let rows = sqlx::query_as!(
            AnchorRow,
            "SELECT writer, sequence, mac, key_id, signature FROM store.audit_anchor ORDER BY sequence"
        );
        for row in rows.fetch_all(snapshot).await.map_err(|error| Fault::of(&error))? {
            let AnchorRow { writer, sequence, mac, key_id, signature } = row;
            let head = AuditHead { writer, sequence, mac: mac.clone() };
            if anchor_signature(&head, &key_id, self.keys) == Some(signature) {
                self.anchors.insert(writer, LastRow { sequence, mac });
            } else {
                self.report_fault(AuditFault::AnchorForged(writer));
            }
        }
        self.report.pruned = self.anchors.len() as u64;
        Ok(())
    }

    async fn read_beginnings(&mut self, snapshot: &mut PgConnection) -> Result<(), StoreError> {
        let rows = sqlx::query_as!(
            ChainRow,
            "SELECT writer, started_at, previous_writer, previous_sequence, previous_mac, seen, unrecorded,
                    person_key_id, key_id, mac
               FROM store.audit_chain
              ORDER BY started_at"
        );
        for row in rows.fetch_all(snapshot).await.map_err(|error| Fault::of(&error))? {
            if row.computed_mac(self.keys).as_ref() != Some(&row.mac) {
                self.report_fault(AuditFault::BeginningChanged(row.writer));
                continue;
            }
            self.report.unrecorded += row.unrecorded.unsigned_abs();
            self.expect(row.seen_heads().into_iter());
            self.beginnings.insert(row.writer, row.mac);
        }
        Ok(())
    }

    /// Records that the rows of these heads must exist.
    fn expect(&mut self, heads: impl Iterator<Item = AuditHead>) {
        self.expected.extend(heads.map(|head| ((head.writer, head.sequence), head.mac)));
    }

    fn check_row(&mut self, row: &AuditRow) {
        self.report.rows += 1;
        self.announced += row.announced();
        if row.is_forgotten() {
            self.check_removal(row);
        }
        let previous = self.previous_mac(row);
        match row.computed_mac(&previous, self.keys) {
            None => self.report_fault(AuditFault::UnknownKey {
                row: RowLocation::of(row),
                key_id: row.key_id.clone(),
            }),
            Some(mac) if mac != row.mac => self.report_fault(AuditFault::Changed(RowLocation::of(row))),
            Some(_) if !row.person_is_sealed() => {
                self.report_fault(AuditFault::PersonChanged(RowLocation::of(row)));
            }
            Some(_) => {}
        }
        if let Some(expected) = self.expected.remove(&(row.writer, row.sequence))
            && expected != row.mac
        {
            self.report_fault(AuditFault::Changed(RowLocation::of(row)));
        }
        // The next row is checked against the HMAC in this row, so that one changed row is one fault.
        self.last_rows.insert(row.writer, LastRow { sequence: row.sequence, mac: row.mac.clone() });
    }

    fn check_removal(&mut self, row: &AuditRow) {
        match row.forgetting_is_signed(self.keys) {
            Some(true) => self.report.forgotten += 1,
            Some(false) => self.report_fault(AuditFault::PersonRemoved(RowLocation::of(row))),
            None => {
                let key_id = row.forget_key_id.clone().unwrap_or_default();
                self.report_fault(AuditFault::UnknownKey { row: RowLocation::of(row), key_id });
            }
        }
    }

    /// The HMAC of the previous row, or of the last existing row when rows before this one are missing.
    fn previous_mac(&mut self, row: &AuditRow) -> Vec<u8> {
        let (sequence, mac) = match (self.last_rows.get(&row.writer), self.anchors.get(&row.writer)) {
            (Some(last), _) | (None, Some(last)) => (last.sequence, last.mac.clone()),
            (None, None) => {
                let Some(mac) = self.beginnings.get(&row.writer) else {
                    self.report_fault(AuditFault::NoBeginning(RowLocation::of(row)));
                    return Vec::new();
                };
                (0, mac.clone())
            }
        };
        if row.sequence != sequence + 1 {
            let first =
                RowLocation { sequence: sequence + 1, at: None, request_id: None, ..RowLocation::of(row) };
            self.report_fault(AuditFault::Missing { first, next: row.sequence });
        }
        mac
    }

    fn conclude(mut self) -> AuditReport {
        let missing = std::mem::take(&mut self.expected);
        let mut cut_off: HashMap<Uuid, i64> = HashMap::new();
        for ((writer, sequence), mac) in missing {
            let pruned = self.anchors.get(&writer).is_some_and(|anchor| sequence <= anchor.sequence);
            let beginning = sequence == 0 && self.beginnings.get(&writer) == Some(&mac);
            if !pruned && !beginning {
                let first = cut_off.entry(writer).or_insert(sequence);
                *first = sequence.min(*first);
            }
        }
        for (writer, sequence) in cut_off {
            self.report_fault(AuditFault::CutOff(RowLocation {
                writer,
                sequence,
                at: None,
                request_id: None,
            }));
        }
        // A row is never younger than its announcement, so pruning a month removes no announcement whose rows remain.
        if self.report.forgotten > self.announced.unsigned_abs() {
            self.report_fault(AuditFault::Unannounced {
                rows: self.report.forgotten,
                announced: self.announced,
            });
        }
        self.report.chains = self.last_rows.len() as u64;
        self.report
    }

    fn report_fault(&mut self, fault: AuditFault) {
        self.report.fault_count += 1;
        if self.report.faults.len() < MAX_LISTED_FAULTS {
            self.report.faults.push(fault);
        }
    }
}

impl RowLocation {
    fn of(row: &AuditRow) -> Self {
        Self {
            writer: row.writer,
            sequence: row.sequence,
            at: Some(row.at),
            request_id: row.request_id.clone(),
        }
    }
}

impl fmt::Display for RowLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} of chain {}", self.sequence, self.writer)?;
        if let Some(at) = &self.at {
            write!(f, " at {}", at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))?;
        }
        match &self.request_id {
            Some(id) => write!(f, ", request {id}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for AuditFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(row) => write!(f, "{row}: it was changed"),
            Self::PersonChanged(row) => write!(f, "{row}: its person was changed"),
            Self::PersonRemoved(row) => {
                write!(f, "{row}: its person was removed without a valid signature")
            }
            Self::Missing { first, next } => {
                write!(f, "{first}: it is missing, and the next existing row is {next}")
            }
            Self::NoBeginning(row) => write!(f, "{row}: its chain has no beginning"),
            Self::CutOff(row) => {
                write!(f, "{row}: it was written and is missing, with all later rows of the chain")
            }
            Self::BeginningChanged(writer) => {
                write!(f, "chain {writer}: its beginning was changed, or its key is unknown")
            }
            Self::AnchorForged(writer) => {
                write!(f, "chain {writer}: its anchor is forged, or its key is unknown")
            }
            Self::UnknownKey { row, key_id } => {
                write!(f, "{row}: its key {key_id} is not among store.audit_keys")
            }
            Self::Unannounced { rows, announced } => {
                write!(f, "the person was removed from {rows} rows, and only {announced} were announced")
            }
        }
    }
}
