//! What every session with the store has in common: a commit is durable when it is answered.

use std::time::Duration;

use padan_postgres::{Session, connect_session};
use sqlx::PgConnection;

use crate::{config::Config, error::StoreError};

/// Opens a connection for a command that may take long: its statements have no time limit, only a limit for the wait
/// for locks.
pub(crate) async fn open(
    config: &Config,
    options: sqlx::postgres::PgConnectOptions,
    advice: &str,
) -> Result<PgConnection, StoreError> {
    let lock = Duration::from_millis(config.migration_lock_timeout_ms);
    let session = Session::durable().limited(Duration::ZERO, lock);
    Ok(connect_session(&options, &session, config.limits().connect, advice).await?)
}
