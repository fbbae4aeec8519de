//! The administration of the measured PostgreSQL server.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// A server on this machine, whose processes can be inspected.
pub(crate) struct Server(String);

/// The size of a table with its partitions, in bytes.
#[derive(Debug, Clone, Copy, Serialize, sqlx::FromRow)]
pub(crate) struct TableSize {
    /// Rows, free space map and visibility map.
    pub(crate) table: i64,
    pub(crate) indexes: i64,
}

/// The sizes of the tables of a site, without the portraits.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sizes {
    pub(crate) registry: TableSize,
    pub(crate) store: TableSize,
}

/// The server's counters for a statement, per call unless stated otherwise.
#[derive(Debug, Clone, Copy, Serialize, sqlx::FromRow)]
pub(crate) struct StatementCounters {
    /// Pages of 8 kB that were in the buffers.
    pub(crate) hit: f64,
    /// Pages that were read from the operating system.
    pub(crate) read: f64,
    /// Microseconds of execution.
    pub(crate) microseconds: f64,
    /// How often the statement was planned in total.
    pub(crate) plans: f64,
}

impl Server {
    pub(crate) fn new(url: &str) -> Self {
        Self(url.to_owned())
    }

    /// The URL of a database.
    pub(crate) fn url_of(&self, database: &str) -> String {
        let server = self.0.rsplit_once('/').map_or(self.0.as_str(), |(server, _)| server);
        format!("{server}/{database}")
    }

    /// A connection to a database.
    pub(crate) async fn connect(&self, database: &str) -> Result<PgConnection> {
        let connected = PgConnection::connect(&self.url_of(database)).await;
        connected.with_context(|| format!("cannot connect to the database {database}"))
    }

    /// A connection to the database of the server's URL, which belongs to no site.
    pub(crate) async fn administer(&self) -> Result<PgConnection> {
        PgConnection::connect(&self.0).await.context("cannot connect to the server")
    }

    /// Installs the counters of statements, and switches them off.
    pub(crate) async fn prepare(&self) -> Result<()> {
        let mut connection = self.administer().await?;
        let made = connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await;
        made.context("start the server with shared_preload_libraries=pg_stat_statements")?;
        self.count_statements(false).await
    }

    /// Resets the counters of statements, and switches them on or off.
    pub(crate) async fn count_statements(&self, enabled: bool) -> Result<()> {
        let mut connection = self.administer().await?;
        let track = if enabled { "top" } else { "none" };
        connection
            .execute(AssertSqlSafe(format!("ALTER SYSTEM SET pg_stat_statements.track = {track}")))
            .await?;
        connection
            .execute(AssertSqlSafe(format!("ALTER SYSTEM SET pg_stat_statements.track_planning = {enabled}")))
            .await?;
        connection.execute("SELECT pg_reload_conf(), pg_stat_statements_reset()").await?;
        // The server's other processes are notified by a signal.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        Ok(())
    }

    /// The counters of the statements in a database that name a relation.
    pub(crate) async fn counters(&self, database: &str, relation: &str) -> Result<StatementCounters> {
        let query = "SELECT (sum(shared_blks_hit) / sum(calls))::float8 AS hit,
                            (sum(shared_blks_read) / sum(calls))::float8 AS read,
                            1000 * sum(total_exec_time) / sum(calls)::float8 AS microseconds,
                            sum(plans)::float8 AS plans
                       FROM pg_stat_statements
                       JOIN pg_database ON pg_database.oid = dbid
                      WHERE datname = $1
                        AND position($2 IN query) > 0";
        let row = sqlx::query_as(query).bind(database).bind(relation);
        row.fetch_one(&mut self.administer().await?)
            .await
            .with_context(|| format!("the server counted no statement on {relation}"))
    }

    /// The process that serves the program's only connection to a database.
    pub(crate) async fn process(&self, database: &str) -> Result<i32> {
        let query = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND application_name = 'padan'";
        let rows: Vec<i32> =
            sqlx::query_scalar(query).bind(database).fetch_all(&mut self.administer().await?).await?;
        ensure!(rows.len() == 1, "{} connections to {database} instead of one", rows.len());
        Ok(rows[0])
    }

    /// Loads tables and indexes of a database into the buffers, as far as they fit.
    pub(crate) async fn warm(&self, database: &str) -> Result<()> {
        let mut connection = self.connect(database).await?;
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm").await?;
        let all = "SELECT count(pg_prewarm(oid::regclass)) FROM pg_class
                    WHERE relkind IN ('r', 'i')
                      AND relnamespace = ANY (SELECT oid FROM pg_namespace WHERE nspname IN ('civil_registry', 'store'))";
        connection.execute(all).await.with_context(|| format!("cannot read {database} into the buffers"))?;
        Ok(())
    }

    /// The sizes of the tables that grow with the number of people.
    pub(crate) async fn sizes(&self, site: &str) -> Result<Sizes> {
        let size = async |database: String, pattern: &str| -> Result<TableSize> {
            let query = "SELECT sum(pg_table_size(oid))::bigint AS table, sum(pg_indexes_size(oid))::bigint AS indexes
                           FROM pg_class WHERE relkind = 'r' AND oid::regclass::text ~ $1";
            let row = sqlx::query_as(query).bind(pattern);
            Ok(row.fetch_one(&mut self.connect(&database).await?).await?)
        };
        Ok(Sizes {
            registry: size(format!("registry_{site}"), r"^civil_registry\.person").await?,
            store: size(format!("store_{site}"), r"^store\.face_template").await?,
        })
    }

    /// The server's version and `shared_buffers`.
    pub(crate) async fn version(&self) -> Result<String> {
        let query = "SELECT format('PostgreSQL %s, shared_buffers %s',
                                   current_setting('server_version'), current_setting('shared_buffers'))";
        Ok(sqlx::query_scalar(query).fetch_one(&mut self.administer().await?).await?)
    }
}

/// The processor time of the first thread of a process, in nanoseconds.
pub(crate) fn processor_time(process: i32) -> Result<u64> {
    let path = format!("/proc/{process}/schedstat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().with_context(|| format!("{path} does not begin with a number"))
}
