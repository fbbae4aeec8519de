use std::{env, process::Command, str::FromStr, thread};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection,
    postgres::PgConnectOptions,
};
use uuid::Uuid;

/// A database for a test: an empty one with a unique name, [one that is filled](Self::filled), or one that
/// [tests share](Self::shared). Dropping this value closes the connections and drops the database, unless it is shared.
#[derive(Debug)]
pub struct TestDatabase {
    server: PgConnectOptions,
    name: String,
    stays: bool,
}

impl TestDatabase {
    /// Creates a database on the server of `PADAN_TEST_DATABASE_URL`.
    ///
    /// # Panics
    ///
    /// Without that variable, or when the server does not create a database.
    pub async fn create() -> Self {
        let database = Self::named_by_chance(server());
        database.on_server(format!("CREATE DATABASE {}", database.name)).await;
        database
    }

    /// The database's URL, as the superuser.
    pub fn url(&self) -> String {
        self.options().to_url_lossy().into()
    }

    /// The database's URL for another role, to which [`admit`](Self::admit) must have given the superuser's password.
    pub fn url_as(&self, role: &str) -> String {
        self.options().username(role).to_url_lossy().into()
    }

    /// Gives a role the superuser's password, if there is one.
    ///
    /// # Panics
    ///
    /// When there is no such role.
    pub async fn admit(&self, role: &str) {
        if let Some(password) = self.server.to_url_lossy().password() {
            self.execute(&format!("ALTER ROLE {role} PASSWORD '{password}'")).await;
        }
    }

    /// A new connection, as the superuser.
    ///
    /// # Panics
    ///
    /// When the server refuses it.
    pub async fn connect(&self) -> PgConnection {
        connect(&self.options()).await
    }

    /// Runs statements separated by semicolons, as the superuser.
    ///
    /// # Panics
    ///
    /// When one fails.
    pub async fn execute(&self, statements: &str) {
        execute(&mut self.connect().await, statements.to_owned()).await;
    }

    /// Ends all connections to the database, as a restart of the server would.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub async fn end_connections(&self) {
        let name = &self.name;
        self.on_server(format!(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'"
        ))
        .await;
    }

    /// Renames the database while `meanwhile` runs, so that no client can connect to it.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub async fn unavailable_during<T>(&self, meanwhile: impl Future<Output = T>) -> T {
        let name = &self.name;
        // No client may reconnect between the end of the connections and the renaming.
        self.on_server(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
        self.end_connections().await;
        self.on_server(format!("ALTER DATABASE {name} RENAME TO {name}_gone")).await;
        let outcome = meanwhile.await;
        self.on_server(format!("ALTER DATABASE {name}_gone RENAME TO {name}")).await;
        self.on_server(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
        outcome
    }

    /// The texts of a query's single column.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub async fn texts(&self, query: &str) -> Vec<String> {
        texts(&mut self.connect().await, query.to_owned()).await
    }

    /// The output of `pg_dump` for the database.
    ///
    /// # Panics
    ///
    /// When there is no `pg_dump`, or it fails.
    pub fn dump(&self) -> String {
        // The query part has parameters that only sqlx knows.
        let url = self.url();
        let url = url.split('?').next().unwrap_or_default();
        let dumped = Command::new("pg_dump").arg("--dbname").arg(url).output();
        let dumped = dumped.unwrap_or_else(|error| panic!("pg_dump: {error}; install postgresql-client"));
        let errors = String::from_utf8_lossy(&dumped.stderr);
        assert!(dumped.status.success(), "pg_dump: {errors}");
        String::from_utf8_lossy(&dumped.stdout).into_owned()
    }

    /// Locks a table against readers while `meanwhile` runs.
    ///
    /// # Panics
    ///
    /// When the server refuses.
    pub async fn locked_during<T>(&self, table: &str, meanwhile: impl Future<Output = T>) -> T {
        let mut locker = self.connect().await;
        execute(&mut locker, format!("BEGIN; LOCK {table}")).await;
        let outcome = meanwhile.await;
        execute(&mut locker, "COMMIT".to_owned()).await;
        outcome
    }

    /// A database that is not yet on the server.
    pub(crate) fn named_by_chance(server: PgConnectOptions) -> Self {
        Self { server, name: format!("padan_test_{}", Uuid::now_v7().simple()), stays: false }
    }

    /// A database that other tests use as well.
    pub(crate) fn that_stays(server: PgConnectOptions, name: String) -> Self {
        Self { server, name, stays: true }
    }

    pub(crate) fn server(&self) -> &PgConnectOptions {
        &self.server
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn options(&self) -> PgConnectOptions {
        self.server.clone().database(&self.name)
    }

    pub(crate) async fn on_server(&self, statement: String) {
        execute(&mut connect(&self.server).await, statement).await;
    }
}

impl Drop for TestDatabase {
    /// Uses a thread, since a test that panics may leave no runtime to block on. A failure is ignored: the server is
    /// removed after the tests.
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        let server = self.server.clone();
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async {
                if let Ok(mut connection) = server.connect().await {
                    let _ = connection.execute(AssertSqlSafe(statement)).await;
                    let _ = connection.close().await;
                }
            });
        });
        let _ = dropping.join();
    }
}

/// The server of `PADAN_TEST_DATABASE_URL`.
pub(crate) fn server() -> PgConnectOptions {
    let Ok(url) = env::var("PADAN_TEST_DATABASE_URL") else {
        panic!(
            "this test needs a PostgreSQL server in PADAN_TEST_DATABASE_URL: run `make test`, or \
             `padan-demo cluster --standbys 1 -- cargo nextest run --release`"
        );
    };
    PgConnectOptions::from_str(&url).unwrap_or_else(|error| panic!("PADAN_TEST_DATABASE_URL: {error}"))
}

pub(crate) async fn connect(options: &PgConnectOptions) -> PgConnection {
    options.connect().await.unwrap_or_else(|error| panic!("no connection to the test server: {error}"))
}

pub(crate) async fn texts(connection: &mut PgConnection, query: String) -> Vec<String> {
    let rows = sqlx::query_scalar(AssertSqlSafe(query)).fetch_all(connection).await;
    rows.unwrap_or_else(|error| panic!("a test's own query failed: {error}"))
}

pub(crate) async fn execute(connection: &mut PgConnection, statements: String) {
    if let Err(error) = connection.execute(AssertSqlSafe(statements)).await {
        panic!("a test's own statement failed: {error}");
    }
}
