//! The chains that have not ended. A new chain names their last rows, so that these cannot be deleted unnoticed.
//!
//! Whoever can write to the database can add beginnings, ends and rows. So a beginning or an end counts only if it is
//! signed, and a row that Padan did not write does not hide the one before it.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use padan_postgres::{Pool, Selection};
use uuid::Uuid;

use super::{
    chain_end::chain_ends,
    head::AuditHead,
    keys::AuditKeys,
    row::{AuditRow, ChainRow},
};
use crate::error::StoreError;

/// The most chains that a new chain names, oldest first: those that have ended then make room for the others. A store
/// has fewer processes.
const MAX_OPEN: usize = 10_000;
/// Beginnings that are read at once.
const PAGE: usize = 1000;
/// Chains whose last rows are read at once.
const BATCH: usize = 500;

/// A chain that has not ended.
pub(super) struct OpenChain {
    /// The last row or the beginning, and above it rows that Padan did not write.
    pub(super) heads: Vec<AuditHead>,
    /// The time of the last row, or of the beginning; `None` if Padan did not write the last row.
    pub(super) last_at: Option<DateTime<Utc>>,
}

/// Finds the chains that have not ended, oldest first.
pub(super) async fn open_chains(pool: &Pool, keys: &AuditKeys) -> Result<Vec<OpenChain>, StoreError> {
    let beginnings = open_beginnings(pool, keys).await?;
    let mut found = Vec::with_capacity(beginnings.len());
    for batch in beginnings.chunks(BATCH) {
        let mut rows = HashMap::<Uuid, Vec<LastRow>>::new();
        for last in pool.fetch_all(|| last_rows(batch)).await? {
            rows.entry(last.row.writer).or_default().push(last);
        }
        found.extend(batch.iter().map(|chain| {
            let rows = rows.remove(&chain.writer).unwrap_or_default();
            OpenChain::of(chain, rows, keys)
        }));
    }
    Ok(found)
}

async fn open_beginnings(pool: &Pool, keys: &AuditKeys) -> Result<Vec<ChainRow>, StoreError> {
    let ends = pool.fetch_all(chain_ends).await?;
    let ended = ends.into_iter().filter(|end| end.is_signed(keys)).map(|end| end.head.writer);
    let ended: Vec<_> = ended.collect();
    let mut after = None::<(DateTime<Utc>, Uuid)>;
    let (mut open, mut forged) = (Vec::new(), 0);
    let mut is_last_page = false;
    while !is_last_page && open.len() < MAX_OPEN {
        let (started_at, writer) = after.unzip();
        let query = || {
            sqlx::query_as!(
                ChainRow,
                "SELECT writer, started_at, previous_writer, previous_sequence, previous_mac, seen, unrecorded, person_key_id,
                        key_id, mac
                   FROM store.audit_chain
                  WHERE writer <> ALL($1)
                    AND ($2::timestamptz IS NULL OR (started_at, writer) > ($2, $3::uuid))
                  ORDER BY started_at, writer
                  LIMIT $4",
                &ended,
                started_at,
                writer,
                i64::try_from(PAGE).unwrap_or(i64::MAX)
            )
        };
        let page = pool.fetch_all(query).await?;
        is_last_page = page.len() < PAGE;
        after = page.last().map(|last| (last.started_at, last.writer));
        let (signed, others): (Vec<_>, Vec<_>) = page.into_iter().partition(|chain| chain.is_signed(keys));
        open.extend(signed);
        forged += others.len();
    }
    if forged > 0 {
        tracing::error!(
            "{forged} beginnings in store.audit_chain were not signed with a key of store.audit_keys: run `padan audit \
             verify`"
        );
    }
    if open.len() >= MAX_OPEN {
        tracing::error!(
            "more than {MAX_OPEN} chains of the audit trail are open; the youngest are not vouched for"
        );
        open.truncate(MAX_OPEN);
    }
    Ok(open)
}

/// One of the last rows of a chain, without its person.
struct LastRow {
    row: AuditRow,
    /// The HMACs of the rows, or the anchor, that have the number before it.
    previous: Vec<Vec<u8>>,
}

/// The last rows of chains, the last one first. Each chain costs some index look-ups, regardless of the number of rows.
fn last_rows(chains: &[ChainRow]) -> impl Selection<Row = LastRow> + use<> {
    let writers: Vec<_> = chains.iter().map(|chain| chain.writer).collect();
    let started_at: Vec<_> = chains.iter().map(|chain| chain.started_at).collect();
    sqlx::query!(
        r#"SELECT at AS "at!", writer AS "writer!", sequence AS "sequence!", kind AS "kind!", request_id, client,
                  endpoint, sandbox AS "sandbox!", reason AS "reason!", person_key_id, person_seal, nik_plausible, fields AS "fields!",
                  name_rules, percentage, spoof, contract_id, calibration_id, milliseconds AS "milliseconds!",
                  key_id AS "key_id!", mac AS "mac!", previous AS "previous!"
             FROM store.last_audit_rows($1, $2)"#,
        &writers,
        &started_at
    )
    .map(|record| LastRow {
        previous: record.previous,
        row: AuditRow {
            at: record.at,
            writer: record.writer,
            sequence: record.sequence,
            kind: record.kind,
            request_id: record.request_id,
            client: record.client,
            endpoint: record.endpoint,
            sandbox: record.sandbox,
            reason: record.reason,
            person_key: None,
            person_key_id: record.person_key_id,
            person_salt: None,
            person_seal: record.person_seal,
            nik_plausible: record.nik_plausible,
            fields: record.fields,
            name_rules: record.name_rules,
            percentage: record.percentage,
            spoof: record.spoof,
            contract_id: record.contract_id,
            calibration_id: record.calibration_id,
            milliseconds: record.milliseconds,
            forget_key_id: None,
            forget_mac: None,
            key_id: record.key_id,
            mac: record.mac,
        },
    })
}

impl OpenChain {
    /// The rows are the last ones, the last one first.
    fn of(chain: &ChainRow, rows: Vec<LastRow>, keys: &AuditKeys) -> Self {
        let mut heads = Vec::new();
        for LastRow { row, mut previous } in rows {
            heads.push(row.head());
            if row.sequence == 1 {
                previous.push(chain.mac.clone());
            }
            if row.format_after_any(&previous, keys).is_some() {
                let last_at = (heads.len() == 1).then_some(row.at);
                return Self { heads, last_at };
            }
            tracing::error!(
                "row {} of chain {} was not written by Padan: run `padan audit verify`",
                row.sequence,
                row.writer
            );
        }
        if heads.is_empty() {
            return Self { heads: vec![chain.head()], last_at: Some(chain.started_at) };
        }
        Self { heads, last_at: None }
    }
}
