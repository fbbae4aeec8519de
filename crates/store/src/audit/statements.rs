//! The statements that write the trail.

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    head::AuditHead,
    row::{AuditRow, ChainRow},
};

type Answer<'c, T> = BoxFuture<'c, sqlx::Result<T>>;

/// The heads of the chains that have not ended, newest chain first. A new chain names them. Each costs one index
/// look-up, regardless of the number of rows.
pub(super) fn open_heads<'c>(connection: &'c mut PgConnection, limit: &'c i64) -> Answer<'c, Vec<OpenHead>> {
    sqlx::query_as!(
        OpenHead,
        r#"SELECT open.writer AS "writer!",
                  coalesce(last.sequence, 0) AS "sequence!",
                  coalesce(last.mac, open.mac) AS "mac!",
                  coalesce(last.at, open.started_at) AS "at!"
             FROM (SELECT writer, started_at, mac
                     FROM store.audit_chain AS chain
                    WHERE NOT EXISTS (SELECT FROM store.audit_end AS ended WHERE ended.writer = chain.writer)
                    ORDER BY started_at DESC
                    LIMIT $1) AS open
             LEFT JOIN LATERAL (SELECT sequence, mac, at
                                  FROM store.audit_event AS event
                                 WHERE event.writer = open.writer
                                   AND event.at >= open.started_at
                                 ORDER BY sequence DESC
                                 LIMIT 1) AS last ON true
            ORDER BY open.started_at DESC"#,
        limit
    )
    .fetch_all(connection)
    .boxed()
}

/// The last row of a chain, or its beginning, with its time.
pub(super) struct OpenHead {
    pub(super) writer: Uuid,
    pub(super) sequence: i64,
    pub(super) mac: Vec<u8>,
    pub(super) at: DateTime<Utc>,
}

/// Writes the beginning of a chain, and marks other chains as ended.
pub(super) fn begin_chain<'c>(
    connection: &'c mut PgConnection,
    (row, ended): &'c (ChainRow, Vec<AuditHead>),
) -> Answer<'c, ()> {
    async move {
        let writers: Vec<_> = ended.iter().map(|head| head.writer).collect();
        let sequences: Vec<_> = ended.iter().map(|head| head.sequence).collect();
        sqlx::query!(
            "WITH ended AS (
                 INSERT INTO store.audit_end (writer, sequence)
                 SELECT * FROM unnest($10::uuid[], $11::bigint[])
                 ON CONFLICT DO NOTHING
             )
             INSERT INTO store.audit_chain (writer, started_at, previous_writer, previous_sequence, previous_mac, seen,
                    unrecorded, key_id, mac, person_key_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $12)",
            row.writer,
            row.started_at,
            row.previous_writer,
            row.previous_sequence,
            row.previous_mac,
            row.seen,
            row.unrecorded,
            row.key_id,
            row.mac,
            &writers,
            &sequences,
            row.person_key_id
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

pub(super) fn insert_head<'c>(connection: &'c mut PgConnection, head: &'c AuditHead) -> Answer<'c, ()> {
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

/// The rows of one commit.
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
                    contract_id, calibration_id, milliseconds, key_id, mac, name_rules)
             SELECT * FROM unnest($1::timestamptz[], $2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[],
                    $7::text[], $8::text[], $9::bytea[], $10::text[], $11::bytea[], $12::bytea[], $13::boolean[],
                    $14::text[], $15::double precision[], $16::text[], $17::text[], $18::double precision[],
                    $19::text[], $20::bytea[], $21::text[])",
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
            &column(rows, |row| row.name_rules.as_deref()) as _
        )
        .execute(connection)
        .await
        .map(drop)
    }
    .boxed()
}
