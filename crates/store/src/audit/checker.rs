mod tables;

use std::{
    collections::{HashMap, HashSet},
    mem::{Discriminant, discriminant},
    pin::pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use padan_postgres::{Fault, Selection as _};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    administering::{Recorded, recorded_state},
    anchor::read_anchors,
    chain_end::chain_ends,
    fault::{AuditFault, RowLocation},
    head::AuditHead,
    keys::AuditKeys,
    month::Month,
    recorded_calibrations::RecordedCalibrations,
    recorded_model::RecordedModel,
    recorded_rows::RecordedRows,
    recorded_shadow::RecordedShadow,
    removal::Removal,
    row::{AuditRow, ChainRow, WrongSignature},
    steps::Steps,
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
    /// Those of them whose last anchor is of a release that signed neither month nor time.
    pub pruned_without_month: u64,
    /// The first thousand faults, in the order in which they were found.
    pub faults: Vec<AuditFault>,
    /// The number of all faults.
    pub fault_count: u64,
}

/// The rows of one month, verified.
pub(super) struct CheckedMonth {
    /// The last row of each chain in the month.
    pub(super) heads: Vec<AuditHead>,
    /// The first faults of its rows.
    pub(super) faults: Vec<AuditFault>,
}

/// Further faults of the same kind are counted and not listed.
const MAX_LISTED_FAULTS: usize = 1000;

struct Beginning {
    started_at: DateTime<Utc>,
    mac: Vec<u8>,
}

/// The last row of a chain that was verified, or its anchor.
struct LastRow {
    sequence: i64,
    mac: Vec<u8>,
    /// The month of the anchor: later rows are not in it.
    month: Option<Month>,
}

struct Checker<'k> {
    keys: &'k AuditKeys,
    beginnings: HashMap<Uuid, Beginning>,
    /// The last anchor of each chain.
    anchors: HashMap<Uuid, LastRow>,
    /// The rows for which an anchor stands in by itself, with their HMACs.
    anchored: HashMap<(Uuid, i64), Vec<u8>>,
    pruned_months: HashSet<Month>,
    /// Rows that must exist, since a head, an end or the beginning of another chain names them, and that were not read
    /// yet.
    expected: HashMap<(Uuid, i64), Vec<u8>>,
    last_rows: HashMap<Uuid, LastRow>,
    steps: Steps,
    clients: RecordedRows,
    operators: RecordedRows,
    model: RecordedModel,
    shadow: RecordedShadow,
    calibrations: RecordedCalibrations,
    /// How many faults of each kind are in the report.
    listed: HashMap<Discriminant<AuditFault>, usize>,
    report: AuditReport,
}

/// Verifies all rows, and that all rows of the known heads exist.
pub(super) async fn verify(
    snapshot: &mut PgConnection,
    keys: &AuditKeys,
    known: Vec<AuditHead>,
    checked: &AtomicU64,
) -> Result<AuditReport, StoreError> {
    let mut checker = Checker::start(snapshot, keys).await?;
    checker.read_ends(snapshot).await?;
    let heads = heads(snapshot).await?;
    checker.expect(heads.into_iter().chain(known));
    let count = |_: &AuditRow| {
        checked.fetch_add(1, Relaxed);
    };
    checker.check_rows(snapshot, None, count).await?;
    checker.compare_tables(snapshot).await?;
    Ok(checker.conclude())
}

/// Verifies the rows of a month: that each of them was written by Padan, in this month, and follows the row before it,
/// the chain's beginning, or the anchor of the month before. Calls `on_row` with each.
pub(super) async fn check_month(
    connection: &mut PgConnection,
    keys: &AuditKeys,
    month: Month,
    on_row: impl FnMut(&AuditRow),
) -> Result<CheckedMonth, StoreError> {
    let mut checker = Checker::start(connection, keys).await?;
    // Faults of other chains do not matter here.
    checker.report = AuditReport::default();
    checker.check_rows(connection, Some(month), on_row).await?;
    let Checker { last_rows, report, .. } = checker;
    let heads = last_rows.into_iter().map(|(writer, LastRow { sequence, mac, .. })| AuditHead {
        writer,
        sequence,
        mac,
    });
    Ok(CheckedMonth { heads: heads.collect(), faults: report.faults })
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

impl<'k> Checker<'k> {
    async fn start(snapshot: &mut PgConnection, keys: &'k AuditKeys) -> Result<Self, StoreError> {
        let mut checker = Self {
            keys,
            beginnings: HashMap::new(),
            anchors: HashMap::new(),
            anchored: HashMap::new(),
            pruned_months: HashSet::new(),
            expected: HashMap::new(),
            last_rows: HashMap::new(),
            steps: Steps::default(),
            clients: RecordedRows::default(),
            operators: RecordedRows::default(),
            model: RecordedModel::default(),
            shadow: RecordedShadow::default(),
            calibrations: RecordedCalibrations::default(),
            listed: HashMap::new(),
            report: AuditReport::default(),
        };
        checker.read_beginnings(snapshot).await?;
        checker.read_anchors(snapshot).await?;
        Ok(checker)
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
            if !row.is_signed(self.keys) {
                self.report_fault(AuditFault::BeginningChanged(row.writer));
                continue;
            }
            self.report.unrecorded += row.unrecorded.unsigned_abs();
            self.expect(row.seen_heads().into_iter());
            self.beginnings.insert(row.writer, Beginning { started_at: row.started_at, mac: row.mac });
        }
        Ok(())
    }

    async fn read_anchors(&mut self, snapshot: &mut PgConnection) -> Result<(), StoreError> {
        for anchor in read_anchors(snapshot).await.map_err(|error| Fault::of(&error))? {
            let writer = anchor.writer;
            if !anchor.is_signed(self.keys) {
                self.report_fault(AuditFault::AnchorForged(writer));
                continue;
            }
            let month = anchor.month();
            if let Some(month) = month {
                let began = self.beginnings.get(&writer).map(|beginning| beginning.started_at);
                if !anchor.is_old_enough() || began.is_some_and(|began| began >= month.end()) {
                    self.report_fault(AuditFault::AnchorImplausible { writer, month: month.to_string() });
                }
                self.pruned_months.insert(month);
            }
            self.anchored.insert((writer, anchor.sequence), anchor.mac.clone());
            let last = LastRow { sequence: anchor.sequence, mac: anchor.mac, month };
            self.anchors.insert(writer, last);
        }
        self.report.pruned = self.anchors.len() as u64;
        self.report.pruned_without_month =
            self.anchors.values().filter(|anchor| anchor.month.is_none()).count() as u64;
        Ok(())
    }

    async fn read_ends(&mut self, snapshot: &mut PgConnection) -> Result<(), StoreError> {
        for end in chain_ends().all(snapshot).await.map_err(|error| Fault::of(&error))? {
            if end.is_signed(self.keys) {
                self.expect(std::iter::once(end.head));
            } else if !end.is_of_older_release() {
                self.report_fault(AuditFault::EndForged(end.head.writer));
            }
        }
        Ok(())
    }

    /// Records that the rows of these heads must exist.
    fn expect(&mut self, heads: impl Iterator<Item = AuditHead>) {
        self.expected.extend(heads.map(|head| ((head.writer, head.sequence), head.mac)));
    }

    /// Checks the rows of a month, or all rows.
    async fn check_rows(
        &mut self,
        connection: &mut PgConnection,
        month: Option<Month>,
        mut on_row: impl FnMut(&AuditRow),
    ) -> Result<(), StoreError> {
        let mut rows = pin!(
            sqlx::query_as!(
                AuditRow,
                "SELECT at, writer, sequence, kind, request_id, client, endpoint, sandbox, reason, person_key,
                        person_key_id, person_salt, person_seal, nik_plausible, fields, name_rules, percentage, spoof, contract_id,
                        calibration_id, milliseconds, forget_key_id, forget_mac, key_id, mac
                   FROM store.audit_event
                  WHERE at >= coalesce($1::timestamptz, '-infinity')
                    AND at < coalesce($2::timestamptz, 'infinity')
                  ORDER BY at, writer, sequence",
                month.map(Month::begin),
                month.map(Month::end)
            )
            .fetch(connection)
        );
        while let Some(row) = rows.try_next().await.map_err(|error| Fault::of(&error))? {
            self.check_row(&row);
            on_row(&row);
        }
        Ok(())
    }

    fn check_row(&mut self, row: &AuditRow) {
        self.report.rows += 1;
        let removal_is_reported = row.is_forgotten() && !self.check_removal(row);
        let previous = self.previous_mac(row);
        match row.signed_format(&previous, self.keys) {
            Err(WrongSignature::UnknownKey) => self.report_fault(AuditFault::UnknownKey {
                row: RowLocation::of(row),
                key_id: row.key_id.clone(),
            }),
            Err(WrongSignature::Changed) => self.report_fault(AuditFault::Changed(RowLocation::of(row))),
            Ok(format) if !removal_is_reported && !row.person_is_sealed(format) => {
                self.report_fault(AuditFault::PersonChanged(RowLocation::of(row)));
            }
            Ok(_) => {
                self.steps.announce(row);
                match recorded_state(row) {
                    Some(Recorded::Client(name, state)) => self.clients.record(name, state),
                    Some(Recorded::Operator(name, state)) => self.operators.record(name, state),
                    None => {}
                }
                self.model.record(row);
                self.shadow.record(row);
                self.calibrations.record(row);
            }
        }
        if let Some(expected) = self.expected.remove(&(row.writer, row.sequence))
            && expected != row.mac
        {
            self.report_fault(AuditFault::Changed(RowLocation::of(row)));
        }
        // The next row is checked against the HMAC in this row, so that one changed row is one fault.
        let last = LastRow { sequence: row.sequence, mac: row.mac.clone(), month: None };
        self.last_rows.insert(row.writer, last);
    }

    /// Whether the removal of the row's person is signed; otherwise a fault is reported.
    fn check_removal(&mut self, row: &AuditRow) -> bool {
        match Removal::of(row, self.keys) {
            Removal::Forged => {
                self.report_fault(AuditFault::PersonRemoved(RowLocation::of(row)));
                return false;
            }
            Removal::UnknownKey(key_id) => {
                self.report_fault(AuditFault::UnknownKey { row: RowLocation::of(row), key_id });
                return false;
            }
            Removal::OfOlderRelease => self.steps.remove_uncounted(),
            Removal::InStep(step) => self.steps.remove(step, row, self.keys),
        }
        self.report.forgotten += 1;
        true
    }

    /// The HMAC of the previous row, or of the last existing row when rows before this one are missing.
    fn previous_mac(&mut self, row: &AuditRow) -> Vec<u8> {
        let (sequence, mac) = match (self.last_rows.get(&row.writer), self.anchors.get(&row.writer)) {
            (Some(last), _) => (last.sequence, last.mac.clone()),
            (None, Some(anchor)) => {
                let (sequence, mac, month) = (anchor.sequence, anchor.mac.clone(), anchor.month);
                if let Some(month) = month.filter(|month| row.at < month.end()) {
                    let (writer, month) = (row.writer, month.to_string());
                    self.report_fault(AuditFault::AnchorImplausible { writer, month });
                }
                (sequence, mac)
            }
            (None, None) => {
                let Some(beginning) = self.beginnings.get(&row.writer) else {
                    self.report_fault(AuditFault::NoBeginning(RowLocation::of(row)));
                    return Vec::new();
                };
                (0, beginning.mac.clone())
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
            if !self.is_replaced(writer, sequence, &mac) {
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
        let anchors = &self.anchors;
        let is_pruned = |&(writer, sequence): &(Uuid, i64)| {
            anchors.get(&writer).is_some_and(|anchor| sequence <= anchor.sequence)
        };
        for fault in std::mem::take(&mut self.steps).faults(&self.pruned_months, is_pruned) {
            self.report_fault(fault);
        }
        self.report.chains = self.last_rows.len() as u64;
        // Many made-up additions must not hide that something is gone.
        self.report.faults.sort_by_key(AuditFault::is_addition);
        self.report
    }

    /// Whether a row that was not read is the beginning of its chain, or was pruned.
    fn is_replaced(&self, writer: Uuid, sequence: i64, mac: &[u8]) -> bool {
        let is_beginning =
            sequence == 0 && self.beginnings.get(&writer).is_some_and(|beginning| beginning.mac == mac);
        let is_pruned = self.anchors.get(&writer).is_some_and(|anchor| sequence <= anchor.sequence)
            && self.anchored.get(&(writer, sequence)).is_none_or(|anchored| anchored == mac);
        is_beginning || is_pruned
    }

    fn report_fault(&mut self, fault: AuditFault) {
        self.report.fault_count += 1;
        let listed = self.listed.entry(discriminant(&fault)).or_default();
        if *listed < MAX_LISTED_FAULTS {
            *listed += 1;
            self.report.faults.push(fault);
        }
    }
}
