use std::{
    str::FromStr,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use secrecy::ExposeSecret;
use sqlx::{
    PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use crate::{Config, PoolFigures, StoreError, figures::Counters, lease::Lease};

/// A statement with its argument.
pub(crate) type Statement<A, T> = for<'c> fn(&'c mut PgConnection, &'c A) -> BoxFuture<'c, sqlx::Result<T>>;

/// The connections to the store, and the limits under which they are used.
pub(crate) struct Pool {
    name: String,
    connections: PgPool,
    connect_timeout: Duration,
    answer_timeout: Duration,
    counters: Counters,
}

/// How much longer than the server's own limit an answer is awaited, so that the server's words arrive.
const GRACE: Duration = Duration::from_millis(200);

impl Pool {
    pub(crate) fn new(config: &Config) -> Result<Self, StoreError> {
        let options = connect_options(config)?.options([
            ("statement_timeout", config.statement_timeout_ms.to_string()),
            ("lock_timeout", config.lock_timeout_ms.to_string()),
            ("idle_in_transaction_session_timeout", config.statement_timeout_ms.to_string()),
        ]);
        let connect_timeout = Duration::from_millis(config.connect_timeout_ms);
        Ok(Self {
            name: display_name(&options),
            connections: PgPoolOptions::new()
                .max_connections(config.max_connections.get())
                .acquire_timeout(connect_timeout)
                .idle_timeout(Duration::from_millis(config.idle_timeout_ms))
                .max_lifetime(Duration::from_millis(config.max_lifetime_ms))
                .connect_lazy_with(options),
            connect_timeout,
            answer_timeout: Duration::from_millis(config.statement_timeout_ms) + GRACE,
            counters: Counters::default(),
        })
    }

    /// `host:port/database`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs a statement within connect and statement timeout.
    pub(crate) async fn run<A, T>(&self, statement: Statement<A, T>, argument: &A) -> Result<T, StoreError> {
        // Boxed, since the pool's future is large and would be part of every caller's.
        let outcome = Box::pin(self.run_uncounted(statement, argument)).await;
        match &outcome {
            Ok(_) => {}
            Err(StoreError::Timeout(_)) => {
                self.counters.timeouts.fetch_add(1, Relaxed);
            }
            Err(_) => {
                self.counters.failures.fetch_add(1, Relaxed);
            }
        }
        outcome
    }

    async fn run_uncounted<A, T>(&self, statement: Statement<A, T>, argument: &A) -> Result<T, StoreError> {
        let mut lease = self.lease().await?;
        let Some(connection) = lease.connection() else {
            return Err(StoreError::Unavailable("no connection".into()));
        };
        match timeout(self.answer_timeout, statement(connection, argument)).await {
            Ok(Ok(answer)) => {
                lease.finish();
                Ok(answer)
            }
            Ok(Err(error)) => {
                if matches!(error, sqlx::Error::Database(_)) {
                    lease.finish();
                }
                Err(StoreError::of(&error))
            }
            Err(_) => {
                Err(StoreError::Timeout(format!("no answer within {} ms", self.answer_timeout.as_millis())))
            }
        }
    }

    async fn lease(&self) -> Result<Lease<'_>, StoreError> {
        let asked = Instant::now();
        let acquired = self.connections.acquire().await;
        self.counters.acquisition(asked.elapsed());
        match acquired {
            Ok(connection) => Ok(Lease::new(connection, &self.counters)),
            Err(sqlx::Error::PoolTimedOut) => Err(self.no_connection()),
            Err(error) => Err(StoreError::of(&error)),
        }
    }

    fn no_connection(&self) -> StoreError {
        let waited = self.connect_timeout.as_millis();
        let in_use = self.counters.in_use.load(Relaxed);
        StoreError::Timeout(if in_use >= self.connections.options().get_max_connections() {
            format!("all {in_use} connections were busy for {waited} ms (store.max_connections)")
        } else {
            format!("no connection to {} within {waited} ms", self.name)
        })
    }

    pub(crate) fn figures(&self) -> PoolFigures {
        PoolFigures {
            name: self.name.clone(),
            max_connections: self.connections.options().get_max_connections(),
            connections: self.connections.size(),
            idle: u32::try_from(self.connections.num_idle()).unwrap_or(u32::MAX),
            in_use: self.counters.in_use.load(Relaxed),
            acquisitions: self.counters.acquisitions.load(Relaxed),
            acquire_wait: self.counters.acquire_wait(),
            timeouts: self.counters.timeouts.load(Relaxed),
            failures: self.counters.failures.load(Relaxed),
        }
    }
}

/// What all connections to the store have in common; those of the pool have limits on top.
pub(crate) fn connect_options(config: &Config) -> Result<PgConnectOptions, StoreError> {
    // The last of several values of an option counts, so these win over any that the URL brings.
    Ok(PgConnectOptions::from_str(config.url.expose_secret())
        .map_err(|error| StoreError::Config(format!("store.url: {error}")))?
        .application_name("padan")
        .options([
            // The server finds out about a client that vanished; the client closes a silent connection
            // itself.
            ("tcp_keepalives_idle", "60"),
            ("tcp_keepalives_interval", "10"),
            ("tcp_keepalives_count", "3"),
        ]))
}

fn display_name(options: &PgConnectOptions) -> String {
    let host = options.get_socket().map_or_else(|| options.get_host().into(), |path| path.to_string_lossy());
    let database = options.get_database().unwrap_or_default();
    format!("{host}:{}/{database}", options.get_port())
}
