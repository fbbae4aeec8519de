use std::{fmt, sync::Arc};

use chrono::TimeDelta;
use futures_util::{FutureExt as _, TryFutureExt as _};
use padan_domain::{Clock, ModelContractId, NationalId};
use padan_postgres::{Pool, PoolFigures, Session};

use crate::{
    audit::{
        forgetting::{Forgetting, Forgotten, STEP_ROWS, count_rows},
        keys::AuditKeys,
        person_keys_in_use::other_person_keys,
        trail::AuditTrail,
    },
    config::Config,
    error::{StoreError, missing_key},
    keys::{key_set::KeySet, person_keys::PersonKeys},
    migrations::{self, SchemaSupport},
    templates::{TemplateId, keys::TemplateKeys},
};

/// The service's own database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store(pub(crate) Arc<Parts>);

pub(crate) struct Parts {
    config: Config,
    person_keys: Option<PersonKeys>,
    template_keys: Option<TemplateKeys>,
    audit_keys: AuditKeys,
    pub(crate) pool: Arc<Pool>,
}

impl Store {
    /// Opens the store with all keys. See [`open`](Self::open).
    ///
    /// # Errors
    ///
    /// [`StoreError::Config`] when the settings cannot work or a key cannot be read.
    pub fn new(config: &Config) -> Result<Self, StoreError> {
        Self::open(config, KeySet::All)
    }

    /// Checks the settings, reads the keys of the set and prepares a pool. No connection is opened before the first
    /// statement, so the database need not be up.
    ///
    /// Must be called within a Tokio runtime, which maintains the pool.
    ///
    /// # Errors
    ///
    /// [`StoreError::Config`] when the settings cannot work or a key cannot be read.
    pub fn open(config: &Config, keys: KeySet) -> Result<Self, StoreError> {
        let faults: Vec<_> = config.faults(keys).iter().map(ToString::to_string).collect();
        if !faults.is_empty() {
            return Err(StoreError::Config(faults.join("; ")));
        }
        let servers = config.servers()?;
        Ok(Self(Arc::new(Parts {
            person_keys: keys.has_person_keys().then(|| config.read_person_keys()).transpose()?,
            template_keys: keys.has_template_keys().then(|| config.read_template_keys()).transpose()?,
            audit_keys: config.read_audit_keys()?,
            pool: Arc::new(Pool::new(&servers, config.limits(), Session::durable(), None)),
            config: config.clone(),
        })))
    }

    /// Applies the missing migrations. Several processes may run it at the same time: one applies them, the others
    /// wait, or fail after `migration_lock_timeout_ms` with nothing changed.
    ///
    /// # Errors
    ///
    /// When there is no connection in time, or a migration fails.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        migrations::run(&self.0.config).await
    }

    /// The names of the missing migrations, in order. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Migration`] when a migration differs from that of this program; otherwise when the store fails.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        migrations::pending(&self.0.pool).await
    }

    /// What the present schema supports. Writes nothing.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn schema_support(&self) -> Result<SchemaSupport, StoreError> {
        migrations::support(&self.0.pool).await
    }

    /// Checks that the store can serve: it is reachable and writable, no migration is missing, and the role has the
    /// privileges.
    ///
    /// # Errors
    ///
    /// When a condition does not hold; the text names the first one.
    pub async fn check(&self) -> Result<(), StoreError> {
        let unavailable =
            |reason: String| StoreError::Unavailable(format!("{}: {reason}", self.0.pool.name()));
        let pending = self.pending_migrations().await?;
        if let Some(first) = pending.first() {
            let text =
                format!("{} migrations are missing, from {first} on: run `padan migrate`", pending.len());
            return Err(unavailable(text));
        }
        let query = || {
            sqlx::query_as!(
                SessionRow,
                r#"SELECT current_setting('transaction_read_only') = 'on' AS "read_only!",
                          has_table_privilege('store.face_template', 'SELECT')
                          AND has_table_privilege('store.face_template', 'INSERT')
                          AND has_table_privilege('store.face_template', 'UPDATE')
                          AND has_table_privilege('store.audit_event', 'INSERT')
                          AND has_table_privilege('store.audit_chain', 'INSERT')
                          AND has_table_privilege('store.audit_chain', 'SELECT')
                          AND has_table_privilege('store.audit_end', 'INSERT')
                          AND has_table_privilege('store.audit_end', 'SELECT')
                          AND has_table_privilege('store.audit_head', 'INSERT') AS "permitted!""#
            )
        };
        let session = self.0.pool.fetch_one(query).await?;
        if session.read_only {
            return Err(unavailable("it takes no writes: a standby, or a read-only role".into()));
        }
        if !session.permitted {
            return Err(unavailable(
                "the role may not read and write the service's tables (padan_service may)".into(),
            ));
        }
        if !self.clients().may_read().await? {
            return Err(unavailable(
                "the role may not read store.client, or not read and write store.quota_use".into(),
            ));
        }
        Ok(())
    }

    /// The server's settings that let a power failure lose committed transactions, as texts for an operator, except
    /// `synchronous_commit`, which each session sets. Writes nothing.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn durability_risks(&self) -> Result<Vec<String>, StoreError> {
        let query = || {
            sqlx::query_scalar!(
                r#"SELECT name || ' is off' AS "risk!"
                     FROM pg_settings
                    WHERE name IN ('fsync', 'full_page_writes')
                      AND setting = 'off'
                    ORDER BY name"#
            )
        };
        Ok(self.0.pool.fetch_all(query).await?)
    }

    /// Whether the server says that the session is encrypted. A pooler in between answers for its own connection.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn session_is_encrypted(&self) -> Result<bool, StoreError> {
        let query = || {
            sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl) AS "is_encrypted!""#
            )
        };
        Ok(self.0.pool.fetch_one(query).await?)
    }

    /// The server's clock minus this machine's. The error is at most half of the round-trip time.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn clock_ahead(&self) -> Result<TimeDelta, StoreError> {
        let ahead = self.0.pool.run(
            |connection, ()| {
                let asked_at = Clock::System.now();
                sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
                    .fetch_one(connection)
                    .map_ok(move |now| now - (asked_at + (Clock::System.now() - asked_at) / 2))
                    .boxed()
            },
            &(),
        );
        Ok(ahead.await?)
    }

    /// Starts the writer of an audit trail with its own chain. A process needs only one. Must be called within a Tokio
    /// runtime.
    pub fn audit_trail(&self, clock: Clock) -> AuditTrail {
        let Parts { pool, audit_keys, person_keys, config, .. } = &*self.0;
        AuditTrail::start(
            Arc::clone(pool),
            audit_keys.clone(),
            person_keys.clone(),
            clock,
            config.audit_timeout(),
        )
    }

    /// Deletes a person's templates and removes the person from the rows of the audit trail, under all person keys. The
    /// rows remain. Files of exports are removed, whomever they are about. Further rows announce how many rows were changed and who requested it. Nothing is written when
    /// there is no data about the person.
    ///
    /// # Errors
    ///
    /// [`StoreError::Tampered`] when a row names the person and was not written so by Padan: its step changed nothing.
    /// Otherwise when the store fails. The previous steps are then complete, and another call does the rest.
    pub async fn forget(
        &self,
        nik: &NationalId,
        requested_by: &str,
        trail: &AuditTrail,
    ) -> Result<Forgotten, StoreError> {
        let people = self.0.person_keys()?.all_of(nik)?;
        let forgetting = Forgetting { people, requested_by: requested_by.to_owned() };
        let mut so_far = Forgotten::default();
        loop {
            let step = trail.forget(&forgetting).await?;
            so_far.templates += step.templates;
            so_far.audit_rows += step.audit_rows;
            if step.audit_rows < STEP_ROWS {
                self.jobs().discard_all_exports().await?;
                so_far.rows_left =
                    self.0.pool.fetch_one(|| count_rows(&forgetting.people)).await?.unsigned_abs();
                return Ok(so_far);
            }
        }
    }

    /// The ids of person keys under which rows of the audit trail exist and which the settings lack. Rows under them
    /// are not found by NIK.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn unknown_person_keys(&self) -> Result<Vec<String>, StoreError> {
        let known = self.0.person_keys()?.ids();
        Ok(self.0.pool.fetch_all(|| other_person_keys(&known)).await?)
    }

    /// The state and counters of the pool.
    pub fn pool_figures(&self) -> PoolFigures {
        self.0.pool.figures()
    }
}

impl Parts {
    pub(crate) fn person_keys(&self) -> Result<&PersonKeys, StoreError> {
        self.person_keys.as_ref().ok_or_else(|| missing_key("person_key"))
    }

    pub(crate) fn template_keys(&self) -> Result<&TemplateKeys, StoreError> {
        self.template_keys.as_ref().ok_or_else(|| missing_key("template_keys"))
    }

    pub(crate) fn audit_keys(&self) -> &AuditKeys {
        &self.audit_keys
    }

    /// The pool, for the statements in other files.
    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) fn template_id(
        &self,
        nik: &NationalId,
        contract: &ModelContractId,
    ) -> Result<TemplateId, StoreError> {
        Ok(TemplateId { person: self.person_keys()?.of(nik)?, contract: contract.as_str().to_owned() })
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.pool.name(), f)
    }
}

struct SessionRow {
    read_only: bool,
    permitted: bool,
}
