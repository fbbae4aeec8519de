//! The files of exports. They are personal data, so they are encrypted, and removed when their time is over.

use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::NationalId;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::{
    audit::{keys::AuditKeys, search::AuditPosition},
    error::StoreError,
    handles::Jobs,
    jobs::job::{JobLease, lease_seconds},
    keys::sealing::{self, SealedBytes},
};

/// A part of the file of an export.
#[derive(Debug)]
pub struct ExportPart {
    /// The lines.
    pub text: Vec<u8>,
    /// The number of rows in it.
    pub rows: u64,
    /// The place of the last row.
    pub reached: AuditPosition,
}

/// Which exports are discarded.
#[derive(Debug, Clone, Copy)]
enum Discarded {
    /// The one of an id.
    Of(Uuid),
    /// All, because a person's data was erased.
    All,
    /// Those whose time is over.
    Expired,
}

const NIK_PURPOSE: &str = "padan export nik 1";
const PART_PURPOSE: &str = "padan export part 1";

impl Jobs {
    /// Adds a part to the file of an export, and renews its lease. False when the job is no longer this process's.
    ///
    /// # Errors
    ///
    /// When the store fails, or the part cannot be encrypted.
    pub async fn add_export_part(
        &self,
        lease: &JobLease,
        number: u32,
        part: &ExportPart,
    ) -> Result<bool, StoreError> {
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        let sealed =
            sealing::seal(self.0.audit_keys(), PART_PURPOSE, &part_context(lease.job, number), &part.text)?;
        let query = || {
            sqlx::query!(
                "WITH advanced AS (
                     UPDATE store.job
                        SET done = done + $4,
                            bytes = bytes + $5,
                            parts = parts + 1,
                            reached = $6,
                            lease_until = now() + make_interval(secs => $7)
                      WHERE id = $1
                        AND process = $2
                        AND state = 'open'
                        AND parts = $3
                     RETURNING id
                 )
                 INSERT INTO store.export_part (job, number, key_id, sealed)
                 SELECT id, $3, $8, $9
                   FROM advanced",
                lease.job,
                lease.process,
                number,
                i64::try_from(part.rows).unwrap_or(i64::MAX),
                i64::try_from(part.text.len()).unwrap_or(i64::MAX),
                part.reached.to_string(),
                lease_seconds(),
                sealed.key_id,
                sealed.bytes
            )
        };
        Ok(self.0.pool().execute(query).await? == 1)
    }

    /// A part of the file of a finished export, from 0. `None` when it is no longer there.
    ///
    /// # Errors
    ///
    /// When the store fails, or the part was encrypted under a key that the settings lack, or changed.
    pub async fn export_part(&self, job: Uuid, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        let query = || {
            sqlx::query_as!(
                SealedBytes,
                "SELECT part.key_id, part.sealed AS bytes
                   FROM store.export_part AS part
                   JOIN store.job ON store.job.id = part.job
                  WHERE part.job = $1
                    AND part.number = $2
                    AND state = 'done'
                    AND kept_until > now()",
                job,
                number
            )
        };
        let Some(sealed) = self.0.pool().fetch_optional(query).await? else { return Ok(None) };
        let opened = sealing::open(self.0.audit_keys(), PART_PURPOSE, &part_context(job, number), &sealed);
        opened.map(Some).ok_or(StoreError::Cryptography(
            "a part of an export was changed, or its audit key is not among store.audit_keys",
        ))
    }

    /// Stops an export, or removes the file of a finished one. False when there is nothing to stop or remove.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn discard_export(&self, job: Uuid) -> Result<bool, StoreError> {
        Ok(self.0.pool().run(discard, &Discarded::Of(job)).await? > 0)
    }

    /// Removes the files of exports whose time is over, stops exports that nobody continued for a day, and removes the rows
    /// of jobs that ended long ago.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn discard_old_exports(&self) -> Result<(), StoreError> {
        self.0.pool().run(discard, &Discarded::Expired).await?;
        let query = || sqlx::query!("DELETE FROM store.job WHERE ended_at < now() - interval '90 days'");
        self.0.pool().execute(query).await?;
        Ok(())
    }

    /// Stops all exports and removes all files, since they may have data about a person whom [`forget`](Self::forget) erases.
    pub(crate) async fn discard_all_exports(&self) -> Result<(), StoreError> {
        self.0.pool().run(discard, &Discarded::All).await?;
        Ok(())
    }
}

pub(super) fn seal_nik(job: Uuid, nik: &NationalId, keys: &AuditKeys) -> Result<SealedBytes, StoreError> {
    sealing::seal(keys, NIK_PURPOSE, job.as_bytes(), nik.as_str().as_bytes())
}

pub(super) fn open_nik(job: Uuid, sealed: &SealedBytes, keys: &AuditKeys) -> Result<NationalId, StoreError> {
    let plain = sealing::open(keys, NIK_PURPOSE, job.as_bytes(), sealed).map(Zeroizing::new);
    let nik = plain.and_then(|plain| std::str::from_utf8(&plain).ok()?.parse().ok());
    nik.ok_or(StoreError::Cryptography(
        "the person of an export was changed, or its audit key is not among store.audit_keys",
    ))
}

fn part_context(job: Uuid, number: i32) -> Vec<u8> {
    [job.as_bytes().as_slice(), &number.to_be_bytes()].concat()
}

/// First the jobs, then the parts, so that no process adds one in between.
fn discard<'c>(connection: &'c mut PgConnection, which: &'c Discarded) -> BoxFuture<'c, sqlx::Result<u64>> {
    let (id, expired) = match *which {
        Discarded::Of(id) => (Some(id), false),
        Discarded::All => (None, false),
        Discarded::Expired => (None, true),
    };
    let error = match which {
        Discarded::Of(_) => None,
        Discarded::All => {
            Some("the data of a person was erased, whom the export may contain: start it again")
        }
        Discarded::Expired => Some("nobody continued it for a day"),
    };
    async move {
        let mut transaction = connection.begin().await?;
        let done = sqlx::query!(
            "UPDATE store.job
                SET state = CASE WHEN state = 'done' THEN state ELSE 'stopped' END,
                    ended_at = coalesce(ended_at, now()),
                    error = CASE WHEN state = 'done' THEN error ELSE coalesce($3, error) END,
                    kept_until = NULL,
                    sealed_nik = NULL,
                    key_id = NULL
              WHERE kind = 'audit_export'
                AND ($1::uuid IS NULL OR id = $1)
                AND (state IN ('open', 'paused', 'failed') OR kept_until IS NOT NULL)
                AND (NOT $2
                     OR kept_until <= now()
                     OR ended_at IS NULL AND coalesce(lease_until, started_at) < now() - interval '1 day'
                     OR state = 'failed' AND ended_at < now() - interval '1 day')",
            id,
            expired,
            error
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "DELETE FROM store.export_part
              USING store.job
              WHERE store.job.id = export_part.job
                AND ($1::uuid IS NULL OR job = $1)
                AND ended_at IS NOT NULL
                AND kept_until IS NULL
                AND state <> 'failed'",
            id
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(done.rows_affected())
    }
    .boxed()
}
