//! The PostgreSQL that is measured, as its administrator sees it.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

/// A server on this machine, whose processes can be looked at.
pub(crate) struct Server(String);

/// Bytes that a table takes, its partitions together.
#[derive(Debug, Clone, Copy, Serialize, sqlx::FromRow)]
pub(crate) struct TableSize {
    /// Rows, maps of free space and visibility.
    pub(crate) table: i64,
    pub(crate) indexes: i64,
}

/// Bytes of a site, the portraits left out.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sizes {
    pub(crate) registry: TableSize,
    pub(crate) store: TableSize,
}

/// What the server counted for a statement, a call.
#[derive(Debug, Clone, Copy, Serialize, sqlx::FromRow)]
pub(crate) struct Counted {
    /// Pages of 8 kB that were found in its buffers.
    pub(crate) hit: f64,
    /// Pages that were asked of the operating system.
    pub(crate) read: f64,
    /// Microseconds of execution.
    pub(crate) microseconds: f64,
    /// How many times the statement was planned.
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
        connected.with_context(|| format!("no connection to the database {database}"))
    }

    /// A connection to the database that belongs to nobody.
    pub(crate) async fn administer(&self) -> Result<PgConnection> {
        PgConnection::connect(&self.0).await.context("no connection to the server")
    }

    /// Has the statements counted only when they are asked for.
    pub(crate) async fn prepare(&self) -> Result<()> {
        let mut connection = self.administer().await?;
        let made = connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await;
        made.context("start the server with shared_preload_libraries=pg_stat_statements")?;
        self.count_statements(false).await
    }

    /// Begins to count statements, from 0, or ceases.
    pub(crate) async fn count_statements(&self, counted: bool) -> Result<()> {
        let mut connection = self.administer().await?;
        let track = if counted { "top" } else { "none" };
        connection
            .execute(AssertSqlSafe(format!("ALTER SYSTEM SET pg_stat_statements.track = {track}")))
            .await?;
        connection
            .execute(AssertSqlSafe(format!("ALTER SYSTEM SET pg_stat_statements.track_planning = {counted}")))
            .await?;
        connection.execute("SELECT pg_reload_conf(), pg_stat_statements_reset()").await?;
        // The other processes hear of it by a signal.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        Ok(())
    }

    /// What was counted for the statements that name a relation, in a database.
    pub(crate) async fn counted(&self, database: &str, relation: &str) -> Result<Counted> {
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
            .with_context(|| format!("{relation} was never asked"))
    }

    /// The process that serves the program's only connection to a database.
    pub(crate) async fn process(&self, database: &str) -> Result<i32> {
        let query = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND application_name = 'padan'";
        let rows: Vec<i32> =
            sqlx::query_scalar(query).bind(database).fetch_all(&mut self.administer().await?).await?;
        ensure!(rows.len() == 1, "{} connections to {database} instead of one", rows.len());
        Ok(rows[0])
    }

    /// Reads tables and indexes of a database into the buffers, as far as they fit.
    pub(crate) async fn warm(&self, database: &str) -> Result<()> {
        let mut connection = self.connect(database).await?;
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm").await?;
        let all = "SELECT count(pg_prewarm(oid::regclass)) FROM pg_class
                    WHERE relkind IN ('r', 'i')
                      AND relnamespace = ANY (SELECT oid FROM pg_namespace WHERE nspname IN ('civil_registry', 'store'))";
        connection
            .execute(all)
            .await
            .with_context(|| format!("{database} cannot be read into the buffers"))?;
        Ok(())
    }

    /// Bytes of the tables that grow with people.
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

    /// Version, and the memory that it has for buffers.
    pub(crate) async fn version(&self) -> Result<String> {
        let query = "SELECT format('PostgreSQL %s, shared_buffers %s',
                                   current_setting('server_version'), current_setting('shared_buffers'))";
        Ok(sqlx::query_scalar(query).fetch_one(&mut self.administer().await?).await?)
    }
}

/// Nanoseconds for which the first thread of a process has run.
pub(crate) fn processor_time(process: i32) -> Result<u64> {
    let path = format!("/proc/{process}/schedstat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().with_context(|| format!("{path} begins with no number"))
}
