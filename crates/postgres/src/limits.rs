use std::{num::NonZeroU32, time::Duration};

/// The limits of a pool. The settings from which they come document what happens when one is too small or too large.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The section of the settings that error texts name.
    pub section: &'static str,
    /// How long it may take to get a connection, new or from the pool.
    pub connect: Duration,
    /// How long the server may work on one statement.
    pub statement: Duration,
    /// How long a statement may wait for a lock.
    pub lock: Duration,
    /// The time after which an unused connection is closed.
    pub idle: Duration,
    /// The time after which a connection is replaced.
    pub lifetime: Duration,
    /// The most connections that the pool opens.
    pub max_connections: NonZeroU32,
}
