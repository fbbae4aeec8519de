use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt as _;
use padan_postgres::{
    Confirmation, Fault, FaultKind, Limits, Pool, PoolFigures, Session, Statement, connect_options,
};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgConnection;

use crate::{
    config::Config,
    error::RegistryError,
    lag::{self, Lags, Standing, TOO_FAR_BEHIND},
    lookup::{self, Asking, KnownFunction, Lookup, LookupRights, Question},
    replica_status::{self, ReplicaStatus},
};

/// One replica: a pool of connections, and whether the last statements failed.
pub(crate) struct Replica {
    pool: Pool,
    retry_after: Duration,
    /// Set while the replica counts as failed: the time from which it is again tried in its turn.
    failed_until: Mutex<Option<Instant>>,
    lags: Arc<Lags>,
    function: KnownFunction,
}

/// The figures of one replica.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplicaFigures {
    /// Its pool of connections.
    pub pool: PoolFigures,
    /// Whether the replica is tried in its turn. False for a while after a failure, when it is tried last.
    pub in_turn: bool,
    /// Its lag at the last measurement; `None` when it did not answer, or does not know its lag. With several servers
    /// behind its URL, the longest one.
    pub lag_seconds: Option<f64>,
    /// Whether the replica is not asked because of its lag.
    pub too_far_behind: bool,
}

/// How often a look-up is repeated on a new connection when the server of the last one is too far behind, while another
/// server behind the same URL is not. A balancer need not take them in turn.
const OTHER_SERVERS: usize = 10;

impl Replica {
    pub(crate) fn new(url: &SecretString, number: usize, config: &Config) -> Result<Self, RegistryError> {
        let options = connect_options(url.expose_secret(), "registry", config.allow_plaintext)
            .map_err(|error| RegistryError::Config(format!("registry.urls, number {number}: {error}")))?;
        let limits = Limits {
            section: "registry",
            connect: Duration::from_millis(config.connect_timeout_ms),
            statement: Duration::from_millis(config.statement_timeout_ms),
            lock: Duration::from_millis(config.lock_timeout_ms),
            idle: Duration::from_millis(config.idle_timeout_ms),
            lifetime: Duration::from_millis(config.max_lifetime_ms),
            max_connections: config.max_connections,
        };
        let lags = Arc::new(Lags::new(config.max_lag_seconds.map(|limit| limit.get().into())));
        let read_by_connection = Arc::clone(&lags);
        let confirmation = lags.has_limit().then(|| -> Confirmation {
            Arc::new(move |connection| confirm(connection, Arc::clone(&read_by_connection)).boxed())
        });
        Ok(Self {
            pool: Pool::new(&options.into(), limits, Session::read_only(), confirmation),
            retry_after: Duration::from_millis(config.retry_failed_after_ms),
            failed_until: Mutex::new(None),
            lags,
            function: KnownFunction::default(),
        })
    }

    /// `host:port/database`.
    pub(crate) fn name(&self) -> &str {
        self.pool.name()
    }

    /// Runs a query. When the connection breaks, retries it on a new one; when a new connection leads to a server that
    /// is too far behind, retries it on others.
    pub(crate) async fn run<A, T>(&self, query: Statement<A, T>, argument: &A) -> Result<T, Fault> {
        let mut outcome = self.pool.run(query, argument).await;
        if matches!(&outcome, Err(fault) if fault.kind == FaultKind::Lost) {
            outcome = self.pool.run(query, argument).await;
        }
        for _ in 0..OTHER_SERVERS {
            let is_rejected = matches!(&outcome, Err(fault) if fault.text == TOO_FAR_BEHIND);
            if !is_rejected || self.standing() == Standing::Behind {
                break;
            }
            outcome = self.pool.run(query, argument).await;
        }
        match &outcome {
            Ok(_) => self.mark_working(),
            Err(fault) if fault.text == TOO_FAR_BEHIND => {}
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
    ///
    /// With a limit, each idle connection is asked, since each may lead to another server, and those that lead to a
    /// server that is too far behind are closed.
    pub(crate) async fn measure_lag(&self) {
        let before = self.standing();
        let connections = if self.lags.has_limit() { self.pool.figures().connections.max(1) } else { 1 };
        let mut answered = false;
        for _ in 0..connections {
            let is_kept = |reading: &lag::Reading| self.lags.record(reading.clone()) != Standing::Behind;
            match self.pool.inspect(lag::read, &(), is_kept).await {
                Ok(_) => answered = true,
                // The confirmation of the connection has recorded the lag.
                Err(fault) if fault.text == TOO_FAR_BEHIND => answered = true,
                Err(_) => break,
            }
        }
        if !answered {
            self.lags.record_silence();
        }
        self.log_change_from(before);
    }

    /// Whether the lag allows that the replica is asked.
    pub(crate) fn standing(&self) -> Standing {
        self.lags.standing()
    }

    /// The replica's name and why its lag does not allow that it is asked.
    pub(crate) fn reason_of_lag(&self) -> String {
        format!("{}: {}", self.name(), self.lags.reason())
    }

    /// The lag in seconds if look-ups are answered by the replica.
    pub(crate) fn lag_if_usable(&self) -> Option<f64> {
        let has_failed = self.failed_until.lock().is_some();
        self.lags.seconds().filter(|_| !has_failed && self.standing() == Standing::Current)
    }

    fn log_change_from(&self, before: Standing) {
        match (before == Standing::Behind, self.standing() == Standing::Behind) {
            (false, true) => {
                tracing::warn!(
                    replica = self.name(),
                    reason = self.lags.reason(),
                    "registry replica is left out"
                );
            }
            (true, false) => tracing::info!(replica = self.name(), "registry replica is used again"),
            _ => {}
        }
    }

    /// Asks the server for its role and clock. A failure does not mark the replica as failed: only look-ups do.
    pub(crate) async fn status(&self) -> Result<ReplicaStatus, Fault> {
        self.pool.run(replica_status::query, &()).await
    }

    /// Whether the caller should try the replica in its turn, and not last. When the retry time after a failure is
    /// over, only the first caller retries it; the others try it last until that retry has succeeded.
    pub(crate) fn claim_turn(&self) -> bool {
        let mut failed_until = self.failed_until.lock();
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
        let mut failed_until = self.failed_until.lock();
        if failed_until.replace(Instant::now() + self.retry_after).is_none() {
            tracing::warn!(replica = self.name(), fault = fault.text, "registry replica fails");
        }
    }

    fn mark_working(&self) {
        let mut failed_until = self.failed_until.lock();
        if failed_until.take().is_some() {
            tracing::info!(replica = self.name(), "registry replica answers again");
        }
    }

    pub(crate) fn figures(&self) -> ReplicaFigures {
        let failed_until = self.failed_until.lock();
        ReplicaFigures {
            pool: self.pool.figures(),
            in_turn: failed_until.is_none(),
            lag_seconds: self.lags.seconds(),
            too_far_behind: self.standing() == Standing::Behind,
        }
    }
}

/// Whether the fault shows that the replica fails. A faulty query or row does not, and neither does a pool whose
/// connections are all in use.
fn is_replica_at_fault(fault: &Fault) -> bool {
    match fault.kind {
        FaultKind::Down
        | FaultKind::Lost
        | FaultKind::Stale
        | FaultKind::Undone
        | FaultKind::TimedOut
        | FaultKind::Forbidden
        | FaultKind::Undefined
        | FaultKind::Refused => true,
        FaultKind::Saturated | FaultKind::Query => false,
    }
}

/// Checks how far the server of a new connection is behind.
async fn confirm(connection: &mut PgConnection, lags: Arc<Lags>) -> sqlx::Result<Option<&'static str>> {
    let standing = lags.record(lag::read(connection, &()).await?);
    Ok((standing == Standing::Behind).then_some(TOO_FAR_BEHIND))
}
