use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The state of one pool, and its counters since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolFigures {
    /// `host:port/database`, without credentials.
    pub name: String,
    /// Whether the server is beyond this machine: it is reached neither by a socket nor by the loopback.
    pub is_remote: bool,
    /// The most connections that the pool opens.
    pub max_connections: u32,
    /// Connections that are open or being opened.
    pub connections: u32,
    /// Open connections that no statement uses.
    pub idle: u32,
    /// Connections that a statement uses.
    pub in_use: u32,
    /// Attempts to get a connection.
    pub acquisitions: u64,
    /// The total time of these attempts.
    pub acquire_wait: Duration,
    /// Statements that timed out, waiting for a connection or for an answer.
    pub timeouts: u64,
    /// Statements that failed for another reason.
    pub failures: u64,
    /// Whether a pooler was found in between. Each statement then has a transaction of its own.
    pub is_pooled: bool,
}

/// The counters of a pool.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) in_use: AtomicU32,
    pub(crate) acquisitions: AtomicU64,
    acquire_wait_us: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) failures: AtomicU64,
}

impl Counters {
    pub(crate) fn record_acquisition(&self, waited: Duration) {
        self.acquisitions.fetch_add(1, Relaxed);
        let microseconds = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.acquire_wait_us.fetch_add(microseconds, Relaxed);
    }

    pub(crate) fn acquire_wait(&self) -> Duration {
        Duration::from_micros(self.acquire_wait_us.load(Relaxed))
    }
}
