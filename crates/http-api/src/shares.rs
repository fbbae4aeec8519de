use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use padan_verification::ClientName;

/// How many requests each client has in flight, so that one with slow bodies does not take every place.
pub(crate) struct Shares {
    most: usize,
    in_flight: Mutex<HashMap<ClientName, usize>>,
}

/// One request in flight of a client, until it is dropped.
#[must_use]
pub(crate) struct Part {
    shares: Arc<Shares>,
    client: ClientName,
}

impl Shares {
    /// So many requests of one client at a time.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, in_flight: Mutex::default() })
    }

    /// Counts one more; `None` when the client has its share.
    pub(crate) fn take(self: &Arc<Self>, client: &ClientName) -> Option<Part> {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = in_flight.get(client).copied().unwrap_or_default();
        if taken >= self.most {
            return None;
        }
        in_flight.insert(client.clone(), taken + 1);
        Some(Part { shares: Arc::clone(self), client: client.clone() })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut in_flight = self.shares.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = in_flight.get_mut(&self.client) {
            *taken -= 1;
            if *taken == 0 {
                in_flight.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_share_and_leaves_the_rest() {
        let shares = Shares::new(2);
        let (bank, shop) = ("bank".parse().unwrap(), "shop".parse().unwrap());
        let (first, second) = (shares.take(&bank), shares.take(&bank));
        assert!(first.is_some() && second.is_some() && shares.take(&bank).is_none());
        assert!(shares.take(&shop).is_some());
        drop(first);
        assert!(shares.take(&bank).is_some(), "what has ended gives its place back");
        drop(second);
        assert!(shares.in_flight.lock().unwrap().is_empty());
    }
}
