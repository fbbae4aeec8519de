use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use padan_verification::ClientName;

/// The requests that may be in flight at a time, in all and of one client: one with slow bodies does not take every place.
#[derive(Clone)]
pub(crate) struct Places(Arc<Mutex<Taken>>);

struct Taken {
    most: usize,
    most_of_one: usize,
    all: usize,
    by_client: HashMap<ClientName, usize>,
}

/// The place of one request, free again when it is dropped.
#[must_use]
pub(crate) struct Place {
    places: Places,
    client: ClientName,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The client has as many as one may have.
    OfTheClient,
    /// All are taken.
    All,
}

impl Places {
    /// So many in all, and so many for one client.
    pub(crate) fn new(most: usize, most_of_one: usize) -> Self {
        Self(Arc::new(Mutex::new(Taken { most, most_of_one, all: 0, by_client: HashMap::new() })))
    }

    /// From now on so many. Requests that have a place keep it.
    pub(crate) fn change(&self, most: usize, most_of_one: usize) {
        self.with(|taken| (taken.most, taken.most_of_one) = (most, most_of_one));
    }

    /// Takes one.
    pub(crate) fn take(&self, client: &ClientName) -> Result<Place, Full> {
        self.with(|taken| {
            let of_client = taken.by_client.get(client).copied().unwrap_or_default();
            if of_client >= taken.most_of_one {
                return Err(Full::OfTheClient);
            }
            if taken.all >= taken.most {
                return Err(Full::All);
            }
            taken.all += 1;
            taken.by_client.insert(client.clone(), of_client + 1);
            Ok(Place { places: self.clone(), client: client.clone() })
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Taken) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.with(|taken| {
            taken.all -= 1;
            if let Some(of_client) = taken.by_client.get_mut(&self.client) {
                *of_client -= 1;
                if *of_client == 0 {
                    taken.by_client.remove(&self.client);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_its_share_and_leaves_the_rest() {
        let places = Places::new(3, 2);
        let (bank, shop) = ("bank".parse().unwrap(), "shop".parse().unwrap());
        let (first, second) = (places.take(&bank), places.take(&bank));
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(places.take(&bank).err(), Some(Full::OfTheClient));
        let third = places.take(&shop);
        assert!(third.is_ok());
        assert_eq!(places.take(&shop).err(), Some(Full::All));
        drop(first);
        assert!(places.take(&bank).is_ok(), "what has ended gives its place back");
        drop((second, third));
        assert!(places.with(|taken| taken.all == 0 && taken.by_client.is_empty()));
    }

    #[test]
    fn fewer_places_hold_for_new_requests_only() {
        let places = Places::new(2, 2);
        let bank = "bank".parse().unwrap();
        let (first, second) = (places.take(&bank), places.take(&bank));
        places.change(1, 1);
        drop(first);
        assert_eq!(places.take(&bank).err(), Some(Full::OfTheClient), "the second has its place still");
        drop(second);
        assert!(places.take(&bank).is_ok());
    }
}
