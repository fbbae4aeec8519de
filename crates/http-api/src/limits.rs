use std::{sync::Arc, time::Duration};

use parking_lot::RwLock;

use crate::{
    body_memory::BodyMemory,
    config::{BodyLimits, Config},
    connections::Connections,
    in_flight::InFlight,
    metrics::Metrics,
    saturation::Saturation,
    trusted_proxies::TrustedProxies,
};

/// The limits of `[http]` that a reload replaces.
#[derive(Clone)]
pub(crate) struct Limits {
    pub(crate) connections: Connections,
    pub(crate) in_flight: InFlight,
    pub(crate) memory: BodyMemory,
    pub(crate) saturation: Saturation,
    per_request: Arc<RwLock<RequestLimits>>,
    metrics: Arc<Metrics>,
}

/// The limits of one request. They stay the same until its end.
#[derive(Clone)]
pub(crate) struct RequestLimits {
    pub(crate) bodies: BodyLimits,
    pub(crate) proxies: TrustedProxies,
}

impl Limits {
    pub(crate) fn new(config: &Config, metrics: &Arc<Metrics>) -> Self {
        let (bytes, most) = (config.body_memory_bytes.get(), config.max_in_flight.get());
        metrics.set_in_flight_limit(most);
        Self {
            connections: Connections::new(
                config.max_connections(),
                config.connections_per_address,
                Duration::from_secs(config.saturated_seconds.get()),
                metrics,
            ),
            in_flight: InFlight::new(most, config.max_in_flight_per_client(), metrics.admitted().clone()),
            memory: BodyMemory::new(
                bytes,
                config.max_body_memory_per_client(),
                metrics.set_body_bytes_limit(bytes),
            ),
            saturation: Saturation::new(config.saturated_seconds.get()),
            per_request: Arc::new(RwLock::new(RequestLimits::of(config))),
            metrics: Arc::clone(metrics),
        }
    }

    /// Replaces the limits. Requests in flight keep theirs of size and time; the shared memory limit applies at once.
    pub(crate) fn set(&self, config: &Config) {
        let (bytes, most) = (config.body_memory_bytes.get(), config.max_in_flight.get());
        self.connections
            .set_limits(config.connections_per_address, Duration::from_secs(config.saturated_seconds.get()));
        self.in_flight.set_limits(most, config.max_in_flight_per_client());
        self.memory.set_limits(bytes, config.max_body_memory_per_client());
        self.saturation.set_threshold(config.saturated_seconds.get());
        *self.per_request.write() = RequestLimits::of(config);
        self.metrics.set_in_flight_limit(most);
        self.metrics.set_body_bytes_limit(bytes);
    }

    /// These limits with others of connections.
    pub(crate) fn with_connections(self, connections: Connections) -> Self {
        Self { connections, ..self }
    }

    /// The limits of a request that begins now.
    pub(crate) fn for_request(&self) -> RequestLimits {
        self.per_request.read().clone()
    }
}

#[cfg(test)]
impl Limits {
    /// Limits of bodies, with small limits of everything else.
    pub(crate) fn for_bodies(bodies: BodyLimits, memory_bytes: usize, metrics: &Arc<Metrics>) -> Self {
        Self {
            connections: Connections::new(100, 0, Duration::ZERO, metrics),
            in_flight: InFlight::new(1, 1, metrics.admitted().clone()),
            memory: BodyMemory::new(memory_bytes, memory_bytes, metrics.set_body_bytes_limit(memory_bytes)),
            saturation: Saturation::new(10),
            per_request: Arc::new(RwLock::new(RequestLimits { bodies, proxies: TrustedProxies::default() })),
            metrics: Arc::clone(metrics),
        }
    }
}

#[cfg(test)]
impl Limits {
    /// Trusts proxies.
    pub(crate) fn trust(&self, proxies: TrustedProxies) {
        self.per_request.write().proxies = proxies;
    }
}

impl RequestLimits {
    fn of(config: &Config) -> Self {
        Self { bodies: config.body_limits(), proxies: TrustedProxies::new(&config.trusted_proxies) }
    }
}
