use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use sqlx::{PgConnection, Postgres, pool::PoolConnection};
use tokio::time::timeout;

use crate::figures::Counters;

/// A connection in use. When it is dropped before [`Lease::finish`], the connection is closed and not returned to the
/// pool.
///
/// A pool takes a connection back only after a ping was answered. When the network drops all packets, the ping would
/// block a connection for as long as the kernel retransmits, and a few such connections would exhaust the pool.
pub(crate) struct Lease<'r> {
    connection: Option<PoolConnection<Postgres>>,
    counters: &'r Counters,
}

/// How long a connection may take to answer the ping before it returns to the pool.
const RETURN_TIMEOUT: Duration = Duration::from_secs(1);

impl<'r> Lease<'r> {
    pub(crate) fn new(connection: PoolConnection<Postgres>, counters: &'r Counters) -> Self {
        counters.in_use.fetch_add(1, Relaxed);
        Self { connection: Some(connection), counters }
    }

    /// The connection; `None` once the lease is finished.
    pub(crate) fn connection(&mut self) -> Option<&mut PgConnection> {
        self.connection.as_deref_mut()
    }

    /// Returns the connection to the pool. Only for a connection whose answer was read to the end.
    pub(crate) fn finish(mut self) {
        if let Some(mut connection) = self.connection.take() {
            // Dropping the connection would do the same without a timeout.
            tokio::spawn(timeout(RETURN_TIMEOUT, connection.return_to_pool()));
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
