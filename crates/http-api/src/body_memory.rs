use std::{collections::HashMap, sync::Arc};

use actix_web::web::Bytes;
use padan_domain::ClientName;
use parking_lot::{Mutex, MutexGuard};
use prometheus::IntGauge;

use crate::in_flight::LimitReached;

/// Limits the memory that the bodies of all requests take together, and those of one client. Decoded photos have a limit
/// of their own: the pixel budget of the inference engine.
#[derive(Clone)]
pub(crate) struct BodyMemory {
    budget: Arc<Budget>,
    /// The client to which reservations are charged, once it is known.
    client: Option<ClientName>,
}

struct Budget {
    counts: Mutex<Counts>,
    /// Shows the bytes that are reserved.
    shown: IntGauge,
}

struct Counts {
    limit: usize,
    limit_per_client: usize,
    held: usize,
    by_client: HashMap<ClientName, usize>,
}

/// Memory that is reserved until this is dropped, or until the data that took it is.
#[must_use]
pub(crate) struct HeldMemory {
    /// `None`: nothing is counted.
    memory: Option<BodyMemory>,
    bytes: usize,
}

/// Data and the memory that was reserved for it. The data is dropped first.
struct HeldData {
    data: Vec<u8>,
    _memory: HeldMemory,
}

impl BodyMemory {
    /// Limits to `limit` bytes, and each client to `limit_per_client`. `shown` is the metric of the bytes that are
    /// reserved.
    pub(crate) fn new(limit: usize, limit_per_client: usize, shown: IntGauge) -> Self {
        let counts = Counts { limit, limit_per_client, held: 0, by_client: HashMap::new() };
        Self { budget: Arc::new(Budget { counts: Mutex::new(counts), shown }), client: None }
    }

    /// The same memory, whose reservations are charged to a client.
    pub(crate) fn charged_to(&self, client: &ClientName) -> Self {
        Self { budget: Arc::clone(&self.budget), client: Some(client.clone()) }
    }

    /// Replaces the limits. Bodies in memory keep their bytes.
    pub(crate) fn set_limits(&self, limit: usize, limit_per_client: usize) {
        let mut counts = self.counts();
        (counts.limit, counts.limit_per_client) = (limit, limit_per_client);
    }

    /// An empty reservation, for data that is about to be read or decoded.
    pub(crate) fn reservation(&self) -> HeldMemory {
        HeldMemory { memory: Some(self.clone()), bytes: 0 }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.budget.counts.lock()
    }

    fn take(&self, more: usize) -> Result<(), LimitReached> {
        let mut counts = self.counts();
        let within = |held: usize, limit: usize| held.checked_add(more).filter(|held| *held <= limit);
        let of_client = self.client.as_ref().map(|client| {
            let held = counts.by_client.get(client).copied().unwrap_or_default();
            within(held, counts.limit_per_client).map(|held| (client.clone(), held))
        });
        let of_client = of_client.map(|held| held.ok_or(LimitReached::PerClient)).transpose()?;
        counts.held = within(counts.held, counts.limit).ok_or(LimitReached::Total)?;
        counts.by_client.extend(of_client);
        self.budget.shown.add(i64::try_from(more).unwrap_or(i64::MAX));
        Ok(())
    }

    fn give_back(&self, less: usize) {
        let mut counts = self.counts();
        counts.held -= less;
        if let Some(client) = &self.client
            && let Some(held) = counts.by_client.get_mut(client)
        {
            *held -= less;
            if *held == 0 {
                counts.by_client.remove(client);
            }
        }
        self.budget.shown.sub(i64::try_from(less).unwrap_or(i64::MAX));
    }
}

impl HeldMemory {
    /// A reservation that is not counted, for a body that shares no memory.
    pub(crate) fn uncounted() -> Self {
        Self { memory: None, bytes: 0 }
    }

    /// Grows the reservation to `bytes` in total. Changes nothing when a limit does not allow it.
    pub(crate) fn grow_to(&mut self, bytes: usize) -> Result<(), LimitReached> {
        let more = bytes.saturating_sub(self.bytes);
        if let Some(memory) = &self.memory
            && more > 0
        {
            memory.take(more)?;
            self.bytes += more;
        }
        Ok(())
    }

    /// Gives back what exceeds `bytes` in total.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        if let Some(memory) = &self.memory
            && less > 0
        {
            self.bytes -= less;
            memory.give_back(less);
        }
    }

    /// Binds the reservation to the data that took it: it lasts until the last clone or slice of the returned bytes is
    /// dropped, wherever that is. A photo may wait in the queue of the workers although its request has ended.
    pub(crate) fn holding(self, data: Vec<u8>) -> Bytes {
        Bytes::from_owner(HeldData { data, _memory: self })
    }
}

impl Drop for HeldMemory {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

impl AsRef<[u8]> for HeldData {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_the_limit_and_release_their_bytes() {
        let shown = IntGauge::new("shown", "reserved bytes").unwrap();
        let memory = BodyMemory::new(100, 100, shown.clone());
        let (mut one, mut other) = (memory.reservation(), memory.reservation());
        assert!(one.grow_to(60).is_ok() && other.grow_to(40).is_ok());
        assert_eq!(other.grow_to(41), Err(LimitReached::Total), "one byte too many");
        assert!(other.grow_to(30).is_ok(), "it has more than that already");
        assert_eq!(shown.get(), 100);
        drop(one);
        assert!(other.grow_to(100).is_ok());
        memory.set_limits(50, 50);
        assert!(
            other.grow_to(100).is_ok() && memory.reservation().grow_to(1).is_err(),
            "reserved bytes stay"
        );
        drop(other);
        assert!(memory.reservation().grow_to(50).is_ok() && memory.reservation().grow_to(51).is_err());
        assert_eq!(shown.get(), 0);
        assert!(memory.reservation().grow_to(usize::MAX).is_err());
    }

    #[test]
    fn the_reservation_lasts_as_long_as_a_slice_of_its_data() {
        let shown = IntGauge::new("shown", "reserved bytes").unwrap();
        let memory = BodyMemory::new(100, 100, shown.clone());
        let mut held = memory.reservation();
        assert!(held.grow_to(80).is_ok());
        held.shrink_to(90);
        assert_eq!(shown.get(), 80, "nothing exceeds that");
        held.shrink_to(60);
        let whole = held.holding(vec![7; 60]);
        let slice = whole.slice(10..20);
        drop(whole);
        assert_eq!(shown.get(), 60, "the slice keeps all of the data");
        assert!(memory.reservation().grow_to(41).is_err() && memory.reservation().grow_to(40).is_ok());
        let elsewhere = std::thread::spawn(move || slice.len());
        assert_eq!(elsewhere.join().unwrap(), 10);
        assert_eq!(shown.get(), 0);
    }

    #[test]
    fn a_client_has_its_share_and_leaves_the_rest_to_others() {
        let shown = IntGauge::new("shown", "reserved bytes").unwrap();
        let memory = BodyMemory::new(100, 60, shown.clone());
        let bank = memory.charged_to(&"bank".parse().unwrap());
        let shop = memory.charged_to(&"shop".parse().unwrap());
        let (mut first, mut second) = (bank.reservation(), bank.reservation());
        assert!(first.grow_to(50).is_ok());
        assert_eq!(second.grow_to(11), Err(LimitReached::PerClient));
        assert!(second.grow_to(10).is_ok());
        let mut others = shop.reservation();
        assert_eq!(others.grow_to(41), Err(LimitReached::Total));
        assert!(others.grow_to(40).is_ok());
        assert_eq!(shown.get(), 100, "what was refused is not counted");
        drop(others);
        first.shrink_to(20);
        assert!(second.grow_to(40).is_ok(), "what was given back is free");
        drop((first, second));
        assert!(memory.counts().by_client.is_empty());
        assert_eq!(shown.get(), 0);
    }
}
