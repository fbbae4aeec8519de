//! What the trail writes, and what it has to read for it.

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::PgConnection;

use super::{AuditHead, AuditRow, row::ChainRow};

type Answer<'c, T> = BoxFuture<'c, sqlx::Result<T>>;

/// Heads of chains that were written to since a moment, the newest chains first: what a new chain vouches for.
pub(super) fn recent_heads<'c>(
    connection: &'c mut PgConnection,
    (since, most): &'c (DateTime<Utc>, i64),
) -> Answer<'c, Vec<AuditHead>> {
    sqlx::query_as!(
        AuditHead,
        "SELECT writer, sequence, mac
           FROM (SELECT DISTINCT ON (writer) writer, sequence, mac, at
                   FROM store.audit_event
                  WHERE at >= $1
                  ORDER BY writer, sequence DESC) AS head
          ORDER BY at DESC
          LIMIT $2",
        since,
        most
    )
    .fetch_all(connection)
    .boxed()
}

pub(super) fn begin_chain<'c>(connection: &'c mut PgConnection, row: &'c ChainRow) -> Answer<'c, ()> {
    async move {
        sqlx::query!(
            "INSERT INTO store.audit_chain (writer, started_at, previous_writer, previous_sequence, previous_mac, seen,
                    unrecorded, key_id, mac)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            row.writer,
            row.started_at,
            row.previous_writer,
            row.previous_sequence,
            row.previous_mac,
            row.seen,
            row.unrecorded,
            row.key_id,
            row.mac
        )
        .execute(connection)
        .await
        .map(drop)
    }
    .boxed()
}

pub(super) fn ensure_month<'c>(
    connection: &'c mut PgConnection,
    moment: &'c DateTime<Utc>,
) -> Answer<'c, ()> {
    async move {
        sqlx::query!("SELECT store.ensure_audit_month($1)", moment).fetch_one(connection).await.map(drop)
    }
    .boxed()
}

pub(super) fn note_head<'c>(connection: &'c mut PgConnection, head: &'c AuditHead) -> Answer<'c, ()> {
    async move {
        sqlx::query!(
            "INSERT INTO store.audit_head (writer, sequence, mac) VALUES ($1, $2, $3)",
            head.writer,
            head.sequence,
            head.mac
        )
        .execute(connection)
        .await
        .map(drop)
    }
    .boxed()
}

/// Rows of one commit.
pub(super) struct Rows(pub(super) Vec<AuditRow>);

/// Writes rows in one statement.
pub(super) fn append<'c>(connection: &'c mut PgConnection, Rows(rows): &'c Rows) -> Answer<'c, ()> {
    fn column<'r, T>(rows: &'r [AuditRow], field: impl Fn(&'r AuditRow) -> T) -> Vec<T> {
        rows.iter().map(field).collect()
    }
    async move {
        sqlx::query!(
            "INSERT INTO store.audit_event (at, writer, sequence, kind, request_id, client, endpoint, reason,
                    person_key, person_key_id, person_salt, person_seal, nik_plausible, fields, percentage,
                    contract_id, calibration_id, milliseconds, key_id, mac)
             SELECT * FROM unnest($1::timestamptz[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                    $7::text[], $8::text[], $9::bytea[], $10::text[], $11::bytea[], $12::bytea[], $13::boolean[],
                    $14::text[], $15::double precision[], $16::text[], $17::text[], $18::double precision[],
                    $19::text[], $20::bytea[])",
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
            &column(rows, |row| row.mac.as_slice()) as _
        )
        .execute(connection)
        .await
        .map(drop)
    }
    .boxed()
}
