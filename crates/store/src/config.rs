use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use padan_postgres::{Limits, Servers};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::{
    audit::keys::AuditKeys,
    error::StoreError,
    keys::{key_set::KeySet, person_keys::PersonKeys, secret},
    templates::keys::TemplateKeys,
};

/// Settings of section `[store]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `postgres://` URL of the service's own database, with one host or several, of which the primary is used. When it is wrong or the database is down, a verification of a
    /// known NIK is answered 503. `padan migrate` needs a user who may create schemas and roles, the service a user in
    /// the role `padan_service`. Either this or `url_file` is set.
    pub url: SecretString,
    /// A file with the URL. It contains a password: only the service may read it.
    #[serde(default)]
    pub url_file: Option<PathBuf>,
    /// A file with the URL that `padan migrate` uses instead, for a store behind a pooler: one that leads to the server
    /// itself, as a user who may create schemas and roles. Only who migrates may read it.
    #[serde(default)]
    pub migrate_url_file: Option<PathBuf>,
    /// A file with the URL that the management interface uses: of a user in the role `padan_operator`. Only a service
    /// with `http.management` needs it, and only that service may read it.
    #[serde(default)]
    pub management_url_file: Option<PathBuf>,
    /// Whether a database beyond this machine may be connected to without TLS that checks its certificate
    /// (`sslmode=verify-full` or `verify-ca` in the URL). If true, everybody on the network in between can read what
    /// is sent, or pretend to be the store.
    pub allow_plaintext: bool,
    /// The secrets that turn a NIK into the key of a person's rows: 64 or more hexadecimal digits each, separated by
    /// commas or white space. Either this or `person_key_file` is set. Rows are written under the first one. The others
    /// are former ones, so that `padan audit export --nik` and `padan person forget` find rows that were written under
    /// them. With another first key, no template is found and every portrait is embedded again.
    #[serde(default)]
    pub person_key: Option<SecretString>,
    /// A file with the secrets, one per line. Only the service may read it.
    #[serde(default)]
    pub person_key_file: Option<PathBuf>,
    /// The keys that encrypt templates, 64 hexadecimal digits each, separated by commas or white space. The first one
    /// encrypts, all decrypt. Either this or `template_keys_file` is set. A template whose key is missing cannot be
    /// read: the next verification or `padan enroll` embeds the portrait again. Processes without a common key replace
    /// each other's templates repeatedly.
    #[serde(default)]
    pub template_keys: Option<SecretString>,
    /// A file with the keys, one per line. Only the service may read it.
    #[serde(default)]
    pub template_keys_file: Option<PathBuf>,
    /// The keys that sign the audit trail, 64 hexadecimal digits each, separated by commas or white space. The first
    /// one signs, all verify. Either this or `audit_keys_file` is set. A row cannot be verified without its key, and a
    /// client whose row was signed with a missing key is refused. With a key, rows can be forged.
    #[serde(default)]
    pub audit_keys: Option<SecretString>,
    /// A file with the keys, one per line. Only the service, operators and auditors may read it.
    #[serde(default)]
    pub audit_keys_file: Option<PathBuf>,
    /// How long an answer waits until its audit row is durable. Too short: a slow disk causes 503. Too long: callers
    /// wait for a store that is down.
    pub audit_timeout_ms: u64,
    /// How long it may take to get a connection, new or from the pool. Too short: a short peak of load causes 503. Too
    /// long: requests queue for a store that is down.
    pub connect_timeout_ms: u64,
    /// How long the server may work on one statement. Too short: a checkpoint on a slow disk causes 503. Too long: a
    /// blocked statement keeps its connection and the pool is exhausted.
    pub statement_timeout_ms: u64,
    /// How long a statement may wait for a lock. It has no effect when it is longer than the statement timeout.
    pub lock_timeout_ms: u64,
    /// How long one migration may wait for a lock before it fails and changes nothing. Too long: statements of the
    /// service wait behind the migration.
    pub migration_lock_timeout_ms: u64,
    /// The most connections of one process. Too few: statements queue and time out under load, which the metrics of the
    /// pool show. Too many: all instances together exhaust the server's `max_connections`.
    pub max_connections: NonZeroU32,
    /// The time after which an unused connection is closed. Longer than a firewall's idle limit: the next statement
    /// gets a dead connection and waits for the connect timeout.
    pub idle_timeout_ms: u64,
    /// The time after which a connection is replaced, so that a fail-over behind the same address takes effect. Too
    /// short: statements wait for new connections.
    pub max_lifetime_ms: u64,
}

impl Config {
    /// Every fault that is found without a connection, in a store that is opened with these keys.
    pub fn faults(&self, keys: KeySet) -> Vec<StoreError> {
        let outcomes = [
            self.validate(),
            self.servers().map(drop),
            if keys.has_person_keys() { self.read_person_keys().map(drop) } else { Ok(()) },
            if keys.has_template_keys() { self.read_template_keys().map(drop) } else { Ok(()) },
            self.read_audit_keys().map(drop),
        ];
        outcomes.into_iter().filter_map(Result::err).collect()
    }

    /// The settings with the URL of the management interface.
    ///
    /// # Errors
    ///
    /// [`StoreError::Config`] when `management_url_file` is not set or cannot be read.
    pub fn for_management(&self) -> Result<Self, StoreError> {
        let file = self.management_url_file.as_deref();
        let read =
            padan_postgres::read_secret("store.management_url", None, file).map_err(StoreError::Config)?;
        let url = read.ok_or_else(|| {
            StoreError::Config(
                "http.management needs store.management_url_file: a file with the URL of a database user in the role \
                 padan_operator"
                    .into(),
            )
        })?;
        Ok(Self { url, url_file: None, ..self.clone() })
    }

    /// Refuses settings that cannot work.
    pub(crate) fn validate(&self) -> Result<(), StoreError> {
        for (key, value) in [
            ("audit_timeout_ms", self.audit_timeout_ms),
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("statement_timeout_ms", self.statement_timeout_ms),
            ("lock_timeout_ms", self.lock_timeout_ms),
            ("migration_lock_timeout_ms", self.migration_lock_timeout_ms),
            ("idle_timeout_ms", self.idle_timeout_ms),
            ("max_lifetime_ms", self.max_lifetime_ms),
        ] {
            // PostgreSQL stores its timeouts in 32 bits; 0 disables a timeout.
            if value == 0 || i32::try_from(value).is_err() {
                let text = format!("store.{key} is {value}: it must be from 1 to {}", i32::MAX);
                return Err(StoreError::Config(text));
            }
        }
        Ok(())
    }

    /// The servers of the store, of which one is the primary.
    pub(crate) fn servers(&self) -> Result<Servers, StoreError> {
        self.servers_of(&self.read_url()?, "store.url")
    }

    /// The servers for migrations, which take locks that outlast a transaction.
    pub(crate) fn migration_servers(&self) -> Result<Servers, StoreError> {
        let read = padan_postgres::read_secret("store.migrate_url", None, self.migrate_url_file.as_deref());
        match read.map_err(StoreError::Config)? {
            Some(url) => self.servers_of(&url, "store.migrate_url_file"),
            None => self.servers(),
        }
    }

    fn servers_of(&self, url: &SecretString, key: &str) -> Result<Servers, StoreError> {
        let url = url.expose_secret();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(StoreError::Config(format!("{key} is not a postgres:// URL")));
        }
        Servers::of(url, "store", self.allow_plaintext)
            .map_err(|error| StoreError::Config(format!("{key}: {error}")))
    }

    /// Reads the URL from the settings or the file that they name.
    fn read_url(&self) -> Result<SecretString, StoreError> {
        let url = Some(&self.url).filter(|url| !url.expose_secret().is_empty());
        let read = padan_postgres::read_secret("store.url", url, self.url_file.as_deref())
            .map_err(StoreError::Config)?;
        read.ok_or_else(|| {
            StoreError::Config(
                "store.url is not set: put it into the file that store.url_file names, or into the environment \
                 variable PADAN__STORE__URL"
                    .into(),
            )
        })
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            section: "store",
            connect: Duration::from_millis(self.connect_timeout_ms),
            statement: Duration::from_millis(self.statement_timeout_ms),
            lock: Duration::from_millis(self.lock_timeout_ms),
            idle: Duration::from_millis(self.idle_timeout_ms),
            lifetime: Duration::from_millis(self.max_lifetime_ms),
            max_connections: self.max_connections,
        }
    }

    /// How long an answer waits for its audit row.
    pub(crate) fn audit_timeout(&self) -> Duration {
        Duration::from_millis(self.audit_timeout_ms)
    }

    /// Reads the person keys from the settings or the file that they name.
    pub(crate) fn read_person_keys(&self) -> Result<PersonKeys, StoreError> {
        let Self { person_key, person_key_file, .. } = self;
        let text = secret::read("person_key", person_key.as_ref(), person_key_file.as_deref())?;
        PersonKeys::from_hex(&text)
            .map_err(|error| secret::in_file(error, "person_key", person_key_file.as_deref()))
    }

    /// Reads the template keys from the settings or the file that they name.
    pub(crate) fn read_template_keys(&self) -> Result<TemplateKeys, StoreError> {
        let Self { template_keys, template_keys_file, .. } = self;
        let text = secret::read("template_keys", template_keys.as_ref(), template_keys_file.as_deref())?;
        TemplateKeys::from_hex(&text)
            .map_err(|error| secret::in_file(error, "template_keys", template_keys_file.as_deref()))
    }

    /// Reads the audit keys from the settings or the file that they name.
    pub(crate) fn read_audit_keys(&self) -> Result<AuditKeys, StoreError> {
        let Self { audit_keys, audit_keys_file, .. } = self;
        let text = secret::read("audit_keys", audit_keys.as_ref(), audit_keys_file.as_deref())?;
        AuditKeys::from_hex(&text)
            .map_err(|error| secret::in_file(error, "audit_keys", audit_keys_file.as_deref()))
    }
}
