use std::{fmt, pin::pin, sync::atomic::AtomicU64};

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use futures_util::TryStreamExt as _;
use padan_domain::Clock;
use padan_postgres::{Fault, Selection as _, Transactions};

use super::{
    checker::{self, AuditReport},
    filter::AuditFilter,
    head::AuditHead,
    keys::AuditKeys,
    person_keys_in_use::other_person_keys,
    retention::{self, PrunedMonths, Pruning},
    row::AuditRow,
    usage::{self, UsageRow},
};
use crate::{
    config::Config,
    cpu_use::{self, CpuUse},
    error::StoreError,
    session,
};

/// Reads the audit trail: exports, verifies and prunes it. Needs no template keys, and person keys only to find a
/// person.
pub struct AuditLog {
    config: Config,
    connection: Transactions,
}

/// The query of an export. The moment of the place is also a lower limit, so that an index finds the rows after it.
macro_rules! selected_rows {
    ($filter:expr, $people:expr, $limit:expr) => {{
        let after = $filter.after.as_ref();
        let from = $filter.from.max(after.map(|after| after.at));
        sqlx::query_as!(
            AuditRow,
            "SELECT at, writer, sequence, kind, request_id, client, endpoint, sandbox, reason, person_key,
                    person_key_id, person_salt, person_seal, nik_plausible, fields, name_rules, percentage, spoof,
                    contract_id, calibration_id, milliseconds, forget_key_id, forget_mac, key_id, mac
               FROM store.audit_event
              WHERE ($1::bytea[] IS NULL OR person_key = ANY($1))
                AND ($2::text IS NULL OR client = $2)
                AND ($5::text IS NULL OR kind = $5)
                AND at >= coalesce($3::timestamptz, '-infinity')
                AND at < coalesce($4::timestamptz, 'infinity')
                AND ($6::timestamptz IS NULL OR (at, writer, sequence) > ($6, $7::uuid, $8::bigint))
              ORDER BY at, writer, sequence
              LIMIT $9",
            $people.as_deref(),
            $filter.client,
            from,
            $filter.to,
            $filter.kind,
            after.map(|after| after.at),
            after.map(|after| after.writer),
            after.map(|after| after.sequence),
            $limit
        )
    }};
}

impl AuditLog {
    /// Connects. Reading a trail may take long, so statements have no time limit.
    ///
    /// # Errors
    ///
    /// When the settings cannot work, or there is no connection within `connect_timeout_ms`.
    pub async fn open(config: &Config) -> Result<Self, StoreError> {
        config.validate()?;
        let servers = config.servers()?.application_name("padan audit");
        let session = session::of_command(config);
        let connection = Transactions::connect(&servers, session, config.limits().connect).await?;
        Ok(Self { config: config.clone(), connection })
    }

    /// Calls `on_row` with each row, ordered by time. Memory does not grow with the number of rows.
    ///
    /// # Errors
    ///
    /// The outer error when the store fails; the inner error is the one that `on_row` returned.
    pub async fn export<E>(
        &mut self,
        filter: &AuditFilter,
        mut on_row: impl FnMut(AuditRow) -> Result<(), E>,
    ) -> Result<Result<(), E>, StoreError> {
        self.export_at_pace(filter, async |row| on_row(row)).await
    }

    /// As [`export`](Self::export), for a receiver of the rows that has to wait.
    ///
    /// # Errors
    ///
    /// As [`export`](Self::export).
    pub async fn export_at_pace<E>(
        &mut self,
        filter: &AuditFilter,
        mut on_row: impl AsyncFnMut(AuditRow) -> Result<(), E>,
    ) -> Result<Result<(), E>, StoreError> {
        let people = self.people_of(filter)?;
        let mut transaction = self.connection.begin("").await?;
        let mut rows = pin!(selected_rows!(filter, people, None::<i64>).fetch(&mut *transaction));
        while let Some(row) = rows.try_next().await.map_err(|error| Fault::of(&error))? {
            if let Err(error) = on_row(row).await {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    /// The next rows of an export, ordered by time: at most this number, after the place that the filter names.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn export_page(
        &mut self,
        filter: &AuditFilter,
        limit: u16,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let people = self.people_of(filter)?;
        let mut transaction = self.connection.begin("").await?;
        let rows = selected_rows!(filter, people, Some(i64::from(limit))).fetch_all(&mut *transaction).await;
        Ok(rows.map_err(|error| Fault::of(&error))?)
    }

    /// The ids of person keys under which rows exist and which the settings lack. Rows under them are not found by NIK.
    ///
    /// # Errors
    ///
    /// When the person keys cannot be read, or the store fails.
    pub async fn unknown_person_keys(&mut self) -> Result<Vec<String>, StoreError> {
        let known = self.config.read_person_keys()?.ids();
        let mut transaction = self.connection.begin("").await?;
        let found = other_person_keys(&known).all(&mut transaction).await;
        Ok(found.map_err(|error| Fault::of(&error))?)
    }

    /// Verifies each row against its chain, and each chain against its known heads: those in the store and those that
    /// the caller passes, such as from the services' logs.
    ///
    /// # Errors
    ///
    /// When the audit keys cannot be read, or the store fails. Faults of the trail are in the report.
    pub async fn verify(&mut self, known: Vec<AuditHead>) -> Result<AuditReport, StoreError> {
        self.verify_with_progress(known, &AtomicU64::new(0)).await
    }

    /// As [`verify`](Self::verify), and counts the rows in `checked` while it works.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub async fn verify_with_progress(
        &mut self,
        known: Vec<AuditHead>,
        checked: &AtomicU64,
    ) -> Result<AuditReport, StoreError> {
        let keys = self.keys()?;
        // One snapshot of all tables, so that rows that are written meanwhile are ignored in all of them.
        let mut snapshot = self.connection.begin(" ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        checker::verify(&mut snapshot, &keys, known, checked).await
    }

    /// Drops the months that end before a moment, which must be 90 days ago. Signed anchors replace the dropped part of
    /// each chain. The rows are verified before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Tampered`] when a row was changed, deleted or added by others than Padan; its month and the later
    /// ones then stay. Otherwise when the audit keys cannot be read, the store fails, or readers lock a month for longer
    /// than ten minutes.
    pub async fn prune(&mut self, before: DateTime<Utc>) -> Result<PrunedMonths, StoreError> {
        self.prune_or_try(before, false).await
    }

    /// What [`prune`](Self::prune) would delete. The rows are verified, and nothing is changed.
    ///
    /// # Errors
    ///
    /// As [`prune`](Self::prune).
    pub async fn try_pruning(&mut self, before: DateTime<Utc>) -> Result<PrunedMonths, StoreError> {
        self.prune_or_try(before, true).await
    }

    async fn prune_or_try(
        &mut self,
        before: DateTime<Utc>,
        dry_run: bool,
    ) -> Result<PrunedMonths, StoreError> {
        let keys = self.keys()?;
        let now = Clock::System.now();
        // PostgreSQL's resolution, since the time is signed.
        let now = now.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(now);
        retention::prune(&mut self.connection, &Pruning { keys: &keys, before, now, dry_run }).await
    }

    /// The number of calls by client, day, endpoint and outcome. The filter's person is ignored.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn usage(&mut self, filter: &AuditFilter) -> Result<Vec<UsageRow>, StoreError> {
        let mut transaction = self.connection.begin("").await?;
        usage::read(&mut transaction, filter).await
    }

    /// The processor time of photos by client and day. The filter's person is ignored.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn cpu_use(&mut self, filter: &AuditFilter) -> Result<Vec<CpuUse>, StoreError> {
        let mut transaction = self.connection.begin("").await?;
        cpu_use::read(&mut transaction, filter).await
    }

    /// The last recorded head of each chain, newest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn heads(&mut self) -> Result<Vec<AuditHead>, StoreError> {
        let mut transaction = self.connection.begin("").await?;
        checker::heads(&mut transaction).await
    }

    fn people_of(&self, filter: &AuditFilter) -> Result<Option<Vec<Vec<u8>>>, StoreError> {
        filter.nik.as_ref().map(|nik| self.config.read_person_keys()?.all_of(nik)).transpose()
    }

    fn keys(&self) -> Result<AuditKeys, StoreError> {
        self.config.read_audit_keys()
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditLog")
    }
}
