use std::{fmt, pin::pin, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use padan_postgres::Fault;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio::time::timeout;

use super::{
    checker::{self, AuditReport},
    filter::AuditFilter,
    head::AuditHead,
    keys::AuditKeys,
    person_keys_in_use::person_keys_besides,
    retention,
    row::AuditRow,
    usage::{self, UsageRow},
};
use crate::{config::Config, error::StoreError};

/// The audit trail as its reader sees it: to export, to verify, to prune. Needs the keys of neither templates nor, unless
/// a person is looked for, persons.
pub struct AuditLog {
    config: Config,
    connection: PgConnection,
}

impl AuditLog {
    /// Connects. A trail may take long to read, so no statement has a time limit.
    pub async fn open(config: &Config) -> Result<Self, StoreError> {
        config.validate()?;
        let options = config.connect_options()?.application_name("padan audit").options([
            ("statement_timeout", "0".to_owned()),
            ("lock_timeout", config.migration_lock_timeout_ms.to_string()),
        ]);
        let patience = Duration::from_millis(config.connect_timeout_ms);
        let connected = timeout(patience, options.connect())
            .await
            .map_err(|_| StoreError::Timeout(format!("no connection within {} ms", patience.as_millis())))?;
        Ok(Self { config: config.clone(), connection: connected.map_err(|error| Fault::of(&error))? })
    }

    /// Hands over the rows in the order of time, one after the other, however many there are.
    pub async fn export<E>(
        &mut self,
        filter: &AuditFilter,
        mut take: impl FnMut(AuditRow) -> Result<(), E>,
    ) -> Result<Result<(), E>, StoreError> {
        let people = match &filter.nik {
            Some(nik) => Some(self.config.read_person_keys()?.all_of(nik)?),
            None => None,
        };
        let mut rows = pin!(
            sqlx::query_as!(
                AuditRow,
                "SELECT at, writer, sequence, kind, request_id, client, endpoint, reason, person_key, person_key_id,
                        person_salt, person_seal, nik_plausible, fields, percentage, contract_id, calibration_id,
                        milliseconds, forget_key_id, forget_mac, key_id, mac
                   FROM store.audit_event
                  WHERE ($1::bytea[] IS NULL OR person_key = ANY($1))
                    AND ($2::text IS NULL OR client = $2)
                    AND at >= coalesce($3::timestamptz, '-infinity')
                    AND at < coalesce($4::timestamptz, 'infinity')
                  ORDER BY at, writer, sequence",
                people.as_deref(),
                filter.client,
                filter.from,
                filter.to
            )
            .fetch(&mut self.connection)
        );
        while let Some(row) = rows.try_next().await.map_err(|error| Fault::of(&error))? {
            if let Err(refused) = take(row) {
                return Ok(Err(refused));
            }
        }
        Ok(Ok(()))
    }

    /// The ids of person keys that are not among the settings' and under which there are rows: a person is not found
    /// there.
    pub async fn unknown_person_keys(&mut self) -> Result<Vec<String>, StoreError> {
        let known = self.config.read_person_keys()?.ids();
        let found = person_keys_besides(&mut self.connection, &known).await;
        Ok(found.map_err(|error| Fault::of(&error))?)
    }

    /// Verifies every row against its chain, and every chain against the heads that are known of it: those in the
    /// store, and those that the caller has from elsewhere, such as the services' logs.
    pub async fn verify(&mut self, known: Vec<AuditHead>) -> Result<AuditReport, StoreError> {
        let keys = self.keys()?;
        // One view of all tables: rows that are written meanwhile are not half seen.
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let mut view = self.connection.begin_with(begin).await.map_err(|error| Fault::of(&error))?;
        checker::verify(&mut view, &keys, known).await
    }

    /// Drops the months that lie wholly before a moment, leaves signed anchors for the chains that reach into them, and
    /// returns their names.
    pub async fn prune(&mut self, before: DateTime<Utc>) -> Result<Vec<String>, StoreError> {
        let keys = self.keys()?;
        retention::prune(&mut self.connection, &keys, before).await
    }

    /// How many calls were made, by client, day, endpoint and outcome. The filter's person does not count.
    pub async fn usage(&mut self, filter: &AuditFilter) -> Result<Vec<UsageRow>, StoreError> {
        usage::read(&mut self.connection, filter).await
    }

    /// The last head of each chain that the store knows, the latest first.
    pub async fn heads(&mut self) -> Result<Vec<AuditHead>, StoreError> {
        checker::heads(&mut self.connection).await
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
