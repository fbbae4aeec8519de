//! What is between a pool and its server: nothing that matters, or a pooler, which gives a connection of its own to
//! whoever needs it.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Postgres, Transaction,
    postgres::PgConnectOptions,
};
use tokio::sync::{Mutex as AsyncMutex, watch};

use crate::{
    fault::{Fault, FaultKind},
    server_version::refusal,
    servers::{Choice, Confirmation, Servers},
    session::{Observed, Session, UNCONFIRMED},
};

/// How statements reach the server, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// Each connection has a server process that was started for it.
    Own,
    /// There is a pooler, of which nothing else is known yet.
    Pooler,
    /// The pooler mixed up the prepared statements of its clients when it was explored, at this time.
    Mixing(Instant),
    /// The pooler gives prepared statements names of its own, so that clients can share a server process.
    Renaming,
    /// The pooler passes names on. No two clients were seen to share a server process.
    Passing,
}

/// Finds the route of a pool, and watches that it stays as it was found.
pub(crate) struct Router {
    pub(crate) session: Session,
    /// The servers that connections are opened to.
    pub(crate) choice: Choice,
    route: Mutex<Route>,
    /// One caller at a time explores a pooler.
    exploring: AsyncMutex<()>,
    /// The reason for which a connection was last rejected.
    pub(crate) rejection: watch::Sender<String>,
}

/// Why no statement may use a pooler that shares server processes among clients and passes the names of prepared
/// statements on: a client could run the statement of another one.
pub(crate) const MIXES_STATEMENTS: &str = "the pooler in between mixes up the prepared statements of its clients: set \
    pool_mode = session there, or use PgBouncer 1.22 or later with max_prepared_statements above 0";

/// How often two connections are compared.
const COMPARISONS: usize = 3;
/// After this time, a pooler that mixed statements up is explored again: its settings may have been changed.
const EXPLORE_AGAIN: Duration = Duration::from_secs(1);

impl Router {
    pub(crate) fn new(servers: &Servers, session: Session) -> Self {
        Self {
            session,
            choice: Choice::of(servers),
            route: Mutex::new(Route::Own),
            exploring: AsyncMutex::default(),
            rejection: watch::Sender::default(),
        }
    }

    pub(crate) fn route(&self) -> Route {
        *self.route.lock()
    }

    fn set(&self, route: Route) {
        *self.route.lock() = route;
    }

    /// From now on, connections are opened with the options for a pooler.
    pub(crate) fn assume_pooler(&self) {
        let mut route = self.route.lock();
        if *route == Route::Own {
            *route = Route::Pooler;
        }
    }

    /// Options for further connections to the present server.
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.options_for(self.choice.options())
    }

    /// Options for further connections by the present route.
    pub(crate) fn options_for(&self, server: PgConnectOptions) -> PgConnectOptions {
        match self.route() {
            Route::Own => self.session.for_own_process(server),
            _ => Session::for_pooler(server),
        }
    }

    /// Accepts a new connection, or rejects it and reports why. The confirmation is asked last.
    pub(crate) async fn accept(
        &self,
        connection: &mut PgConnection,
        confirmation: Option<&Confirmation>,
    ) -> sqlx::Result<()> {
        let reason = match refusal(connection.server_version_num()) {
            Some(refusal) => Some(refusal),
            None => self.objection(connection, confirmation).await?,
        };
        let Some(reason) = reason else { return Ok(()) };
        self.rejection.send_replace(reason.clone());
        Err(sqlx::Error::Protocol(reason))
    }

    /// The reason to reject a new connection, if there is one.
    async fn objection(
        &self,
        connection: &mut PgConnection,
        confirmation: Option<&Confirmation>,
    ) -> sqlx::Result<Option<String>> {
        if self.route() != Route::Own {
            return match confirmation {
                Some(confirmation) => {
                    let confirmed = self.confirm_in_transaction(connection, confirmation).await;
                    Ok(confirmed.unwrap_or_else(|fault| Some(fault.text)))
                }
                None => Ok(None),
            };
        }
        let observed = self.session.observe(connection).await?;
        if !observed.is_own || observed.unconfirmed.is_some() {
            self.assume_pooler();
            return Ok(Some("a pooler in between drops start-up options".to_owned()));
        }
        match confirmation {
            Some(confirmation) => Ok(confirmation(connection).await?.map(str::to_owned)),
            None => Ok(None),
        }
    }

    async fn confirm_in_transaction(
        &self,
        connection: &mut PgConnection,
        confirmation: &Confirmation,
    ) -> Result<Option<String>, Fault> {
        let fault = |error: sqlx::Error| Fault::of(&error);
        let Some(mut transaction) = self.begin(&mut *connection, false).await? else {
            return Err(self.explain(connection).await);
        };
        let reason = confirmation(&mut transaction).await.map_err(fault)?;
        self.commit(transaction).await.map_err(fault)?;
        Ok(reason.map(str::to_owned))
    }

    /// Begins a transaction through a pooler with all settings, in one round trip. `None` when the server does not
    /// confirm them: [`explain`](Self::explain) finds out why. `after_stale`: the statement was run before, and its
    /// prepared form no longer fitted.
    pub(crate) async fn begin<'c>(
        &self,
        connection: &'c mut PgConnection,
        after_stale: bool,
    ) -> Result<Option<Transaction<'c, Postgres>>, Fault> {
        let route = self.explored_route(connection).await;
        let forgets = match route.map_err(|error| fault_of_begin(&error))? {
            Route::Pooler | Route::Mixing(_) => return Err(Fault::new(FaultKind::Down, MIXES_STATEMENTS)),
            Route::Passing => true,
            Route::Own | Route::Renaming => after_stale,
        };
        let begin = self.session.begin("", forgets) + &self.session.confirmation();
        match connection.begin_with(AssertSqlSafe(begin)).await {
            Ok(transaction) => Ok(Some(transaction)),
            Err(error) if is_unconfirmed(&error) => Ok(None),
            Err(error) => Err(fault_of_begin(&error)),
        }
    }

    /// The reason for which a transaction is not confirmed.
    pub(crate) async fn explain(&self, connection: &mut PgConnection) -> Fault {
        match self.observe_transaction(connection).await {
            Ok(observed) => self.reason_of(&observed),
            Err(error) => Fault::of(&error),
        }
    }

    async fn observe_transaction(&self, connection: &mut PgConnection) -> sqlx::Result<Observed> {
        // The transaction that failed is still open.
        sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await?;
        let begin = AssertSqlSafe(self.session.begin("", false));
        let mut transaction = connection.begin_with(begin).await?;
        let observed = self.session.observe(&mut transaction).await?;
        transaction.rollback().await?;
        Ok(observed)
    }

    /// Commits, after the statements that the server process must not keep were removed.
    pub(crate) async fn commit(&self, mut transaction: Transaction<'_, Postgres>) -> sqlx::Result<()> {
        if self.route() != Route::Renaming {
            transaction.clear_cached_statements().await?;
        }
        transaction.commit().await
    }

    /// The route, after the pooler was explored if what it does with prepared statements is not known.
    async fn explored_route(&self, connection: &mut PgConnection) -> sqlx::Result<Route> {
        if let Some(known) = self.known_route() {
            return Ok(known);
        }
        let _exploring = self.exploring.lock().await;
        if let Some(known) = self.known_route() {
            return Ok(known);
        }
        let route = if renames_statements(connection).await? {
            Route::Renaming
        } else if is_shared(connection, &self.session, &Session::for_pooler(self.choice.options())).await? {
            Route::Mixing(Instant::now())
        } else {
            Route::Passing
        };
        self.set(route);
        Ok(route)
    }

    fn known_route(&self) -> Option<Route> {
        match self.route() {
            Route::Pooler => None,
            Route::Mixing(since) if since.elapsed() >= EXPLORE_AGAIN => None,
            known => Some(known),
        }
    }

    fn reason_of(&self, observed: &Observed) -> Fault {
        if let Some(reason) = &observed.unconfirmed {
            return Fault::new(FaultKind::Down, reason.clone());
        }
        // Another client's statement can be run in it.
        self.set(Route::Pooler);
        Fault::new(FaultKind::Stale, MIXES_STATEMENTS)
    }
}

fn is_unconfirmed(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.as_deref() == Some(UNCONFIRMED)
}

/// Why a transaction did not begin, so that no statement was run. An idle connection that was closed meanwhile is
/// replaced by another one.
fn fault_of_begin(error: &sqlx::Error) -> Fault {
    let fault = Fault::of(error);
    let kind = if fault.kind == FaultKind::Lost { FaultKind::Stale } else { fault.kind };
    Fault { kind, ..fault }
}

/// Whether the server knows the driver's prepared statements by other names than the driver.
///
/// It is asked within a transaction: outside of one, the answer could be that of another client's statement.
pub(crate) async fn renames_statements(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let mut transaction = connection.begin().await?;
    let prepared = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'sqlx_s_%'";
    let known: sqlx::Result<i64> = sqlx::query_scalar(prepared).fetch_one(&mut *transaction).await;
    let renames = match known {
        Ok(known) => {
            transaction.clear_cached_statements().await?;
            known == 0
        }
        // Another client has prepared a statement with the same name.
        Err(error) if Fault::of(&error).kind == FaultKind::Stale => false,
        Err(error) => return Err(error),
    };
    transaction.rollback().await?;
    Ok(renames)
}

/// Whether another client gets the server process of this connection, or this connection another process.
pub(crate) async fn is_shared(
    connection: &mut PgConnection,
    session: &Session,
    plain: &PgConnectOptions,
) -> sqlx::Result<bool> {
    let first = session.observe(connection).await?.process;
    let mut other = plain.connect().await?;
    let mut is_shared = false;
    for _ in 0..COMPARISONS {
        let of_other = session.observe(&mut other).await?.process;
        let own = session.observe(connection).await?.process;
        is_shared |= of_other == own || of_other == first || own != first;
    }
    other.close().await?;
    Ok(is_shared)
}
