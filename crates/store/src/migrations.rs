use std::collections::HashMap;

use crate::{config::Config, error::StoreError, session};
use padan_postgres::{Fault, Pool, connect_session};
use sqlx::{
    Connection as _,
    migrate::{Migration, Migrator},
};

/// What to do when a pooler does not keep the locks of a session.
const NEEDS_SERVER: &str =
    "name a file with the URL of the server itself in store.migrate_url_file, and run `padan migrate` again";

/// The migrations of the store's schema.
const MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/store");

/// Applies the missing migrations over a separate connection. A migration may take longer than the statement timeout,
/// and the lock that excludes other migrating processes ends with the connection, also after a failure.
pub(crate) async fn run(config: &Config) -> Result<(), StoreError> {
    let servers = config.migration_servers()?.application_name("padan migrate");
    let session = session::of_command(config);
    let mut connection = connect_session(&servers, &session, config.limits().connect, NEEDS_SERVER).await?;
    let outcome = MIGRATIONS.run_direct(None, &mut connection, false).await;
    connection.close().await.map_err(|error| Fault::of(&error))?;
    outcome.map_err(|error| StoreError::Migration(error.to_string()))
}

/// The names of the missing migrations, in order. Migrations of a newer program are ignored, so that an older process
/// continues to serve during an upgrade.
pub(crate) async fn pending(pool: &Pool) -> Result<Vec<String>, StoreError> {
    let applied: HashMap<_, _> = applied(pool).await?.into_iter().map(|row| (row.version, row)).collect();
    let mut pending = Vec::new();
    for migration in MIGRATIONS.iter() {
        match applied.get(&migration.version) {
            None => pending.push(name(migration)),
            Some(row) if !row.success || row.checksum != *migration.checksum => {
                let name = name(migration);
                return Err(StoreError::Migration(format!(
                    "migration {name} was applied with another content than this program has"
                )));
            }
            Some(_) => {}
        }
    }
    Ok(pending)
}

/// What the schema of a store supports, by the migrations that were applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SchemaSupport {
    /// Rows of kind `admin` in the audit trail.
    pub administration: bool,
    /// Signed rows of clients.
    pub signed_clients: bool,
}

pub(crate) async fn support(pool: &Pool) -> Result<SchemaSupport, StoreError> {
    let rows = applied(pool).await?;
    let has = |version| rows.iter().any(|row| row.success && row.version == version);
    Ok(SchemaSupport { administration: has(18), signed_clients: has(19) })
}

fn name(migration: &Migration) -> String {
    format!("{:04} {}", migration.version, migration.description)
}

struct AppliedRow {
    version: i64,
    checksum: Vec<u8>,
    success: bool,
}

/// The migrations that were applied; none in a new database.
async fn applied(pool: &Pool) -> Result<Vec<AppliedRow>, StoreError> {
    let query =
        || sqlx::query_scalar!(r#"SELECT to_regclass('store._sqlx_migrations') IS NOT NULL AS "exists!""#);
    if !pool.fetch_one(query).await? {
        return Ok(Vec::new());
    }
    let query = || {
        sqlx::query_as!(
            AppliedRow,
            "SELECT version, checksum, success FROM store._sqlx_migrations ORDER BY version"
        )
    };
    Ok(pool.fetch_all(query).await?)
}
