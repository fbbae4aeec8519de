//! The statements that write the trail.

use chrono::{DateTime, Utc};
use padan_postgres::Command;

use super::{
    chain_end::ChainEnd,
    head::AuditHead,
    row::{AuditRow, ChainRow},
};

/// A chain that nobody goes on with, and the time of its last row.
pub(super) struct EndedChain {
    pub(super) end: ChainEnd,
    pub(super) last_at: DateTime<Utc>,
}

/// Writes the beginning of a chain and the ends of others. A chain ends only if its last row is old by the server's
/// clock too, so that a process whose clock is ahead ends no chain that another one goes on with.
pub(super) fn begin_chain(beginning: &ChainRow, ended: &[EndedChain]) -> Command {
    let heads = || ended.iter().map(|chain| &chain.end.head);
    sqlx::query!(
        "WITH ended AS (
             INSERT INTO store.audit_end (writer, sequence, mac, key_id, signature)
             SELECT writer, sequence, mac, key_id, signature
               FROM unnest($11::uuid[], $12::bigint[], $13::bytea[], $14::text[], $15::bytea[], $16::timestamptz[])
                    AS chain (writer, sequence, mac, key_id, signature, last_at)
              WHERE last_at < now() - interval '2 days'
             ON CONFLICT DO NOTHING
         )
         INSERT INTO store.audit_chain (writer, started_at, previous_writer, previous_sequence, previous_mac, seen,
                unrecorded, key_id, mac, person_key_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        beginning.writer,
        beginning.started_at,
        beginning.previous_writer,
        beginning.previous_sequence,
        beginning.previous_mac,
        beginning.seen,
        beginning.unrecorded,
        beginning.key_id,
        beginning.mac,
        beginning.person_key_id,
        &heads().map(|head| head.writer).collect::<Vec<_>>(),
        &heads().map(|head| head.sequence).collect::<Vec<_>>(),
        &heads().map(|head| head.mac.as_slice()).collect::<Vec<_>>() as _,
        &ended.iter().map(|chain| chain.end.key_id.as_str()).collect::<Vec<_>>() as _,
        &ended.iter().map(|chain| chain.end.signature.as_slice()).collect::<Vec<_>>() as _,
        &ended.iter().map(|chain| chain.last_at).collect::<Vec<_>>()
    )
}

pub(super) fn ensure_month(moment: &DateTime<Utc>) -> Command {
    sqlx::query!("SELECT store.ensure_audit_month($1)", moment)
}

pub(super) fn insert_head(head: &AuditHead) -> Command {
    sqlx::query!(
        "INSERT INTO store.audit_head (writer, sequence, mac) VALUES ($1, $2, $3)",
        head.writer,
        head.sequence,
        head.mac
    )
}

/// Writes rows in one statement.
pub(super) fn append(rows: &[AuditRow]) -> Command {
    fn column<'r, T>(rows: &'r [AuditRow], field: impl Fn(&'r AuditRow) -> T) -> Vec<T> {
        rows.iter().map(field).collect()
    }
    sqlx::query!(
        "INSERT INTO store.audit_event (at, writer, sequence, kind, request_id, client, endpoint, reason,
                person_key, person_key_id, person_salt, person_seal, nik_plausible, fields, percentage,
                contract_id, calibration_id, milliseconds, key_id, mac, name_rules, sandbox, spoof)
         SELECT * FROM unnest($1::timestamptz[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                $7::text[], $8::text[], $9::bytea[], $10::text[], $11::bytea[], $12::bytea[], $13::boolean[],
                $14::text[], $15::double precision[], $16::text[], $17::text[], $18::double precision[],
                $19::text[], $20::bytea[], $21::text[], $22::boolean[], $23::double precision[])",
        &column(rows, |row| row.at),
        &column(rows, |row| row.writer),
        &column(rows, |row| row.sequence),
        &column(rows, |row| row.kind.as_str()) as _,
        &column(rows, |row| row.request_id.as_deref()) as _,
        &column(rows, |row| row.client.as_deref()) as _,
        &column(rows, |row| row.endpoint.as_deref()) as _,
        &column(rows, |row| row.reason.as_str()) as _,
        &column(rows, |row| row.person_key.as_deref()) as _,
        &column(rows, |row| row.person_key_id.as_deref()) as _,
        &column(rows, |row| row.person_salt.as_deref()) as _,
        &column(rows, |row| row.person_seal.as_deref()) as _,
        &column(rows, |row| row.nik_plausible) as _,
        &column(rows, |row| row.fields.as_str()) as _,
        &column(rows, |row| row.percentage) as _,
        &column(rows, |row| row.contract_id.as_deref()) as _,
        &column(rows, |row| row.calibration_id.as_deref()) as _,
        &column(rows, |row| row.milliseconds),
        &column(rows, |row| row.key_id.as_str()) as _,
        &column(rows, |row| row.mac.as_slice()) as _,
        &column(rows, |row| row.name_rules.as_deref()) as _,
        &column(rows, |row| row.sandbox),
        &column(rows, |row| row.spoof) as _
    )
}
