use std::{
    future::pending,
    io::ErrorKind,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
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
    Config, PoolFigures, RegistryError,
    fault::{Fault, FaultKind},
    figures::Counters,
    lease::Lease,
};

/// A query with its argument, to be run on whichever replica answers.
pub(crate) type Query<A, T> = for<'c> fn(&'c mut PgConnection, &'c A) -> BoxFuture<'c, sqlx::Result<T>>;

/// One URL: a pool of connections, and whether it is worth asking.
pub(crate) struct Replica {
    name: String,
    options: PgConnectOptions,
    pool: PgPool,
    connect_timeout: Duration,
    answer_timeout: Duration,
    rest: Duration,
    resting_until: Mutex<Option<Instant>>,
    unfit: Arc<watch::Sender<String>>,
    counters: Counters,
}

/// How much longer than the server's own limit an answer is awaited, so that the server's words arrive.
const GRACE: Duration = Duration::from_millis(200);
/// How long a connection may take before the listener is asked directly whether it refuses.
const PATIENCE: Duration = Duration::from_millis(20);

impl Replica {
    pub(crate) fn new(url: &SecretString, number: usize, config: &Config) -> Result<Self, RegistryError> {
        let options = connect_options(url, config)
            .map_err(|error| RegistryError::Config(format!("registry.urls, number {number}: {error}")))?;
        let unfit = Arc::new(watch::Sender::new(String::new()));
        let reporter = Arc::clone(&unfit);
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections.get())
            .acquire_timeout(config.connect_timeout())
            .idle_timeout(Duration::from_millis(config.idle_timeout_ms))
            .max_lifetime(Duration::from_millis(config.max_lifetime_ms))
            .after_connect(move |connection, _| {
                let reporter = Arc::clone(&reporter);
                Box::pin(async move { confirm_session(connection, &reporter).await })
            })
            .connect_lazy_with(options.clone());
        Ok(Self {
            name: display_name(&options),
            options,
            pool,
            connect_timeout: config.connect_timeout(),
            answer_timeout: config.statement_timeout() + GRACE,
            rest: Duration::from_millis(config.retry_failed_after_ms),
            resting_until: Mutex::new(None),
            unfit,
            counters: Counters::default(),
        })
    }

    /// `host:port/database`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs a query; once more on a new connection when the first one broke under it.
    pub(crate) async fn ask<A, T>(&self, query: Query<A, T>, argument: &A) -> Result<T, Fault> {
        // Boxed, since the pool's future is large and would be part of every caller's.
        let mut outcome = Box::pin(self.ask_once(query, argument)).await;
        if matches!(&outcome, Err(fault) if fault.kind == FaultKind::Lost) {
            outcome = Box::pin(self.ask_once(query, argument)).await;
        }
        match &outcome {
            Ok(_) => self.wake(),
            Err(fault) => {
                let counter =
                    if fault.is_of_time() { &self.counters.timeouts } else { &self.counters.failures };
                counter.fetch_add(1, Relaxed);
                if fault.rests() {
                    self.put_to_rest(fault);
                }
            }
        }
        outcome
    }

    async fn ask_once<A, T>(&self, query: Query<A, T>, argument: &A) -> Result<T, Fault> {
        let mut lease = self.lease().await?;
        let Some(connection) = lease.connection() else {
            return Err(Fault::new(FaultKind::Lost, "no connection"));
        };
        match timeout(self.answer_timeout, query(connection, argument)).await {
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
            Err(_) => Err(Fault::new(
                FaultKind::TimedOut,
                format!("no answer within {} ms", self.answer_timeout.as_millis()),
            )),
        }
    }

    async fn lease(&self) -> Result<Lease<'_>, Fault> {
        let asked = Instant::now();
        let acquired = tokio::select! {
            biased;
            acquired = self.pool.acquire() => match acquired {
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
    /// The pool takes a refused connection, and one that fails the confirmation, for a server about to
    /// start and tries again until the timeout. Another replica can answer in the meantime.
    async fn hopeless(&self) -> String {
        let mut unfit = self.unfit.subscribe();
        tokio::select! {
            Ok(()) = unfit.changed() => unfit.borrow().clone(),
            reason = self.refused() => reason,
        }
    }

    async fn refused(&self) -> String {
        sleep(PATIENCE).await;
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
        match connected {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => error.to_string(),
            _ => pending().await,
        }
    }

    fn no_connection(&self) -> Fault {
        let waited = self.connect_timeout.as_millis();
        let in_use = self.counters.in_use.load(Relaxed);
        if in_use >= self.pool.options().get_max_connections() {
            let text =
                format!("all {in_use} connections were busy for {waited} ms (registry.max_connections)");
            Fault::new(FaultKind::Saturated, text)
        } else {
            Fault::new(FaultKind::TimedOut, format!("no connection within {waited} ms"))
        }
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
            tracing::warn!(replica = self.name, fault = fault.text, "registry replica fails");
        }
    }

    fn wake(&self) {
        let mut resting_until = self.resting_until.lock().unwrap_or_else(PoisonError::into_inner);
        if resting_until.take().is_some() {
            tracing::info!(replica = self.name, "registry replica answers again");
        }
    }

    pub(crate) fn figures(&self) -> PoolFigures {
        let resting_until = self.resting_until.lock().unwrap_or_else(PoisonError::into_inner);
        PoolFigures {
            name: self.name.clone(),
            in_turn: resting_until.is_none(),
            max_connections: self.pool.options().get_max_connections(),
            connections: self.pool.size(),
            idle: u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX),
            in_use: self.counters.in_use.load(Relaxed),
            acquisitions: self.counters.acquisitions.load(Relaxed),
            acquire_wait: self.counters.acquire_wait(),
            timeouts: self.counters.timeouts.load(Relaxed),
            failures: self.counters.failures.load(Relaxed),
        }
    }
}

fn connect_options(url: &SecretString, config: &Config) -> sqlx::Result<PgConnectOptions> {
    let milliseconds = |value: u64| value.to_string();
    // The last of several values of an option counts, so these win over any that the URL brings.
    Ok(PgConnectOptions::from_str(url.expose_secret())?.application_name("padan").options([
        ("default_transaction_read_only", "on".to_owned()),
        ("statement_timeout", milliseconds(config.statement_timeout_ms)),
        ("lock_timeout", milliseconds(config.lock_timeout_ms)),
        ("idle_in_transaction_session_timeout", milliseconds(config.statement_timeout_ms)),
        // The server finds out about a client that vanished; the client closes a silent connection itself.
        ("tcp_keepalives_idle", "60".to_owned()),
        ("tcp_keepalives_interval", "10".to_owned()),
        ("tcp_keepalives_count", "3".to_owned()),
    ]))
}

/// Whether the server took the options that the safety of the registry rests on.
async fn confirm_session(
    connection: &mut PgConnection,
    unfit: &watch::Sender<String>,
) -> Result<(), sqlx::Error> {
    let session = sqlx::query!(
        r#"SELECT current_setting('transaction_read_only') = 'on' AS "read_only!",
                  current_setting('statement_timeout') <> '0' AS "time_limited!""#
    )
    .fetch_one(connection)
    .await?;
    let reason = if !session.read_only {
        "the server does not confirm read-only transactions: a pooler in between drops start-up options"
    } else if !session.time_limited {
        "the server does not confirm the statement timeout: a pooler in between drops start-up options"
    } else {
        return Ok(());
    };
    unfit.send_replace(reason.to_owned());
    Err(sqlx::Error::Protocol(reason.to_owned()))
}

fn display_name(options: &PgConnectOptions) -> String {
    let host = options.get_socket().map_or_else(|| options.get_host().into(), |path| path.to_string_lossy());
    let database = options.get_database().unwrap_or_default();
    format!("{host}:{}/{database}", options.get_port())
}
