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

/// What verifying the audit trail found.
#[derive(Debug, Default)]
pub struct AuditReport {
    /// Rows that were looked at.
    pub rows: u64,
    /// Chains that they belong to.
    pub chains: u64,
    /// Rows whose person was forgotten.
    pub forgotten: u64,
    /// Requests that were answered 503 because their rows could not be written, as far as chains tell.
    pub unrecorded: u64,
    /// Chains whose first rows were pruned.
    pub pruned: u64,
    /// What is wrong, in the order in which it was found; the first thousand.
    pub faults: Vec<AuditFault>,
    /// How many things are wrong.
    pub fault_count: u64,
}

/// Something that does not happen by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditFault {
    /// The row is not the one that was written.
    Changed(Place),
    /// The row's person is not the one that was written.
    PersonChanged(Place),
    /// Rows between two others of a chain are gone: the first that is missing, and the next that is there.
    Missing(Place, i64),
    /// A chain has no beginning, and no anchor stands in for it: the first row that is there.
    NoBeginning(Place),
    /// A row that is known to have been written is gone, and so is everything after it: the end was cut off.
    CutOff(Place),
    /// The beginning of a chain is not the one that was written.
    BeginningChanged(Uuid),
    /// An anchor was not made by whoever has the key.
    AnchorForged(Uuid),
    /// A row was signed with a key that is not among the audit keys.
    UnknownKey(Place, String),
    /// The row has lost its person, and whoever took it out had no audit key.
    PersonRemoved(Place),
    /// More rows have lost their person than were announced: how many have, and how many were.
    Unannounced(u64, i64),
}

/// A place in the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The chain.
    pub writer: Uuid,
    /// The number in it.
    pub sequence: i64,
    /// When, where it is known.
    pub at: Option<DateTime<Utc>>,
    /// The request, where it is known.
    pub request_id: Option<String>,
}

/// More are counted and not listed.
const LISTED: usize = 1000;

/// How far a chain has been followed.
struct Followed {
    sequence: i64,
    mac: Vec<u8>,
}

struct Checker<'k> {
    keys: &'k AuditKeys,
    beginnings: HashMap<Uuid, Vec<u8>>,
    anchors: HashMap<Uuid, Followed>,
    expected: HashMap<(Uuid, i64), Vec<u8>>,
    followed: HashMap<Uuid, Followed>,
    announced: i64,
    report: AuditReport,
}

pub(super) async fn verify(
    view: &mut PgConnection,
    keys: &AuditKeys,
    known: Vec<AuditHead>,
) -> Result<AuditReport, StoreError> {
    let mut checker = Checker {
        keys,
        beginnings: HashMap::new(),
        anchors: HashMap::new(),
        expected: HashMap::new(),
        followed: HashMap::new(),
        announced: 0,
        report: AuditReport::default(),
    };
    let heads = heads(view).await?;
    checker.read_anchors(view).await?;
    checker.read_beginnings(view).await?;
    checker.expect(heads.into_iter().chain(known));
    let mut rows = pin!(
        sqlx::query_as!(
            AuditRow,
            "SELECT at, writer, sequence, kind, request_id, client, endpoint, reason, person_key, person_key_id,
                    person_salt, person_seal, nik_plausible, fields, percentage, contract_id, calibration_id,
                    milliseconds, forget_key_id, forget_mac, key_id, mac
               FROM store.audit_event
              ORDER BY at, writer, sequence"
        )
        .fetch(view)
    );
    while let Some(row) = rows.try_next().await.map_err(|error| Fault::of(&error))? {
        checker.follow(&row);
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
    async fn read_anchors(&mut self, view: &mut PgConnection) -> Result<(), StoreError> {
        let rows = sqlx::query_as!(
            AnchorRow,
            "SELECT writer, sequence, mac, key_id, signature FROM store.audit_anchor ORDER BY sequence"
        );
        for row in rows.fetch_all(view).await.map_err(|error| Fault::of(&error))? {
            let AnchorRow { writer, sequence, mac, key_id, signature } = row;
            let head = AuditHead { writer, sequence, mac: mac.clone() };
            if anchor_signature(&head, &key_id, self.keys) == Some(signature) {
                self.anchors.insert(writer, Followed { sequence, mac });
            } else {
                self.found(AuditFault::AnchorForged(writer));
            }
        }
        self.report.pruned = self.anchors.len() as u64;
        Ok(())
    }

    async fn read_beginnings(&mut self, view: &mut PgConnection) -> Result<(), StoreError> {
        let rows = sqlx::query_as!(
            ChainRow,
            "SELECT writer, started_at, previous_writer, previous_sequence, previous_mac, seen, unrecorded,
                    person_key_id, key_id, mac
               FROM store.audit_chain
              ORDER BY started_at"
        );
        for row in rows.fetch_all(view).await.map_err(|error| Fault::of(&error))? {
            if row.computed_mac(self.keys).as_ref() != Some(&row.mac) {
                self.found(AuditFault::BeginningChanged(row.writer));
                continue;
            }
            self.report.unrecorded += row.unrecorded.unsigned_abs();
            self.expect(row.vouched().into_iter());
            self.beginnings.insert(row.writer, row.mac);
        }
        Ok(())
    }

    /// Takes heads for rows that must be there.
    fn expect(&mut self, heads: impl Iterator<Item = AuditHead>) {
        self.expected.extend(heads.map(|head| ((head.writer, head.sequence), head.mac)));
    }

    fn follow(&mut self, row: &AuditRow) {
        self.report.rows += 1;
        self.announced += row.announced();
        if row.is_forgotten() {
            self.follow_forgotten(row);
        }
        let before = self.before(row);
        match row.computed_mac(&before, self.keys) {
            None => self.found(AuditFault::UnknownKey(Place::of(row), row.key_id.clone())),
            Some(mac) if mac != row.mac => self.found(AuditFault::Changed(Place::of(row))),
            Some(_) if !row.person_is_sealed() => self.found(AuditFault::PersonChanged(Place::of(row))),
            Some(_) => {}
        }
        if let Some(expected) = self.expected.remove(&(row.writer, row.sequence))
            && expected != row.mac
        {
            self.found(AuditFault::Changed(Place::of(row)));
        }
        // What the row carries counts for the next one, so that one changed row is one fault.
        self.followed.insert(row.writer, Followed { sequence: row.sequence, mac: row.mac.clone() });
    }

    fn follow_forgotten(&mut self, row: &AuditRow) {
        match row.forgetting_is_signed(self.keys) {
            Some(true) => self.report.forgotten += 1,
            Some(false) => self.found(AuditFault::PersonRemoved(Place::of(row))),
            None => {
                let key_id = row.forget_key_id.clone().unwrap_or_default();
                self.found(AuditFault::UnknownKey(Place::of(row), key_id));
            }
        }
    }

    /// The HMAC that the row is chained to. When rows are missing before it, it cannot be known.
    fn before(&mut self, row: &AuditRow) -> Vec<u8> {
        let (sequence, mac) = match (self.followed.get(&row.writer), self.anchors.get(&row.writer)) {
            (Some(last), _) | (None, Some(last)) => (last.sequence, last.mac.clone()),
            (None, None) => {
                let Some(mac) = self.beginnings.get(&row.writer) else {
                    self.found(AuditFault::NoBeginning(Place::of(row)));
                    return Vec::new();
                };
                (0, mac.clone())
            }
        };
        if row.sequence != sequence + 1 {
            let first = Place { sequence: sequence + 1, at: None, request_id: None, ..Place::of(row) };
            self.found(AuditFault::Missing(first, row.sequence));
        }
        mac
    }

    fn conclude(mut self) -> AuditReport {
        let unmet = std::mem::take(&mut self.expected);
        let mut cut_off: HashMap<Uuid, i64> = HashMap::new();
        for ((writer, sequence), mac) in unmet {
            let pruned = self.anchors.get(&writer).is_some_and(|anchor| sequence <= anchor.sequence);
            let beginning = sequence == 0 && self.beginnings.get(&writer) == Some(&mac);
            if !pruned && !beginning {
                let first = cut_off.entry(writer).or_insert(sequence);
                *first = sequence.min(*first);
            }
        }
        for (writer, sequence) in cut_off {
            self.found(AuditFault::CutOff(Place { writer, sequence, at: None, request_id: None }));
        }
        // A row is never younger than its announcement, so a month that is pruned takes no announcement away of which a
        // row is left.
        if self.report.forgotten > self.announced.unsigned_abs() {
            self.found(AuditFault::Unannounced(self.report.forgotten, self.announced));
        }
        self.report.chains = self.followed.len() as u64;
        self.report
    }

    fn found(&mut self, fault: AuditFault) {
        self.report.fault_count += 1;
        if self.report.faults.len() < LISTED {
            self.report.faults.push(fault);
        }
    }
}

impl Place {
    fn of(row: &AuditRow) -> Self {
        Self {
            writer: row.writer,
            sequence: row.sequence,
            at: Some(row.at),
            request_id: row.request_id.clone(),
        }
    }
}

impl fmt::Display for Place {
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
            Self::Changed(place) => write!(f, "{place}: it was changed"),
            Self::PersonChanged(place) => write!(f, "{place}: its person was changed"),
            Self::PersonRemoved(place) => {
                write!(f, "{place}: its person was taken out, and not by forgetting")
            }
            Self::Missing(first, next) => {
                write!(f, "{first}: it is missing, and the next one there is {next}")
            }
            Self::NoBeginning(place) => write!(f, "{place}: its chain has no beginning"),
            Self::CutOff(place) => write!(f, "{place}: it was written and is gone, with all that followed"),
            Self::BeginningChanged(writer) => {
                write!(f, "chain {writer}: its beginning was changed, or its key is unknown")
            }
            Self::AnchorForged(writer) => {
                write!(f, "chain {writer}: its anchor is forged, or its key is unknown")
            }
            Self::UnknownKey(place, key) => write!(f, "{place}: its key {key} is not among store.audit_keys"),
            Self::Unannounced(rows, announced) => {
                write!(f, "{rows} rows have lost their person, and only {announced} were announced")
            }
        }
    }
}
