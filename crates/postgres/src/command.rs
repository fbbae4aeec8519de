//! Connections of commands, which are no part of a pool.

use std::time::{Duration, Instant};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Postgres, Transaction,
    postgres::PgConnectOptions,
};
use tokio::time::timeout;

use crate::{
    fault::{Fault, FaultKind},
    route::{MIXES_STATEMENTS, Route, is_shared, renames_statements},
    server_version::refusal,
    servers::{Servers, combined},
    session::Session,
};

/// A connection whose transactions each have all settings of a session, also through a pooler.
#[derive(Debug)]
pub struct Transactions {
    connection: PgConnection,
    session: Session,
    route: Route,
}

impl Transactions {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When there is no connection in time, or a pooler in between mixes up prepared statements.
    pub async fn connect(servers: &Servers, session: Session, limit: Duration) -> Result<Self, Fault> {
        match open(servers, &session, limit).await? {
            (_, Route::Mixing(_)) => Err(Fault::new(FaultKind::Down, MIXES_STATEMENTS)),
            (connection, route) => Ok(Self { connection, session, route }),
        }
    }

    /// Begins a transaction with these characteristics, such as ` ISOLATION LEVEL REPEATABLE READ`.
    ///
    /// # Errors
    ///
    /// When the connection broke, or the server does not confirm the settings.
    pub async fn begin(&mut self, characteristics: &str) -> Result<Transaction<'_, Postgres>, Fault> {
        let fault = |error: sqlx::Error| Fault::of(&error);
        if self.route != Route::Own && self.route != Route::Renaming {
            // Each transaction prepares its statements itself, so that it cannot run those of another client.
            self.connection.clear_cached_statements().await.map_err(fault)?;
        }
        let begin = AssertSqlSafe(self.session.begin(characteristics, false));
        let mut transaction = self.connection.begin_with(begin).await.map_err(fault)?;
        let observed = self.session.observe(&mut transaction).await.map_err(fault)?;
        if let Some(reason) = observed.unconfirmed {
            return Err(Fault::new(FaultKind::Down, reason));
        }
        if self.route == Route::Renaming && observed.named_by_driver > 0 {
            return Err(Fault::new(FaultKind::Down, MIXES_STATEMENTS));
        }
        Ok(transaction)
    }
}

/// Opens a connection that keeps the state of its session, such as locks.
///
/// # Errors
///
/// When there is no connection in time, the server does not confirm the session's settings, or a pooler in between
/// gives each transaction another server process. `advice` then says which URL to use.
pub async fn connect_session(
    servers: &Servers,
    session: &Session,
    limit: Duration,
    advice: &str,
) -> Result<PgConnection, Fault> {
    let fault = |error: sqlx::Error| Fault::of(&error);
    let (mut connection, route) = open(servers, session, limit).await?;
    within(limit, async {
        match route {
            Route::Own => return Ok(connection),
            Route::Passing => {}
            Route::Pooler | Route::Mixing(_) | Route::Renaming => {
                let text =
                    format!("the pooler in between gives each transaction another server process: {advice}");
                return Err(Fault::new(FaultKind::Down, text));
            }
        }
        sqlx::raw_sql(AssertSqlSafe(session.set())).execute(&mut connection).await.map_err(fault)?;
        match session.observe(&mut connection).await.map_err(fault)?.unconfirmed {
            Some(reason) => Err(Fault::new(FaultKind::Down, format!("{reason}: {advice}"))),
            None => Ok(connection),
        }
    })
    .await
}

fn check_version(connection: &PgConnection) -> Result<(), Fault> {
    match refusal(connection.server_version_num()) {
        Some(refusal) => Err(Fault::new(FaultKind::Refused, refusal)),
        None => Ok(()),
    }
}

/// Opens a connection to the first server that may be used. Each has the limit to itself.
async fn open(servers: &Servers, session: &Session, limit: Duration) -> Result<(PgConnection, Route), Fault> {
    let mut faults = Vec::new();
    for options in servers.all() {
        let opened = within(limit, async {
            let (mut connection, route) = open_at(options, session).await?;
            match servers.refusal(&mut connection).await.map_err(|error| Fault::of(&error))? {
                Some(reason) => Err(Fault::new(FaultKind::Down, reason)),
                None => Ok((connection, route)),
            }
        });
        match opened.await {
            Ok(opened) => return Ok(opened),
            Err(fault) => faults.push((options, fault)),
        }
    }
    Err(combined(faults))
}

/// Opens a connection, and finds out how its statements reach the server.
async fn open_at(options: &PgConnectOptions, session: &Session) -> Result<(PgConnection, Route), Fault> {
    let fault = |error: sqlx::Error| Fault::of(&error);
    match session.for_own_process(options.clone()).connect().await {
        Ok(mut connection) => {
            check_version(&connection)?;
            let observed = session.observe(&mut connection).await.map_err(fault)?;
            if observed.is_own && observed.unconfirmed.is_none() {
                return Ok((connection, Route::Own));
            }
            connection.close().await.map_err(fault)?;
        }
        Err(error) if Fault::is_refused_start(&error) => {}
        Err(error) => return Err(fault(error)),
    }
    let plain = Session::for_pooler(options.clone());
    let mut connection = plain.connect().await.map_err(fault)?;
    let route = if renames_statements(&mut connection).await.map_err(fault)? {
        Route::Renaming
    } else if is_shared(&mut connection, session, &plain).await.map_err(fault)? {
        Route::Mixing(Instant::now())
    } else {
        Route::Passing
    };
    Ok((connection, route))
}

async fn within<T>(limit: Duration, future: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(limit, future).await.unwrap_or_else(|_| {
        Err(Fault::new(FaultKind::TimedOut, format!("no connection within {} ms", limit.as_millis())))
    })
}
