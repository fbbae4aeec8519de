use std::{fmt, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt as _, TryFutureExt as _, future::BoxFuture};
use padan_domain::{Clock, ModelContractId, NationalId};
use padan_postgres::{Pool, PoolFigures};
use sqlx::PgConnection;

use crate::{
    attempts::{self, Failures},
    audit::{
        forgetting::{Forgetting, Forgotten, STEP},
        keys::AuditKeys,
        person_keys_in_use::person_keys_besides,
        trail::AuditTrail,
    },
    config::Config,
    error::StoreError,
    migrations,
    person_keys::PersonKeys,
    rotation::{self, Page, Place, Resealed},
    template::{self, StoredTemplate, TemplateId},
    template_keys::TemplateKeys,
};

/// The service's own database. Cheap to clone.
#[derive(Clone)]
pub struct Store(pub(crate) Arc<Parts>);

pub(crate) struct Parts {
    config: Config,
    pub(crate) person_keys: PersonKeys,
    pub(crate) template_keys: TemplateKeys,
    audit_keys: AuditKeys,
    pub(crate) pool: Arc<Pool>,
}

impl Store {
    /// Checks the settings, reads the keys and prepares a pool. No connection is opened before the
    /// first statement, so the database need not be up.
    ///
    /// Must be called within a Tokio runtime, which looks after the pool.
    pub fn new(config: &Config) -> Result<Self, StoreError> {
        config.validate()?;
        let options = config.connect_options()?;
        Ok(Self(Arc::new(Parts {
            person_keys: config.read_person_keys()?,
            template_keys: config.read_template_keys()?,
            audit_keys: config.read_audit_keys()?,
            pool: Arc::new(Pool::new(options, config.limits(), None)),
            config: config.clone(),
        })))
    }

    /// Applies the migrations that are missing; does nothing when none is. Safe to run from several
    /// processes at once: one works, the others wait, or give up after `migration_lock_timeout_ms` with nothing changed.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        migrations::run(&self.0.config).await
    }

    /// The names of the migrations that are missing, in order. Writes nothing.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        migrations::pending(&self.0.pool).await
    }

    /// Whether the store can do its work now: reachable, writable, no migration missing, the table permitted.
    pub async fn check(&self) -> Result<(), StoreError> {
        let refused = |what: String| StoreError::Unavailable(format!("{}: {what}", self.0.pool.name()));
        let pending = self.pending_migrations().await?;
        if let Some(first) = pending.first() {
            let text =
                format!("{} migrations are missing, from {first} on: run `padan migrate`", pending.len());
            return Err(refused(text));
        }
        let session = self.0.pool.run(session, &()).await?;
        if session.read_only {
            return Err(refused("it takes no writes: a standby, or a read-only role".into()));
        }
        if !session.permitted {
            return Err(refused(
                "the role may not read and write what the service keeps (padan_service may)".into(),
            ));
        }
        if !self.may_read_clients().await? {
            return Err(refused("the role may not read store.client or not count in store.quota_use".into()));
        }
        Ok(())
    }

    /// Settings of the server by which what it has committed can be lost, in words. Writes nothing.
    pub async fn forgetfulness(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.0.pool.run(forgetfulness, &()).await?)
    }

    /// By how much the server's clock is ahead of this machine's; negative when it is behind. The way there and back
    /// makes it uncertain by half of its time.
    pub async fn clock_ahead(&self) -> Result<TimeDelta, StoreError> {
        Ok(self.0.pool.run(clock_ahead, &()).await?)
    }

    /// The template of a person under a model contract. Whether it is stale is for the caller to judge.
    pub async fn template(
        &self,
        nik: &NationalId,
        contract: &ModelContractId,
    ) -> Result<Option<StoredTemplate>, StoreError> {
        let id = self.template_id(nik, contract)?;
        let row = self.0.pool.run(template::read, &id).await?;
        row.map(|row| row.open(&id, &self.0.template_keys)).transpose()
    }

    /// Keeps a template. One that came from an older photo than one kept within the last hour
    /// changes nothing.
    pub async fn keep_template(
        &self,
        nik: &NationalId,
        contract: &ModelContractId,
        template: &StoredTemplate,
    ) -> Result<(), StoreError> {
        self.keep_templates(&[(nik.clone(), template.clone())], contract).await
    }

    /// Seals every template with the current key that another one seals, batch by batch, and reports after each, and after
    /// each page where nothing is left to do.
    ///
    /// Services go on reading and writing meanwhile. Ended at any moment, nothing is lost, and the next run goes on
    /// with what is left.
    pub async fn reseal_templates(
        &self,
        mut after_each: impl AsyncFnMut(Resealed),
    ) -> Result<Resealed, StoreError> {
        let keys = &self.0.template_keys;
        let mut so_far = Resealed::default();
        let mut question = (keys.current_id().to_owned(), Place::start());
        while let Some(page) = Page::of(self.0.pool.run(rotation::next, &question).await?, keys)? {
            so_far.seen += page.seen;
            so_far.unopened += page.unopened;
            for batch in &page.batches {
                let replaced = self.0.pool.run(rotation::replace, batch).await?;
                so_far.resealed += replaced;
                so_far.overtaken += batch.len() - replaced;
                after_each(so_far).await;
            }
            question.1 = page.last;
            if page.batches.is_empty() {
                after_each(so_far).await;
            }
        }
        Ok(so_far)
    }

    /// Starts to write the audit trail, in a chain of its own. One a process is enough. Must be called within a Tokio
    /// runtime.
    pub fn audit_trail(&self, clock: Clock) -> AuditTrail {
        let Parts { pool, audit_keys, person_keys, config, .. } = &*self.0;
        AuditTrail::start(
            Arc::clone(pool),
            (audit_keys.clone(), person_keys.clone()),
            clock,
            config.audit_timeout(),
        )
    }

    /// When the last but so many of a client's faces for a person failed since a moment: `None` when fewer did.
    pub async fn failed_face(
        &self,
        nik: &NationalId,
        client: &str,
        since: DateTime<Utc>,
        most: u32,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let person = self.0.person_keys.of(nik)?;
        let failures = Failures { person, client: client.to_owned(), since, most: most.into() };
        Ok(self.0.pool.run(attempts::last_but, &failures).await?)
    }

    /// Destroys the person's templates and takes the person out of the audit trail, whose rows stay, whichever of the
    /// person keys they were written under. Rows say that it was done, by whom and to how many rows; each is there if and
    /// only if what it says was done. Nothing is written when there is nothing about the person.
    pub async fn forget(
        &self,
        nik: &NationalId,
        by: &str,
        trail: &AuditTrail,
    ) -> Result<Forgotten, StoreError> {
        let forgetting = Forgetting { people: self.0.person_keys.all_of(nik)?, by: by.to_owned() };
        let mut so_far = Forgotten::default();
        loop {
            let gone = trail.forget(&forgetting).await?;
            so_far.templates += gone.templates;
            so_far.audit_rows += gone.audit_rows;
            if gone.audit_rows < STEP {
                return Ok(so_far);
            }
        }
    }

    /// The ids of person keys that are not among the settings' and under which rows of the audit trail were written: a
    /// person is not found there.
    pub async fn unknown_person_keys(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.0.pool.run(person_keys_besides, &self.0.person_keys.ids()).await?)
    }

    /// The pool, for statements that have files of their own.
    pub(crate) fn connections(&self) -> &Pool {
        &self.0.pool
    }

    /// Figures of the pool.
    pub fn pool(&self) -> PoolFigures {
        self.0.pool.figures()
    }

    pub(crate) fn template_id(
        &self,
        nik: &NationalId,
        contract: &ModelContractId,
    ) -> Result<TemplateId, StoreError> {
        Ok(TemplateId { person: self.0.person_keys.of(nik)?, contract: contract.as_str().to_owned() })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.0.pool.name()).finish()
    }
}

fn forgetfulness<'c>(
    connection: &'c mut PgConnection,
    (): &'c (),
) -> BoxFuture<'c, sqlx::Result<Vec<String>>> {
    sqlx::query_scalar!(
        r#"SELECT array_agg(name || ' is off' ORDER BY name) AS "found!"
             FROM pg_settings
            WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')
              AND setting = 'off'
           HAVING count(*) > 0"#
    )
    .fetch_optional(connection)
    .map_ok(Option::unwrap_or_default)
    .boxed()
}

fn clock_ahead<'c>(connection: &'c mut PgConnection, (): &'c ()) -> BoxFuture<'c, sqlx::Result<TimeDelta>> {
    let asked = Clock::System.now();
    sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
        .fetch_one(connection)
        .map_ok(move |now| now - (asked + (Clock::System.now() - asked) / 2))
        .boxed()
}

struct SessionRow {
    read_only: bool,
    permitted: bool,
}

fn session<'c>(connection: &'c mut PgConnection, (): &'c ()) -> BoxFuture<'c, sqlx::Result<SessionRow>> {
    sqlx::query_as!(
        SessionRow,
        r#"SELECT current_setting('transaction_read_only') = 'on' AS "read_only!",
                  has_table_privilege('store.face_template', 'SELECT')
                  AND has_table_privilege('store.face_template', 'INSERT')
                  AND has_table_privilege('store.face_template', 'UPDATE')
                  AND has_table_privilege('store.audit_event', 'INSERT')
                  AND has_table_privilege('store.audit_chain', 'INSERT')
                  AND has_column_privilege('store.audit_chain', 'mac', 'SELECT')
                  AND has_table_privilege('store.audit_end', 'INSERT')
                  AND has_table_privilege('store.audit_end', 'SELECT')
                  AND has_table_privilege('store.audit_head', 'INSERT') AS "permitted!""#
    )
    .fetch_one(connection)
    .boxed()
}
