use std::{
    env, fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::SystemTime,
};

use sqlx::{PgConnection, postgres::PgConnectOptions};

use crate::test_database::{TestDatabase, connect, execute, server, texts};

/// The advisory lock of whoever makes a template. [`Standby`](crate::Standby) takes another one.
const MAKING_A_TEMPLATE: i64 = 2;

impl TestDatabase {
    /// Creates a database with what `fill` writes. The first call fills a template, which stays on the server; all others
    /// copy it, also those of other processes of the same test program.
    ///
    /// # Panics
    ///
    /// As [`create`](Self::create).
    pub async fn filled(name: &str, fill: impl AsyncFnOnce(&Self)) -> Self {
        let server = server();
        let template = format!("padan_template_{name}_{:016x}", build_of_this_program());
        let mut connection = connect(&server).await;
        if !exists(&mut connection, &template).await {
            // Closing the connection releases the lock.
            execute(&mut connection, format!("SELECT pg_advisory_lock({MAKING_A_TEMPLATE})")).await;
            if !exists(&mut connection, &template).await {
                make(&mut connection, &template, fill).await;
            }
        }
        Self::copy_of(server, &template).await
    }

    async fn copy_of(server: PgConnectOptions, template: &str) -> Self {
        let database = Self::named_by_chance(server);
        database.on_server(format!("CREATE DATABASE {} TEMPLATE {template}", database.name())).await;
        database
    }
}

/// Fills a database and gives it the template's name at the end, so that no other process copies it before.
async fn make(connection: &mut PgConnection, template: &str, fill: impl AsyncFnOnce(&TestDatabase)) {
    let filled = TestDatabase::create().await;
    fill(&filled).await;
    let name = filled.name();
    execute(connection, format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    filled.end_connections().await;
    execute(connection, format!("ALTER DATABASE {name} RENAME TO {template}")).await;
}

async fn exists(connection: &mut PgConnection, template: &str) -> bool {
    let query = format!("SELECT datname::text FROM pg_database WHERE datname = '{template}'");
    !texts(connection, query).await.is_empty()
}

/// Distinguishes builds of the test program, as each may fill its databases differently.
fn build_of_this_program() -> u64 {
    let program = env::current_exe().unwrap_or_else(|error| panic!("the test's own program: {error}"));
    let built = fs::metadata(&program).and_then(|program| program.modified());
    let mut hasher = DefaultHasher::new();
    (program, built.unwrap_or(SystemTime::UNIX_EPOCH)).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use tokio::join;

    use super::*;

    #[tokio::test]
    async fn a_template_is_filled_once_and_its_copies_are_independent() {
        let fillings = AtomicU32::new(0);
        let name = format!("once_{}", std::process::id());
        let database = || {
            TestDatabase::filled(&name, async |empty| {
                fillings.fetch_add(1, Relaxed);
                empty.execute("CREATE TABLE written AS SELECT 'by the template' AS text").await;
            })
        };
        let (one, other) = join!(database(), database());
        assert_eq!(fillings.load(Relaxed), 1);
        one.execute("UPDATE written SET text = 'changed'").await;
        assert_eq!(one.texts("SELECT text FROM written").await, ["changed"]);
        assert_eq!(other.texts("SELECT text FROM written").await, ["by the template"]);
        let template = format!("padan_template_{name}_{:016x}", build_of_this_program());
        one.on_server(format!("DROP DATABASE {template}")).await;
    }
}
