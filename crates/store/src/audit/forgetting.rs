//! Forgetting a person: templates are destroyed, and rows of the trail no longer say whom they were about.
//!
//! It is done in steps of a bounded number of rows. Each step and the row that announces it are one transaction, so that
//! neither is there without the other. Every row that loses its person gets a signature in place of it: whoever takes
//! a person out without the audit key is found, whatever was announced.

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::{Connection as _, PgConnection};

use super::{
    head::AuditHead,
    keys::AuditKeys,
    row::{AuditRow, forgetting_signature, unsigned},
    statements::{Rows, append},
};
use crate::error::StoreError;

/// What is gone of a person who was forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Face templates that were destroyed, of all models.
    pub templates: u64,
    /// Rows of the audit trail that no longer say whom they were about.
    pub audit_rows: u64,
}

/// Whom to forget, and who has it done.
#[derive(Debug, Clone)]
pub(crate) struct Forgetting {
    /// The person under every key.
    pub(crate) people: Vec<Vec<u8>>,
    pub(crate) by: String,
}

/// A step, which is announced as the next row of a chain.
pub(super) struct Step {
    pub(super) forgetting: Forgetting,
    pub(super) at: DateTime<Utc>,
    pub(super) head: AuditHead,
    pub(super) keys: AuditKeys,
}

/// What a step did, and the chain's last row after it.
pub(super) struct Done {
    pub(super) gone: Forgotten,
    pub(super) head: AuditHead,
}

/// How many rows lose their person in one step, which bounds its time.
pub(crate) const STEP: u64 = 500;

/// Takes a step, whole or not at all. Rows that are younger than the announcement are left: a month is pruned only with
/// all that its announcements were about.
pub(super) fn forget<'c>(
    connection: &'c mut PgConnection,
    step: &'c Step,
) -> BoxFuture<'c, sqlx::Result<Result<Done, StoreError>>> {
    async move {
        let mut transaction = connection.begin().await?;
        let templates = sqlx::query!(
            "DELETE FROM store.face_template WHERE person_key = ANY($1)",
            &step.forgetting.people
        )
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        // Not in any order: that of time would have the server go through everybody's rows.
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
            i64::try_from(STEP).unwrap_or(i64::MAX)
        )
        .fetch_all(&mut *transaction)
        .await?;
        let gone = Forgotten { templates, audit_rows: rows.len() as u64 };
        if gone == Forgotten::default() {
            return Ok(Ok(Done { gone, head: step.head.clone() }));
        }
        let announcement = match step.announcement(rows.len()) {
            Ok(row) => row,
            Err(error) => return Ok(Err(error)),
        };
        let Some(signed) = Signed::of(rows, &step.keys) else { return Ok(Err(unsigned())) };
        take_out(&mut transaction, &signed).await?;
        let head = announcement.head();
        append(&mut transaction, &Rows(vec![announcement])).await?;
        transaction.commit().await?;
        Ok(Ok(Done { gone, head }))
    }
    .boxed()
}

struct FoundRow {
    at: DateTime<Utc>,
    writer: uuid::Uuid,
    sequence: i64,
    mac: Vec<u8>,
}

/// Rows column by column, with what takes the place of their person.
struct Signed {
    key_id: String,
    moments: Vec<DateTime<Utc>>,
    writers: Vec<uuid::Uuid>,
    sequences: Vec<i64>,
    signatures: Vec<Vec<u8>>,
}

impl Step {
    fn announcement(&self, rows: usize) -> Result<AuditRow, StoreError> {
        let place = (self.at, self.head.writer, self.head.sequence + 1);
        AuditRow::of_forgetting(rows, &self.forgetting.by, place).signed(&self.head.mac, &self.keys)
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

async fn take_out(connection: &mut PgConnection, rows: &Signed) -> sqlx::Result<()> {
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
