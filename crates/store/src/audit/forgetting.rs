//! Forgetting a person: templates are deleted, and the person is removed from the rows of the trail, which remain.
//!
//! Each step changes a limited number of rows. A step and the row that announces it are one transaction, so that
//! neither exists without the other. A signature replaces the person in each row, so that verification detects a person
//! that was removed without the audit key. The announcement has the number of rows of each month and an HMAC over their
//! signatures, so that no row can be added to a step or taken from it. The request's id, which a client may have chosen, is removed with
//! the person.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use padan_postgres::Selection;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::{
    fault::{AuditFault, RowLocation},
    head::AuditHead,
    keys::AuditKeys,
    month::Month,
    removal::{Announcement, sign_removal},
    row::{AuditRow, RowFormat, RowPosition},
    statements::append,
};
use crate::{error::StoreError, step_error::StepError, templates::cohort_people};

/// The amount of data that was removed for a forgotten person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Face templates that were deleted, of all models, and faces that were taken out of cohorts.
    pub templates: u64,
    /// Rows of the audit trail from which the person was removed.
    pub audit_rows: u64,
    /// Rows that name the person still: they are dated later than this process's clock, or were written meanwhile.
    pub rows_left: u64,
}

/// A person to forget, and the operator who requested it.
#[derive(Debug, Clone)]
pub(crate) struct Forgetting {
    /// The person's hash under each person key.
    pub(crate) people: Vec<Vec<u8>>,
    pub(crate) requested_by: String,
}

/// One step, and the chain whose next row announces it.
pub(super) struct Step {
    pub(super) forgetting: Forgetting,
    pub(super) at: DateTime<Utc>,
    pub(super) head: AuditHead,
    pub(super) keys: AuditKeys,
}

/// What a step removed, and the chain's head after it.
pub(super) struct StepResult {
    pub(super) forgotten: Forgotten,
    pub(super) head: AuditHead,
}

/// The most rows of one step, which limits its time.
pub(crate) const STEP_ROWS: u64 = 500;

/// Runs one step in one transaction. Rows that are newer than the announcement are left for a later step, so that
/// pruning a month never removes an announcement whose rows remain.
///
/// Each row is verified before the removal is signed. Otherwise somebody could give the row of another person this
/// person's key, and the signature would hide the change.
pub(super) fn forget<'c>(
    connection: &'c mut PgConnection,
    step: &'c Step,
) -> BoxFuture<'c, sqlx::Result<Result<StepResult, StoreError>>> {
    run(connection, step).map(StepError::apart).boxed()
}

async fn run(connection: &mut PgConnection, step: &Step) -> Result<StepResult, StepError> {
    let mut transaction = connection.begin().await?;
    let templates =
        sqlx::query!("DELETE FROM store.face_template WHERE person_key = ANY($1)", &step.forgetting.people)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
    let in_cohorts = cohort_people::forget(&mut transaction, &step.forgetting.people).await?;
    let rows = rows_of_person(&mut transaction, step).await?;
    let templates = templates + in_cohorts;
    let forgotten = Forgotten { templates, audit_rows: rows.len() as u64, rows_left: 0 };
    if forgotten == Forgotten::default() {
        return Ok(StepResult { forgotten, head: step.head.clone() });
    }
    let previous = previous_macs(&mut transaction, &rows).await?;
    let signed = step.sign(&rows, &previous)?;
    remove_person(&mut transaction, &signed).await?;
    let head = signed.announcement.head();
    append(&[signed.announcement]).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(StepResult { forgotten, head })
}

/// The number of rows that name the person.
pub(crate) fn count_rows(people: &[Vec<u8>]) -> impl Selection<Row = i64> + use<> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM store.audit_event WHERE person_key = ANY($1)"#,
        people
    )
}

/// Rows of the person, in the order of time, chain and number.
async fn rows_of_person(connection: &mut PgConnection, step: &Step) -> sqlx::Result<Vec<AuditRow>> {
    // There is no ORDER BY: ordering by time would make the server scan the rows of all people.
    let mut rows = sqlx::query_as!(
        AuditRow,
        "SELECT at, writer, sequence, kind, request_id, client, endpoint, sandbox, reason, person_key, person_key_id,
                person_salt, person_seal, nik_plausible, fields, name_rules, percentage, spoof, contract_id, calibration_id,
                milliseconds, forget_key_id, forget_mac, key_id, mac
           FROM store.audit_event
          WHERE person_key = ANY($1)
            AND at <= $2
          LIMIT $3
            FOR UPDATE",
        &step.forgetting.people,
        step.at,
        i64::try_from(STEP_ROWS).unwrap_or(i64::MAX)
    )
    .fetch_all(connection)
    .await?;
    rows.sort_by_key(|row| (row.at, row.writer, row.sequence));
    Ok(rows)
}

type PreviousMacs = HashMap<(Uuid, i64), Vec<Vec<u8>>>;

/// For each row, the HMACs of what has the number before it: a row, the chain's beginning or an anchor. Somebody may
/// have added rows with that number, so there may be several. Only the right one matches the row's own HMAC.
async fn previous_macs(connection: &mut PgConnection, rows: &[AuditRow]) -> sqlx::Result<PreviousMacs> {
    let writers: Vec<_> = rows.iter().map(|row| row.writer).collect();
    let sequences: Vec<_> = rows.iter().map(|row| row.sequence).collect();
    let moments: Vec<_> = rows.iter().map(|row| row.at).collect();
    let found = sqlx::query!(
        r#"SELECT kept.writer AS "writer!", kept.sequence AS "sequence!", previous.mac AS "mac!"
             FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) AS kept (writer, sequence, at)
            CROSS JOIN LATERAL (SELECT mac
                                  FROM store.audit_event AS event
                                 WHERE event.writer = kept.writer
                                   AND event.sequence = kept.sequence - 1
                                   AND event.at <= kept.at
                                 UNION ALL
                                SELECT mac
                                  FROM store.audit_chain AS chain
                                 WHERE chain.writer = kept.writer
                                   AND kept.sequence = 1
                                 UNION ALL
                                SELECT mac
                                  FROM store.audit_anchor AS anchor
                                 WHERE anchor.writer = kept.writer
                                   AND anchor.sequence = kept.sequence - 1) AS previous"#,
        &writers,
        &sequences,
        &moments
    )
    .fetch_all(connection)
    .await?;
    let mut previous = PreviousMacs::new();
    for row in found {
        previous.entry((row.writer, row.sequence)).or_default().push(row.mac);
    }
    Ok(previous)
}

/// Rows as columns, with the signatures that replace their person, and the row that announces them.
struct Signed {
    key_id: String,
    moments: Vec<DateTime<Utc>>,
    writers: Vec<Uuid>,
    sequences: Vec<i64>,
    signatures: Vec<Vec<u8>>,
    /// Whether the request's id is removed too. Rows of earlier programs keep it.
    without_request: Vec<bool>,
    announcement: AuditRow,
}

impl Step {
    fn sign(&self, rows: &[AuditRow], previous: &PreviousMacs) -> Result<Signed, StoreError> {
        let place = (self.head.writer, self.head.sequence + 1);
        let mut signatures = Vec::with_capacity(rows.len());
        let mut without_request = Vec::with_capacity(rows.len());
        for row in rows {
            let format = self.check(row, previous)?;
            without_request.push(format == RowFormat::SealedRequest);
            signatures.push(sign_removal(&row.head(), place, &self.keys)?);
        }
        let of_months = rows.iter().map(|row| Month::of(row.at)).zip(signatures.iter().map(Vec::as_slice));
        let announcement = Announcement::of(of_months, &self.keys)?;
        Ok(Signed {
            key_id: self.keys.current_id().to_owned(),
            moments: rows.iter().map(|row| row.at).collect(),
            writers: rows.iter().map(|row| row.writer).collect(),
            sequences: rows.iter().map(|row| row.sequence).collect(),
            signatures,
            without_request,
            announcement: self.announce(&announcement)?,
        })
    }

    /// Checks that Padan wrote this row about this person, and returns in which format.
    fn check(&self, row: &AuditRow, previous: &PreviousMacs) -> Result<RowFormat, StoreError> {
        let previous = previous.get(&(row.writer, row.sequence)).map(Vec::as_slice).unwrap_or_default();
        let place = RowLocation::of(row);
        let fault = if self.keys.has(&row.key_id) {
            match row.format_after_any(previous, &self.keys) {
                None => AuditFault::Changed(place),
                Some(format) if !row.person_is_sealed(format) => AuditFault::PersonChanged(place),
                Some(format) => return Ok(format),
            }
        } else {
            AuditFault::UnknownKey { row: place, key_id: row.key_id.clone() }
        };
        Err(StoreError::Tampered(fault.to_string()))
    }

    fn announce(&self, announcement: &Announcement) -> Result<AuditRow, StoreError> {
        let position =
            RowPosition { at: self.at, writer: self.head.writer, sequence: self.head.sequence + 1 };
        AuditRow::of_forgetting(announcement.to_text()?, &self.forgetting.requested_by, position)
            .signed(&self.head.mac, &self.keys)
    }
}

async fn remove_person(connection: &mut PgConnection, rows: &Signed) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE store.audit_event AS kept
            SET person_key = NULL,
                person_salt = NULL,
                request_id = CASE WHEN gone.without_request THEN NULL ELSE kept.request_id END,
                forget_key_id = $1,
                forget_mac = gone.signature
           FROM unnest($2::timestamptz[], $3::uuid[], $4::bigint[], $5::bytea[], $6::boolean[])
                AS gone (at, writer, sequence, signature, without_request)
          WHERE kept.at = gone.at
            AND kept.writer = gone.writer
            AND kept.sequence = gone.sequence",
        rows.key_id,
        &rows.moments,
        &rows.writers,
        &rows.sequences,
        &rows.signatures,
        &rows.without_request
    )
    .execute(connection)
    .await
    .map(drop)
}
