use std::sync::{Arc, PoisonError, RwLock};

use crate::{
    body_memory::BodyMemory,
    config::{BodyLimits, Config},
    in_flight::InFlight,
    metrics::Metrics,
    saturation::Saturation,
    trusted_proxies::TrustedProxies,
};

/// The limits of `[http]` that can change while the service runs: for requests that come after the change.
#[derive(Clone)]
pub(crate) struct Limits {
    pub(crate) in_flight: InFlight,
    pub(crate) memory: BodyMemory,
    pub(crate) saturation: Saturation,
    of_requests: Arc<RwLock<OfRequests>>,
    metrics: Arc<Metrics>,
}

/// What holds for one request from its beginning to its end.
#[derive(Clone)]
pub(crate) struct OfRequests {
    pub(crate) bodies: BodyLimits,
    pub(crate) proxies: TrustedProxies,
}

impl Limits {
    pub(crate) fn new(config: &Config, metrics: &Arc<Metrics>) -> Self {
        let (bytes, most) = (config.body_memory_bytes.get(), config.max_in_flight.get());
        metrics.limit_in_flight(most);
        Self {
            in_flight: InFlight::new(most, config.most_of_one_client()),
            memory: BodyMemory::new(bytes, metrics.limit_bodies(bytes)),
            saturation: Saturation::new(config.saturated_seconds.get()),
            of_requests: Arc::new(RwLock::new(OfRequests::of(config))),
            metrics: Arc::clone(metrics),
        }
    }

    /// From now on those of other settings. What is under way keeps what it has.
    pub(crate) fn change(&self, config: &Config) {
        let (bytes, most) = (config.body_memory_bytes.get(), config.max_in_flight.get());
        self.in_flight.set_limits(most, config.most_of_one_client());
        self.memory.change(bytes);
        self.saturation.set_threshold(config.saturated_seconds.get());
        *self.of_requests.write().unwrap_or_else(PoisonError::into_inner) = OfRequests::of(config);
        self.metrics.limit_in_flight(most);
        self.metrics.limit_bodies(bytes);
    }

    /// Those of a request that begins now.
    pub(crate) fn of_request(&self) -> OfRequests {
        self.of_requests.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
impl Limits {
    /// Those of bodies alone.
    pub(crate) fn of_bodies(bodies: BodyLimits, memory_bytes: usize, metrics: &Arc<Metrics>) -> Self {
        Self {
            in_flight: InFlight::new(1, 1),
            memory: BodyMemory::new(memory_bytes, metrics.limit_bodies(memory_bytes)),
            saturation: Saturation::new(10),
            of_requests: Arc::new(RwLock::new(OfRequests { bodies, proxies: TrustedProxies::default() })),
            metrics: Arc::clone(metrics),
        }
    }
}

impl OfRequests {
    fn of(config: &Config) -> Self {
        Self { bodies: config.body_limits(), proxies: TrustedProxies::new(&config.trusted_proxies) }
    }
}
