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
    lookup::{self, Asking, KnownFunction, Lookup, LookupRights, Question},
    replica_status::{self, ReplicaStatus},
};

/// One replica: a pool of connections, and whether the last statements failed.
pub(crate) struct Replica {
    pool: Pool,
    retry_after: Duration,
    /// Set while the replica counts as failed: the time from which it is again tried in its turn.
    failed_until: Mutex<Option<Instant>>,
    lag: Mutex<Lag>,
    function: KnownFunction,
}

/// The figures of one replica.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaFigures {
    /// Its pool of connections.
    pub pool: PoolFigures,
    /// Whether the replica is tried in its turn. False for a while after a failure, when it is tried last.
    pub in_turn: bool,
    /// Its lag at the last measurement; `None` when it did not answer, or does not know its lag.
    pub lag_seconds: Option<f64>,
}

impl Replica {
    pub(crate) fn new(url: &SecretString, number: usize, config: &Config) -> Result<Self, RegistryError> {
        let options = connect_options(url.expose_secret(), "registry", config.allow_plaintext)
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
            retry_after: Duration::from_millis(config.retry_failed_after_ms),
            failed_until: Mutex::new(None),
            lag: Mutex::default(),
            function: KnownFunction::default(),
        })
    }

    /// `host:port/database`.
    pub(crate) fn name(&self) -> &str {
        self.pool.name()
    }

    /// Runs a query. When the connection breaks, retries it on a new one.
    pub(crate) async fn run<A, T>(&self, query: Statement<A, T>, argument: &A) -> Result<T, Fault> {
        let mut outcome = self.pool.run(query, argument).await;
        if matches!(&outcome, Err(fault) if fault.kind == FaultKind::Lost) {
            outcome = self.pool.run(query, argument).await;
        }
        match &outcome {
            Ok(_) => self.mark_working(),
            Err(fault) if is_replica_at_fault(fault) => self.mark_failed(fault),
            Err(_) => {}
        }
        outcome
    }

    /// Asks one question, in the form that the replica allows.
    pub(crate) async fn ask<A: Sync, T: Send>(
        &self,
        question: &Question<'_, A, T>,
        argument: &A,
    ) -> Result<T, Fault> {
        match question {
            Question::Statement(statement) => self.run(*statement, argument).await,
            Question::Lookup(lookup) => self.look_up(lookup, argument).await,
        }
    }

    /// Looks a person up by the function where the role may call it, else by the view.
    async fn look_up<A: Sync, T: Send>(&self, lookup: &Lookup<A, T>, argument: &A) -> Result<T, Fault> {
        let asking = Asking { lookup, argument, function: &self.function };
        let outcome = self.run(lookup::ask, &asking).await;
        match &outcome {
            // The function was dropped, or the right to call it was taken away.
            Err(fault) if matches!(fault.kind, FaultKind::Undefined | FaultKind::Forbidden) => {
                self.function.forget();
                self.run(lookup::ask, &asking).await
            }
            _ => outcome,
        }
    }

    /// Asks the server what the role may read. A failure does not mark the replica as failed: only look-ups do.
    pub(crate) async fn lookup_rights(&self) -> Result<LookupRights, Fault> {
        self.pool.run(lookup::rights, &()).await
    }

    /// Measures the lag. A failure does not mark the replica as failed: only look-ups do.
    pub(crate) async fn measure_lag(&self) {
        let asked_at = Instant::now();
        let reported = self.pool.run(lag::query, &()).await.ok().flatten();
        self.lag.lock().unwrap_or_else(PoisonError::into_inner).record(reported, asked_at);
    }

    /// Asks the server for its role and clock. A failure does not mark the replica as failed: only look-ups do.
    pub(crate) async fn status(&self) -> Result<ReplicaStatus, Fault> {
        self.pool.run(replica_status::query, &()).await
    }

    /// Whether the caller should try the replica in its turn, and not last. When the retry time after a failure is
    /// over, only the first caller retries it; the others try it last until that retry has succeeded.
    pub(crate) fn claim_turn(&self) -> bool {
        let mut failed_until = self.failed_until.lock().unwrap_or_else(PoisonError::into_inner);
        match *failed_until {
            None => true,
            Some(until) => {
                let now = Instant::now();
                let is_retry = now >= until;
                if is_retry {
                    *failed_until = Some(now + self.retry_after);
                }
                is_retry
            }
        }
    }

    fn mark_failed(&self, fault: &Fault) {
        let mut failed_until = self.failed_until.lock().unwrap_or_else(PoisonError::into_inner);
        if failed_until.replace(Instant::now() + self.retry_after).is_none() {
            tracing::warn!(replica = self.name(), fault = fault.text, "registry replica fails");
        }
    }

    fn mark_working(&self) {
        let mut failed_until = self.failed_until.lock().unwrap_or_else(PoisonError::into_inner);
        if failed_until.take().is_some() {
            tracing::info!(replica = self.name(), "registry replica answers again");
        }
    }

    pub(crate) fn figures(&self) -> ReplicaFigures {
        let failed_until = self.failed_until.lock().unwrap_or_else(PoisonError::into_inner);
        let lag_seconds = self.lag.lock().unwrap_or_else(PoisonError::into_inner).seconds();
        ReplicaFigures { pool: self.pool.figures(), in_turn: failed_until.is_none(), lag_seconds }
    }
}

/// Whether the fault shows that the replica fails. A faulty query or row does not, and neither does a pool whose
/// connections are all in use.
fn is_replica_at_fault(fault: &Fault) -> bool {
    match fault.kind {
        FaultKind::Down
        | FaultKind::Lost
        | FaultKind::TimedOut
        | FaultKind::Forbidden
        | FaultKind::Undefined => true,
        FaultKind::Saturated | FaultKind::Query => false,
    }
}

/// Checks that the server applied the options on which the safety of the registry depends.
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
