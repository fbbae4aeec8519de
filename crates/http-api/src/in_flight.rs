use std::{collections::HashMap, sync::Arc};

use padan_domain::ClientName;
use parking_lot::Mutex;
use prometheus::IntGauge;

/// Limits the requests in flight, in total and per client, so that one client with slow bodies leaves room for others.
#[derive(Clone)]
pub(crate) struct InFlight(Arc<Mutex<Counts>>);

struct Counts {
    max: usize,
    max_per_client: usize,
    total: usize,
    by_client: HashMap<ClientName, usize>,
    /// Shows `total`.
    gauge: IntGauge,
}

/// Counts one request as in flight until it is dropped.
#[must_use]
pub(crate) struct InFlightPermit {
    in_flight: InFlight,
    client: ClientName,
}

/// Why a request is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitReached {
    /// The client has as many requests in flight as one client may have.
    PerClient,
    /// As many requests are in flight as the service takes.
    Total,
}

impl InFlight {
    /// The gauge shows the requests that are counted.
    pub(crate) fn new(max: usize, max_per_client: usize, gauge: IntGauge) -> Self {
        let by_client = HashMap::new();
        Self(Arc::new(Mutex::new(Counts { max, max_per_client, total: 0, by_client, gauge })))
    }

    /// Replaces the limits. Requests in flight keep their permits.
    pub(crate) fn set_limits(&self, max: usize, max_per_client: usize) {
        self.with(|counts| (counts.max, counts.max_per_client) = (max, max_per_client));
    }

    /// Counts a request of a client.
    pub(crate) fn acquire(&self, client: &ClientName) -> Result<InFlightPermit, LimitReached> {
        self.with(|counts| {
            let of_client = counts.by_client.get(client).copied().unwrap_or_default();
            if of_client >= counts.max_per_client {
                return Err(LimitReached::PerClient);
            }
            if counts.total >= counts.max {
                return Err(LimitReached::Total);
            }
            counts.total += 1;
            counts.gauge.inc();
            counts.by_client.insert(client.clone(), of_client + 1);
            Ok(InFlightPermit { in_flight: self.clone(), client: client.clone() })
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Counts) -> T) -> T {
        work(&mut self.0.lock())
    }
}

impl Drop for InFlightPermit {
    fn drop(&mut self) {
        self.in_flight.with(|counts| {
            counts.total -= 1;
            counts.gauge.dec();
            if let Some(of_client) = counts.by_client.get_mut(&self.client) {
                *of_client -= 1;
                if *of_client == 0 {
                    counts.by_client.remove(&self.client);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_flight(max: usize, max_per_client: usize) -> (InFlight, IntGauge) {
        let gauge = IntGauge::new("admitted", "requests").unwrap();
        (InFlight::new(max, max_per_client, gauge.clone()), gauge)
    }

    #[test]
    fn a_client_is_limited_to_its_share() {
        let (in_flight, gauge) = in_flight(3, 2);
        let (bank, shop) = ("bank".parse().unwrap(), "shop".parse().unwrap());
        let (first, second) = (in_flight.acquire(&bank), in_flight.acquire(&bank));
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(in_flight.acquire(&bank).err(), Some(LimitReached::PerClient));
        let third = in_flight.acquire(&shop);
        assert!(third.is_ok());
        assert_eq!(in_flight.acquire(&shop).err(), Some(LimitReached::Total));
        assert_eq!(gauge.get(), 3, "refused requests are not counted");
        drop(first);
        assert!(in_flight.acquire(&bank).is_ok(), "a dropped permit makes room");
        drop((second, third));
        assert!(in_flight.with(|counts| counts.total == 0 && counts.by_client.is_empty()));
        assert_eq!(gauge.get(), 0);
    }

    #[test]
    fn lower_limits_apply_to_new_requests_only() {
        let (in_flight, _) = in_flight(2, 2);
        let bank = "bank".parse().unwrap();
        let (first, second) = (in_flight.acquire(&bank), in_flight.acquire(&bank));
        in_flight.set_limits(1, 1);
        drop(first);
        assert_eq!(in_flight.acquire(&bank).err(), Some(LimitReached::PerClient), "the second is in flight");
        drop(second);
        assert!(in_flight.acquire(&bank).is_ok());
    }
}
