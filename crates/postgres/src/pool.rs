use std::{
    io::ErrorKind,
    num::NonZeroU32,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use sqlx::{
    PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{
    net::{TcpStream, UnixStream},
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    PoolFigures,
    fault::{Fault, FaultKind},
    figures::Counters,
    lease::Lease,
    options::display_name,
};

/// A statement with its argument.
pub type Statement<A, T> = for<'c> fn(&'c mut PgConnection, &'c A) -> BoxFuture<'c, sqlx::Result<T>>;

/// A look at a new connection before it is used: the reason why it must not be, if there is one.
pub type Confirmation = for<'c> fn(&'c mut PgConnection) -> BoxFuture<'c, sqlx::Result<Option<&'static str>>>;

/// Connections to one server, and the limits under which they are used.
pub struct Pool {
    name: String,
    options: PgConnectOptions,
    connections: PgPool,
    limits: Limits,
    unfit: Arc<watch::Sender<&'static str>>,
    counters: Counters,
}

/// The limits of a pool. What each does when it is too small or too large stands at the settings that it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The settings' section, for what an error tells an operator.
    pub section: &'static str,
    /// How long it may take to get a connection, new or from the pool.
    pub connect: Duration,
    /// How long the server may work on one statement.
    pub statement: Duration,
    /// How long a statement may wait for a lock.
    pub lock: Duration,
    /// After how long an unused connection is closed.
    pub idle: Duration,
    /// After how long a connection is replaced.
    pub lifetime: Duration,
    /// Connections that may exist.
    pub max_connections: NonZeroU32,
}

/// How much longer than the server's own limit an answer is awaited, so that the server's words arrive.
const GRACE: Duration = Duration::from_millis(200);
/// How long a connection may take before the listener is asked directly whether it refuses; then twice as long, and so on.
const PATIENCE: Duration = Duration::from_millis(20);

impl Pool {
    /// Prepares a pool; no connection is opened before the first statement. Must be called within a Tokio runtime,
    /// which looks after it.
    pub fn new(options: PgConnectOptions, limits: Limits, confirmation: Option<Confirmation>) -> Self {
        let milliseconds = |limit: Duration| limit.as_millis().to_string();
        let options = options.options([
            ("statement_timeout", milliseconds(limits.statement)),
            ("lock_timeout", milliseconds(limits.lock)),
            ("idle_in_transaction_session_timeout", milliseconds(limits.statement)),
        ]);
        let unfit = Arc::new(watch::Sender::new(""));
        let reporter = Arc::clone(&unfit);
        let connections = PgPoolOptions::new()
            .max_connections(limits.max_connections.get())
            .acquire_timeout(limits.connect)
            .idle_timeout(limits.idle)
            .max_lifetime(limits.lifetime)
            .after_connect(move |connection, _| {
                let reporter = Arc::clone(&reporter);
                Box::pin(async move {
                    let Some(confirmation) = confirmation else { return Ok(()) };
                    let Some(reason) = confirmation(connection).await? else { return Ok(()) };
                    reporter.send_replace(reason);
                    Err(sqlx::Error::Protocol(reason.to_owned()))
                })
            })
            .connect_lazy_with(options.clone());
        let name = display_name(&options);
        Self { name, options, connections, limits, unfit, counters: Counters::default() }
    }

    /// `host:port/database`, without credentials.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a statement within the limits.
    pub async fn run<A, T>(&self, statement: Statement<A, T>, argument: &A) -> Result<T, Fault> {
        // Boxed, since the pool's future is large and would be part of every caller's.
        let outcome = Box::pin(self.run_uncounted(statement, argument)).await;
        if let Err(fault) = &outcome {
            let counter = if fault.is_of_time() { &self.counters.timeouts } else { &self.counters.failures };
            counter.fetch_add(1, Relaxed);
        }
        outcome
    }

    /// The state of the pool as of now.
    pub fn figures(&self) -> PoolFigures {
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

    async fn run_uncounted<A, T>(&self, statement: Statement<A, T>, argument: &A) -> Result<T, Fault> {
        let mut lease = self.lease().await?;
        let Some(connection) = lease.connection() else {
            return Err(Fault::new(FaultKind::Lost, "no connection"));
        };
        let limit = self.limits.statement + GRACE;
        match timeout(limit, statement(connection, argument)).await {
            Ok(Ok(answer)) => {
                lease.finish();
                Ok(answer)
            }
            Ok(Err(error)) => {
                let fault = Fault::of(&error);
                if fault.kind != FaultKind::Lost {
                    lease.finish();
                }
                Err(fault)
            }
            Err(_) => {
                Err(Fault::new(FaultKind::TimedOut, format!("no answer within {} ms", limit.as_millis())))
            }
        }
    }

    async fn lease(&self) -> Result<Lease<'_>, Fault> {
        let asked = Instant::now();
        let acquired = tokio::select! {
            biased;
            acquired = self.connections.acquire() => match acquired {
                Ok(connection) => Ok(Lease::new(connection, &self.counters)),
                Err(sqlx::Error::PoolTimedOut) => Err(self.no_connection()),
                Err(error) => Err(Fault::new(FaultKind::Down, Fault::of(&error).text)),
            },
            reason = self.hopeless() => Err(Fault::new(FaultKind::Down, reason)),
        };
        self.counters.acquisition(asked.elapsed());
        acquired
    }

    /// Ends when waiting for a connection has become pointless, with the reason.
    ///
    /// The pool takes a refused connection, and one that fails the confirmation, for a server about to start and tries
    /// again until the timeout. Whoever asks has better uses for that time.
    async fn hopeless(&self) -> String {
        let mut unfit = self.unfit.subscribe();
        tokio::select! {
            Ok(()) = unfit.changed() => (*unfit.borrow()).to_owned(),
            reason = self.refused() => reason,
        }
    }

    /// Asks more than once: a server that is about to end still takes connections and does not answer them.
    async fn refused(&self) -> String {
        let mut patience = PATIENCE;
        loop {
            sleep(patience).await;
            patience *= 2;
            // While the wait is for one of our own connections, asking would only open another one.
            if self.counters.in_use.load(Relaxed) < self.limits.max_connections.get()
                && let Some(refusal) = self.refusal().await
            {
                return refusal;
            }
        }
    }

    async fn refusal(&self) -> Option<String> {
        let host = self.options.get_host();
        let socket_folder = self.options.get_socket().and_then(|path| path.to_str());
        let connected = match socket_folder.or_else(|| host.starts_with('/').then_some(host)) {
            Some(folder) => {
                let path = format!("{folder}/.s.PGSQL.{}", self.options.get_port());
                UnixStream::connect(path).await.map(drop)
            }
            None => {
                TcpStream::connect((host.trim_matches(['[', ']']), self.options.get_port())).await.map(drop)
            }
        };
        connected
            .err()
            .filter(|error| error.kind() == ErrorKind::ConnectionRefused)
            .map(|error| error.to_string())
    }

    fn no_connection(&self) -> Fault {
        let waited = self.limits.connect.as_millis();
        let in_use = self.counters.in_use.load(Relaxed);
        if in_use >= self.connections.options().get_max_connections() {
            let section = self.limits.section;
            let text =
                format!("all {in_use} connections were busy for {waited} ms ({section}.max_connections)");
            Fault::new(FaultKind::Saturated, text)
        } else {
            Fault::new(FaultKind::TimedOut, format!("no connection within {waited} ms"))
        }
    }
}
