//! Forgetting a person: templates are deleted, and the person is removed from the rows of the trail, which remain.
//!
//! Each step changes a limited number of rows. A step and the row that announces it are one transaction, so that
//! neither exists without the other. A signature replaces the person in each row, so that verification detects a person
//! that was removed without the audit key.

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::{Connection as _, PgConnection};

use super::{
    head::AuditHead,
    keys::AuditKeys,
    row::{AuditRow, RowPosition, forgetting_signature, unsigned},
    statements::{Rows, append},
};
use crate::error::StoreError;

/// The amount of data that was removed for a forgotten person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Face templates that were deleted, of all models.
    pub templates: u64,
    /// Rows of the audit trail from which the person was removed.
    pub audit_rows: u64,
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
pub(super) fn forget<'c>(
    connection: &'c mut PgConnection,
    step: &'c Step,
) -> BoxFuture<'c, sqlx::Result<Result<StepResult, StoreError>>> {
    async move {
        let mut transaction = connection.begin().await?;
        let templates = sqlx::query!(
            "DELETE FROM store.face_template WHERE person_key = ANY($1)",
            &step.forgetting.people
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        // There is no ORDER BY: ordering by time would make the server scan the rows of all people.
        let rows = sqlx::query_as!(
            FoundRow,
            "SELECT at, writer, sequence, mac
               FROM store.audit_event
              WHERE person_key = ANY($1)
                AND at <= $2
              LIMIT $3
                FOR UPDATE",
            &step.forgetting.people,
            step.at,
            i64::try_from(STEP_ROWS).unwrap_or(i64::MAX)
        )
        .fetch_all(&mut *transaction)
        .await?;
        let forgotten = Forgotten { templates, audit_rows: rows.len() as u64 };
        if forgotten == Forgotten::default() {
            return Ok(Ok(StepResult { forgotten, head: step.head.clone() }));
        }
        let announcement = match step.announcement(rows.len()) {
            Ok(row) => row,
            Err(error) => return Ok(Err(error)),
        };
        let Some(signed) = Signed::of(rows, &step.keys) else { return Ok(Err(unsigned())) };
        remove_person(&mut transaction, &signed).await?;
        let head = announcement.head();
        append(&mut transaction, &Rows(vec![announcement])).await?;
        transaction.commit().await?;
        Ok(Ok(StepResult { forgotten, head }))
    }
    .boxed()
}

struct FoundRow {
    at: DateTime<Utc>,
    writer: uuid::Uuid,
    sequence: i64,
    mac: Vec<u8>,
}

/// Rows as columns, with the signatures that replace their person.
struct Signed {
    key_id: String,
    moments: Vec<DateTime<Utc>>,
    writers: Vec<uuid::Uuid>,
    sequences: Vec<i64>,
    signatures: Vec<Vec<u8>>,
}

impl Step {
    fn announcement(&self, rows: usize) -> Result<AuditRow, StoreError> {
        let position =
            RowPosition { at: self.at, writer: self.head.writer, sequence: self.head.sequence + 1 };
        AuditRow::of_forgetting(rows, &self.forgetting.requested_by, position)
            .signed(&self.head.mac, &self.keys)
    }
}

impl Signed {
    fn of(rows: Vec<FoundRow>, keys: &AuditKeys) -> Option<Self> {
        let mut signed = Self {
            key_id: keys.current_id().to_owned(),
            moments: Vec::new(),
            writers: Vec::new(),
            sequences: Vec::new(),
            signatures: Vec::new(),
        };
        for FoundRow { at, writer, sequence, mac } in rows {
            let head = AuditHead { writer, sequence, mac };
            signed.signatures.push(forgetting_signature(&head, &signed.key_id, keys)?);
            signed.moments.push(at);
            signed.writers.push(writer);
            signed.sequences.push(sequence);
        }
        Some(signed)
    }
}

async fn remove_person(connection: &mut PgConnection, rows: &Signed) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE store.audit_event AS kept
            SET person_key = NULL,
                person_salt = NULL,
                forget_key_id = $1,
                forget_mac = gone.signature
           FROM unnest($2::timestamptz[], $3::uuid[], $4::bigint[], $5::bytea[])
                AS gone (at, writer, sequence, signature)
          WHERE kept.at = gone.at
            AND kept.writer = gone.writer
            AND kept.sequence = gone.sequence",
        rows.key_id,
        &rows.moments,
        &rows.writers,
        &rows.sequences,
        &rows.signatures
    )
    .execute(connection)
    .await
    .map(drop)
}
