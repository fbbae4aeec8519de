use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use sqlx::{Connection as _, PgConnection, PgPool, postgres::PgPoolOptions};
use tokio::time::{sleep, timeout};

use crate::{
    fault::{Fault, FaultKind},
    figures::{Counters, PoolFigures},
    lease::Lease,
    limits::Limits,
    listener::PROBE_VALIDITY,
    route::{Route, Router},
    servers::{Confirmation, Servers},
    session::Session,
};

/// A function that runs a statement with its argument.
pub type Statement<A, T> = for<'c> fn(&'c mut PgConnection, &'c A) -> BoxFuture<'c, sqlx::Result<T>>;

/// Connections to one server, and the limits under which they are used.
pub struct Pool {
    name: String,
    is_remote: bool,
    connections: PgPool,
    limits: Limits,
    router: Arc<Router>,
    /// Connections that were opened before are closed instead of used.
    replaced: Arc<Mutex<Option<Instant>>>,
    counters: Counters,
}

/// How much longer than the server's own limit the client waits, so that the server's error arrives.
const GRACE: Duration = Duration::from_millis(200);
/// How long a caller waits for a connection before the listener is probed; each further wait is twice as long.
const FIRST_PROBE_AFTER: Duration = PROBE_VALIDITY;

impl Pool {
    /// Prepares a pool; no connection is opened before the first statement. Must be called within a Tokio runtime,
    /// which closes idle connections.
    pub fn new(
        servers: &Servers,
        limits: Limits,
        session: Session,
        confirmation: Option<Confirmation>,
    ) -> Self {
        let session = session.limited(limits.statement, limits.lock);
        let confirmation = confirmation.or_else(|| servers.confirmation());
        let router = Arc::new(Router::new(servers, session));
        let options = router.options();
        let (acceptor, routing) = (Arc::clone(&router), Arc::clone(&router));
        let replaced = Arc::new(Mutex::new(None::<Instant>));
        let replacing = Arc::clone(&replaced);
        let connections = PgPoolOptions::new()
            .max_connections(limits.max_connections.get())
            .acquire_timeout(limits.connect)
            .idle_timeout(limits.idle)
            .max_lifetime(limits.lifetime)
            // Below, where it is needed.
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let (acceptor, confirmation) = (Arc::clone(&acceptor), confirmation.clone());
                Box::pin(async move { acceptor.accept(connection, confirmation.as_ref()).await })
            })
            .before_acquire(move |connection, of| {
                let replaced = *replacing.lock();
                let is_fresh = replaced.is_none_or(|replaced| of.age < replaced.elapsed());
                // Through a pooler, the beginning of a transaction shows whether the connection works.
                let is_asked = is_fresh && routing.route() == Route::Own;
                Box::pin(async move {
                    if is_asked {
                        connection.ping().await?;
                    }
                    Ok(is_fresh)
                })
            })
            .connect_lazy_with(options);
        Self {
            name: servers.name(),
            is_remote: servers.are_remote(),
            connections,
            limits,
            router,
            replaced,
            counters: Counters::default(),
        }
    }

    /// `host:port/database` of each server, without credentials.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a statement within the limits.
    ///
    /// # Errors
    ///
    /// When no connection is available in time, the server refuses one, or the statement fails or takes too long.
    pub async fn run<A, T>(&self, statement: Statement<A, T>, argument: &A) -> Result<T, Fault> {
        // Boxed, since the pool's future is large and would be embedded in each caller's.
        let outcome = Box::pin(self.run_uncounted(statement, argument, |_| true)).await;
        if let Err(fault) = &outcome {
            let counter = if fault.is_timeout() { &self.counters.timeouts } else { &self.counters.failures };
            counter.fetch_add(1, Relaxed);
        }
        outcome
    }

    /// The present state of the pool, and its counters.
    pub fn figures(&self) -> PoolFigures {
        PoolFigures {
            name: self.name.clone(),
            is_remote: self.is_remote,
            max_connections: self.connections.options().get_max_connections(),
            connections: self.connections.size(),
            idle: u32::try_from(self.connections.num_idle()).unwrap_or(u32::MAX),
            in_use: self.counters.in_use.load(Relaxed),
            acquisitions: self.counters.acquisitions.load(Relaxed),
            acquire_wait: self.counters.acquire_wait(),
            timeouts: self.counters.timeouts.load(Relaxed),
            failures: self.counters.failures.load(Relaxed),
            is_pooled: self.router.route() != Route::Own,
        }
    }

    /// Runs a statement that examines the server of a connection, and closes the connection unless its answer says to
    /// keep it. As many calls as there are connections reach each idle one, since the one that was unused for longest
    /// is next. A failure is not counted: no caller waits for it.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub async fn inspect<A, T>(
        &self,
        statement: Statement<A, T>,
        argument: &A,
        is_kept: impl Fn(&T) -> bool,
    ) -> Result<T, Fault> {
        Box::pin(self.run_uncounted(statement, argument, is_kept)).await
    }

    async fn run_uncounted<A, T>(
        &self,
        statement: Statement<A, T>,
        argument: &A,
        is_kept: impl Fn(&T) -> bool,
    ) -> Result<T, Fault> {
        let outcome = self.run_once(statement, argument, &is_kept, false).await;
        match outcome.as_ref().map_err(|fault| fault.kind) {
            Err(FaultKind::Stale) => self.run_once(statement, argument, &is_kept, true).await,
            Err(FaultKind::Undone) => self.run_once(statement, argument, &is_kept, false).await,
            _ => outcome,
        }
    }

    async fn run_once<A, T>(
        &self,
        statement: Statement<A, T>,
        argument: &A,
        is_kept: impl Fn(&T) -> bool,
        after_stale: bool,
    ) -> Result<T, Fault> {
        let mut lease = self.lease().await?;
        let leased = Instant::now();
        let Some(connection) = lease.connection() else {
            return Err(Fault::new(FaultKind::Lost, "no connection"));
        };
        let limit = self.limits.statement + GRACE;
        let route = self.router.route();
        let answered = timeout(limit, async {
            if route == Route::Own {
                return statement(connection, argument).await.map_err(|error| Fault::of(&error));
            }
            self.run_in_transaction(connection, statement, argument, after_stale).await
        });
        let Ok(outcome) = answered.await else {
            return Err(Fault::new(
                FaultKind::TimedOut,
                format!("no answer within {} ms", limit.as_millis()),
            ));
        };
        let may_return = match &outcome {
            Ok(answer) => is_kept(answer),
            Err(fault) => route == Route::Own && !matches!(fault.kind, FaultKind::Lost | FaultKind::Stale),
        };
        if may_return {
            lease.finish();
        }
        if matches!(&outcome, Err(fault) if fault.kind == FaultKind::Stale) {
            self.replace_connections_of(leased);
        }
        outcome
    }

    /// Runs a statement through a pooler.
    async fn run_in_transaction<A, T>(
        &self,
        connection: &mut PgConnection,
        statement: Statement<A, T>,
        argument: &A,
        after_stale: bool,
    ) -> Result<T, Fault> {
        let Some(mut transaction) = self.router.begin(&mut *connection, after_stale).await? else {
            return Err(self.router.explain(connection).await);
        };
        match statement(&mut transaction, argument).await {
            Ok(answer) => {
                self.router.commit(transaction).await.map_err(|error| Fault::of(&error))?;
                Ok(answer)
            }
            Err(error) => {
                let fault = Fault::of(&error);
                if !matches!(fault.kind, FaultKind::Lost) {
                    transaction.rollback().await.map_err(|error| Fault::of(&error))?;
                }
                Err(fault)
            }
        }
    }

    /// Closes all connections that are open at present, each before it would be used again.
    fn replace_connections(&self) {
        *self.replaced.lock() = Some(Instant::now());
    }

    /// Replaces the connections because one that was leased at this time is stale. When they were replaced since, that
    /// one was still from before, and those opened meanwhile stay.
    fn replace_connections_of(&self, leased: Instant) {
        let mut replaced = self.replaced.lock();
        if replaced.is_none_or(|replaced| replaced < leased) {
            *replaced = Some(Instant::now());
        }
    }

    /// A connection to the present server, or to the first one after it that gives one.
    async fn lease(&self) -> Result<Lease<'_>, Fault> {
        let mut faults = Vec::new();
        loop {
            let (route, server) = (self.router.route(), self.router.choice.current());
            let fault = match self.lease_by(route).await {
                Ok(lease) => return Ok(lease),
                Err(fault) => fault,
            };
            // The first connection through a pooler finds out that it is one.
            if route == Route::Own && self.router.route() != Route::Own {
                self.connections.set_connect_options(self.router.options());
                continue;
            }
            let is_last = faults.len() + 1 == self.router.choice.count();
            if fault.kind == FaultKind::Saturated {
                return Err(fault);
            }
            self.leave(server);
            faults.push((server, fault));
            if is_last {
                return Err(self.router.choice.fault_of_all(faults));
            }
        }
    }

    /// Opens further connections to the next server, if there are several and this one is still the present one.
    fn leave(&self, server: usize) {
        if self.router.choice.count() > 1 {
            self.router.choice.leave(server, |next| {
                self.connections.set_connect_options(self.router.options_for(next.clone()));
            });
            self.replace_connections();
        }
    }

    async fn lease_by(&self, route: Route) -> Result<Lease<'_>, Fault> {
        let asked = Instant::now();
        let acquired = tokio::select! {
            biased;
            acquired = self.connections.acquire() => match acquired {
                Ok(connection) => Ok(Lease::new(connection, &self.counters)),
                Err(sqlx::Error::PoolTimedOut) => Err(self.no_connection()),
                Err(error) if route == Route::Own && Fault::is_refused_start(&error) => {
                    self.router.assume_pooler();
                    Err(Fault::new(FaultKind::Down, Fault::of(&error).text))
                }
                Err(error) => Err(Fault::of_connecting(&error)),
            },
            reason = self.unavailable() => Err(Fault::new(FaultKind::Down, reason)),
        };
        self.counters.record_acquisition(asked.elapsed());
        acquired
    }

    /// Returns the reason as soon as it is known that the server gives no connection.
    ///
    /// sqlx retries a refused connection, and one that fails the confirmation, until the timeout, as if the server were
    /// about to start. A caller can use that time to ask another server.
    async fn unavailable(&self) -> String {
        let mut rejection = self.router.rejection.subscribe();
        tokio::select! {
            Ok(()) = rejection.changed() => rejection.borrow().clone(),
            reason = self.refused() => reason,
        }
    }

    /// Probes repeatedly: a server that shuts down still accepts connections for a moment without answering them.
    async fn refused(&self) -> String {
        let mut delay = FIRST_PROBE_AFTER;
        loop {
            sleep(delay).await;
            delay *= 2;
            // When all connections are in use, the wait is for one of them and says nothing about the server.
            if self.counters.in_use.load(Relaxed) < self.limits.max_connections.get()
                && let Some(refusal) = self.router.choice.refusal().await
            {
                return refusal;
            }
        }
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

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, sync::atomic::AtomicUsize};

    use futures_util::{FutureExt as _, future::join_all};
    use sqlx::postgres::PgConnectOptions;
    use tokio::net::TcpListener;

    use super::*;

    const CONNECTIONS: u32 = 3;

    fn pool(port: u16) -> Pool {
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port);
        let limit = Duration::from_millis(400);
        let limits = Limits {
            section: "store",
            connect: limit,
            statement: limit,
            lock: limit,
            idle: limit,
            lifetime: limit,
            max_connections: NonZeroU32::new(CONNECTIONS).unwrap(),
        };
        Pool::new(&options.into(), limits, Session::durable(), None)
    }

    fn statement<'c>(_: &'c mut PgConnection, (): &'c ()) -> BoxFuture<'c, sqlx::Result<()>> {
        std::future::ready(Ok(())).boxed()
    }

    #[tokio::test]
    async fn callers_that_wait_for_a_connection_share_the_probes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pool = pool(listener.local_addr().unwrap().port());
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        // A server that accepts connections and never answers.
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                open.push(connection);
                count.fetch_add(1, Relaxed);
            }
        });
        let outcomes = join_all((0..50).map(|_| pool.run(statement, &()))).await;
        assert!(outcomes.iter().all(Result::is_err));
        // A wait of 400 ms has four probes: after 20, 60, 140 and 300 ms.
        let accepted = accepted.load(Relaxed);
        assert!(accepted <= CONNECTIONS as usize + 8, "{accepted} connections for 50 callers");
    }

    #[tokio::test]
    async fn a_refusal_is_reported_to_all_waiting_callers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pool = pool(listener.local_addr().unwrap().port());
        drop(listener);
        let began = Instant::now();
        let outcomes = join_all((0..50).map(|_| pool.run(statement, &()))).await;
        assert!(
            outcomes.iter().all(|outcome| matches!(outcome, Err(fault) if fault.kind == FaultKind::Down))
        );
        assert!(began.elapsed() < Duration::from_millis(300), "{:?}", began.elapsed());
    }
}
