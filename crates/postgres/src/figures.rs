use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The state of one pool, and what has happened since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolFigures {
    /// `host:port/database`, without credentials.
    pub name: String,
    /// Connections that may exist.
    pub max_connections: u32,
    /// Connections that exist or are being opened.
    pub connections: u32,
    /// Connections that wait for work.
    pub idle: u32,
    /// Connections that a statement is using.
    pub in_use: u32,
    /// Attempts to get a connection.
    pub acquisitions: u64,
    /// Time spent on all of these attempts together.
    pub acquire_wait: Duration,
    /// Attempts that ran out of time, waiting for a connection or for an answer.
    pub timeouts: u64,
    /// Attempts that failed otherwise.
    pub failures: u64,
}

/// What a pool counts.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) in_use: AtomicU32,
    pub(crate) acquisitions: AtomicU64,
    acquire_wait_us: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) failures: AtomicU64,
}

impl Counters {
    pub(crate) fn acquisition(&self, waited: Duration) {
        self.acquisitions.fetch_add(1, Relaxed);
        let microseconds = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.acquire_wait_us.fetch_add(microseconds, Relaxed);
    }

    pub(crate) fn acquire_wait(&self) -> Duration {
        Duration::from_micros(self.acquire_wait_us.load(Relaxed))
    }
}
