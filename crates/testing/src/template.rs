use std::{
    env, fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::SystemTime,
};

use sqlx::{PgConnection, postgres::PgConnectOptions};

use crate::test_database::{TestDatabase, connect, execute, server, texts};

/// The advisory lock of whoever fills such a database. [`Standby`](crate::Standby) takes another one.
const FILLING: i64 = 2;

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
        fill_once(&server, &template, "ALLOW_CONNECTIONS false", fill).await;
        let database = Self::named_by_chance(server);
        database.on_server(format!("CREATE DATABASE {} TEMPLATE {template}", database.name())).await;
        database
    }

    /// The database with what `fill` writes that all tests of this program share. It stays on the server, and its content
    /// can only be read.
    ///
    /// # Panics
    ///
    /// As [`create`](Self::create).
    pub async fn shared(name: &str, fill: impl AsyncFnOnce(&Self)) -> Self {
        let server = server();
        let shared = format!("padan_shared_{name}_{:016x}", build_of_this_program());
        fill_once(&server, &shared, "SET default_transaction_read_only = on", fill).await;
        Self::that_stays(server, shared)
    }
}

/// Fills a database unless it is there, and gives it its name at the end, so that no other process uses it before.
async fn fill_once(
    server: &PgConnectOptions,
    name: &str,
    option: &str,
    fill: impl AsyncFnOnce(&TestDatabase),
) {
    let mut connection = connect(server).await;
    if exists(&mut connection, name).await {
        return;
    }
    // Closing the connection releases the lock.
    execute(&mut connection, format!("SELECT pg_advisory_lock({FILLING})")).await;
    if exists(&mut connection, name).await {
        return;
    }
    let filled = TestDatabase::create().await;
    fill(&filled).await;
    execute(&mut connection, format!("ALTER DATABASE {} {option}", filled.name())).await;
    filled.end_connections().await;
    execute(&mut connection, format!("ALTER DATABASE {} RENAME TO {name}", filled.name())).await;
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

    use sqlx::Executor as _;
    use tokio::join;

    use super::*;

    #[tokio::test]
    async fn a_template_is_filled_once_and_its_copies_are_independent() {
        let fillings = AtomicU32::new(0);
        let name = format!("once_{}", std::process::id());
        let database = || TestDatabase::filled(&name, async |empty| fill(&fillings, empty).await);
        let (one, other) = join!(database(), database());
        assert_eq!(fillings.load(Relaxed), 1);
        one.execute("UPDATE written SET text = 'changed'").await;
        assert_eq!(one.texts("SELECT text FROM written").await, ["changed"]);
        assert_eq!(other.texts("SELECT text FROM written").await, ["by the first"]);
        let template = format!("padan_template_{name}_{:016x}", build_of_this_program());
        one.on_server(format!("DROP DATABASE {template}")).await;
    }

    #[tokio::test]
    async fn a_shared_database_is_filled_once_stays_and_can_only_be_read() {
        let fillings = AtomicU32::new(0);
        let name = format!("read_{}", std::process::id());
        let database = || TestDatabase::shared(&name, async |empty| fill(&fillings, empty).await);
        let (one, other) = join!(database(), database());
        drop(one);
        assert_eq!(fillings.load(Relaxed), 1);
        assert_eq!(other.texts("SELECT text FROM written").await, ["by the first"]);
        let changed = other.connect().await.execute("UPDATE written SET text = 'changed'").await;
        assert!(changed.unwrap_err().to_string().contains("read-only transaction"));
        other.on_server(format!("DROP DATABASE {} WITH (FORCE)", other.name())).await;
    }

    async fn fill(fillings: &AtomicU32, empty: &TestDatabase) {
        fillings.fetch_add(1, Relaxed);
        empty.execute("CREATE TABLE written AS SELECT 'by the first' AS text").await;
    }
}
