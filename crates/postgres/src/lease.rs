use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use sqlx::{PgConnection, Postgres, pool::PoolConnection};
use tokio::time::timeout;

use crate::figures::Counters;

/// A connection in use. Dropped before [`Lease::finish`], it is closed and not returned to the pool.
///
/// A pool takes a connection back only after it has answered a ping. One whose network went silent would
/// keep its place for as long as the kernel retransmits, and a handful of those would empty the pool.
pub(crate) struct Lease<'r> {
    connection: Option<PoolConnection<Postgres>>,
    counters: &'r Counters,
}

/// How long a connection may take to answer the ping with which it goes back to the pool.
const RETURN: Duration = Duration::from_secs(1);

impl<'r> Lease<'r> {
    pub(crate) fn new(connection: PoolConnection<Postgres>, counters: &'r Counters) -> Self {
        counters.in_use.fetch_add(1, Relaxed);
        Self { connection: Some(connection), counters }
    }

    /// The connection, until the lease is finished.
    pub(crate) fn connection(&mut self) -> Option<&mut PgConnection> {
        self.connection.as_deref_mut()
    }

    /// Returns the connection to the pool: its answer was read to the end.
    pub(crate) fn finish(mut self) {
        if let Some(mut connection) = self.connection.take() {
            // What dropping the connection would do, but with an end to it.
            tokio::spawn(timeout(RETURN, connection.return_to_pool()));
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.counters.in_use.fetch_sub(1, Relaxed);
        if let Some(connection) = self.connection.take() {
            drop(connection.detach());
        }
    }
}
