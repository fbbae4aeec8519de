//! What every session with the store has in common: a commit is durable when it is answered.

use std::time::Duration;

use padan_postgres::Session;

use crate::config::Config;

/// The session of a command that may take long: its statements have no time limit, only a limit for the wait for locks.
pub(crate) fn of_command(config: &Config) -> Session {
    Session::durable().limited(Duration::ZERO, Duration::from_millis(config.migration_lock_timeout_ms))
}
