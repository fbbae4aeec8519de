use std::sync::Arc;

use crate::{config::ConnectionTimes, limits::Limits, metrics::Metrics};

/// What all connections of a thread share.
pub(crate) struct ConnectionSettings {
    /// Whether the work on a request ends when its client has left.
    pub(crate) stops_when_client_leaves: bool,
    pub(crate) times: ConnectionTimes,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
}
