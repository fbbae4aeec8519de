use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{FutureExt as _, future::BoxFuture};
use padan_postgres::{Fault, FaultKind, Limits, Pool, PoolFigures, Statement, connect_options};
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgConnection;

use crate::{
    config::Config,
    error::RegistryError,
    lag::{self, Lag},
    standing::{self, ReplicaStanding},
};

/// One URL: a pool of connections, and whether it is worth asking.
pub(crate) struct Replica {
    pool: Pool,
    rest: Duration,
    resting_until: Mutex<Option<Instant>>,
    lag: Mutex<Lag>,
}

/// One replica's pool, and whether it is in use.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaFigures {
    /// Its connections.
    pub pool: PoolFigures,
    /// Whether the replica is tried in its turn; false while it rests after a failure.
    pub in_turn: bool,
    /// By how many seconds it lagged when it was asked last; `None` when it did not answer, or cannot tell.
    pub lag_seconds: Option<f64>,
}

impl Replica {
    pub(crate) fn new(url: &SecretString, number: usize, config: &Config) -> Result<Self, RegistryError> {
        let options = connect_options(url.expose_secret())
            .map_err(|error| RegistryError::Config(format!("registry.urls, number {number}: {error}")))?
            .options([("default_transaction_read_only", "on")]);
        let limits = Limits {
            section: "registry",
            connect: Duration::from_millis(config.connect_timeout_ms),
            statement: Duration::from_millis(config.statement_timeout_ms),
            lock: Duration::from_millis(config.lock_timeout_ms),
            idle: Duration::from_millis(config.idle_timeout_ms),
            lifetime: Duration::from_millis(config.max_lifetime_ms),
            max_connections: config.max_connections,
        };
        Ok(Self {
            pool: Pool::new(options, limits, Some(confirm_session)),
            rest: Duration::from_millis(config.retry_failed_after_ms),
            resting_until: Mutex::new(None),
            lag: Mutex::default(),
        })
    }

    /// `host:port/database`.
    pub(crate) fn name(&self) -> &str {
        self.pool.name()
    }

    /// Runs a query; once more on a new connection when the first one broke under it.
    pub(crate) async fn ask<A, T>(&self, query: Statement<A, T>, argument: &A) -> Result<T, Fault> {
        let mut outcome = self.pool.run(query, argument).await;
        if matches!(&outcome, Err(fault) if fault.kind == FaultKind::Lost) {
            outcome = self.pool.run(query, argument).await;
        }
        match &outcome {
            Ok(_) => self.wake(),
            Err(fault) if rests(fault) => self.put_to_rest(fault),
            Err(_) => {}
        }
        outcome
    }

    /// Asks how far behind it is. Whether it rests is left to the look-ups.
    pub(crate) async fn measure_lag(&self) {
        let asked = Instant::now();
        let told = self.pool.run(lag::query, &()).await.ok().flatten();
        self.lag.lock().unwrap_or_else(PoisonError::into_inner).note(told, asked);
    }

    /// Asks what it is, for an operator. Whether it rests is left to the look-ups.
    pub(crate) async fn standing(&self) -> Result<ReplicaStanding, Fault> {
        self.pool.run(standing::query, &()).await
    }

    /// Whether the replica should be asked in its turn. When a rest is over, only the first caller gets a yes
    /// and becomes the trial; the others wait for its outcome with the replicas that are known to answer.
    pub(crate) fn takes_its_turn(&self) -> bool {
        let mut resting_until = self.resting_until.lock().unwrap_or_else(PoisonError::into_inner);
        match *resting_until {
            None => true,
            Some(until) => {
                let now = Instant::now();
                let trial = now >= until;
                if trial {
                    *resting_until = Some(now + self.rest);
                }
                trial
            }
        }
    }

    fn put_to_rest(&self, fault: &Fault) {
        let mut resting_until = self.resting_until.lock().unwrap_or_else(PoisonError::into_inner);
        if resting_until.replace(Instant::now() + self.rest).is_none() {
            tracing::warn!(replica = self.name(), fault = fault.text, "registry replica fails");
        }
    }

    fn wake(&self) {
        let mut resting_until = self.resting_until.lock().unwrap_or_else(PoisonError::into_inner);
        if resting_until.take().is_some() {
            tracing::info!(replica = self.name(), "registry replica answers again");
        }
    }

    pub(crate) fn figures(&self) -> ReplicaFigures {
        let resting_until = self.resting_until.lock().unwrap_or_else(PoisonError::into_inner);
        let lag_seconds = self.lag.lock().unwrap_or_else(PoisonError::into_inner).seconds();
        ReplicaFigures { pool: self.pool.figures(), in_turn: resting_until.is_none(), lag_seconds }
    }
}

/// Whether the replica should be tried last for a while: not when the query or the row is at fault, or when all
/// connections are busy because it serves well.
fn rests(fault: &Fault) -> bool {
    match fault.kind {
        FaultKind::Down | FaultKind::Lost | FaultKind::TimedOut | FaultKind::Forbidden => true,
        FaultKind::Saturated | FaultKind::Query => false,
    }
}

/// Whether the server took the options that the safety of the registry rests on.
fn confirm_session(connection: &mut PgConnection) -> BoxFuture<'_, sqlx::Result<Option<&'static str>>> {
    async move {
        let session = sqlx::query!(
            r#"SELECT current_setting('transaction_read_only') = 'on' AS "read_only!",
                      current_setting('statement_timeout') <> '0' AS "time_limited!""#
        )
        .fetch_one(connection)
        .await?;
        Ok(if !session.read_only {
            Some("the server does not confirm read-only transactions: a pooler in between drops start-up options")
        } else if !session.time_limited {
            Some("the server does not confirm the statement timeout: a pooler in between drops start-up options")
        } else {
            None
        })
    }
    .boxed()
}
