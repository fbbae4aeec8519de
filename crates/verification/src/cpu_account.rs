use std::{collections::HashMap, time::Duration};

use padan_domain::{ClientName, Clock};
use padan_inference::Caller;
use padan_store::Store;
use parking_lot::{Mutex, MutexGuard};

use crate::error::error_chain;

/// The processor time of a client's photos since the start of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuTime {
    /// The client.
    pub client: ClientName,
    /// Its time.
    pub time: Duration,
}

/// Charges each client with the processor time of its photos.
#[derive(Default)]
pub(crate) struct CpuAccount(Mutex<Clients>);

/// Clients in the order in which they first called. There are no more than a site has clients.
#[derive(Default)]
struct Clients {
    numbers: HashMap<ClientName, usize>,
    used: Vec<Used>,
}

struct Used {
    client: ClientName,
    total: Duration,
    /// The part of it that the store does not have yet.
    unsaved: Duration,
}

impl CpuAccount {
    /// The number by which the engine knows a client. 0 is nobody's: the work of the service itself has it.
    pub(crate) fn caller(&self, client: &ClientName) -> Caller {
        let mut clients = self.clients();
        let next = clients.used.len();
        let number = *clients.numbers.entry(client.clone()).or_insert(next);
        if number == next {
            clients.used.push(Used {
                client: client.clone(),
                total: Duration::ZERO,
                unsaved: Duration::ZERO,
            });
        }
        Caller(number as u64 + 1)
    }

    /// Charges the client with this number.
    pub(crate) fn charge(&self, Caller(number): Caller, time: Duration) {
        let mut clients = self.clients();
        let index = number.checked_sub(1).and_then(|index| usize::try_from(index).ok());
        if let Some(used) = index.and_then(|index| clients.used.get_mut(index)) {
            used.total += time;
            used.unsaved += time;
        }
    }

    /// The time of each client.
    pub(crate) fn totals(&self) -> Vec<CpuTime> {
        let clients = self.clients();
        clients.used.iter().map(|used| CpuTime { client: used.client.clone(), time: used.total }).collect()
    }

    /// Adds what was charged since the last call to the store's counts of today. While the store does not answer, the
    /// time is kept for the next call.
    pub(crate) async fn save(&self, store: &Store, clock: &Clock) {
        let unsaved = self.take_unsaved();
        if unsaved.is_empty() {
            return;
        }
        if let Err(error) = store.add_cpu_use(clock.today_in_jakarta(), &unsaved).await {
            tracing::warn!("the processor time of the clients could not be saved: {}", error_chain(&error));
            self.keep(&unsaved);
        }
    }

    fn take_unsaved(&self) -> Vec<(ClientName, Duration)> {
        let mut clients = self.clients();
        let used = clients.used.iter_mut().filter(|used| !used.unsaved.is_zero());
        used.map(|used| (used.client.clone(), std::mem::take(&mut used.unsaved))).collect()
    }

    fn keep(&self, unsaved: &[(ClientName, Duration)]) {
        let mut clients = self.clients();
        for (client, time) in unsaved {
            if let Some(number) = clients.numbers.get(client).copied() {
                clients.used[number].unsaved += *time;
            }
        }
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_is_charged_with_its_own_time() {
        let account = CpuAccount::default();
        let [bank, shop]: [ClientName; 2] = ["bank", "shop"].map(|name| name.parse().unwrap());
        let seconds = Duration::from_secs;
        let (of_bank, of_shop) = (account.caller(&bank), account.caller(&shop));
        assert_eq!((account.caller(&bank), of_bank == of_shop), (of_bank, false));
        account.charge(of_bank, seconds(2));
        account.charge(of_shop, seconds(1));
        account.charge(of_bank, seconds(3));
        for nobody in [Caller(0), Caller(3), Caller(u64::MAX)] {
            account.charge(nobody, seconds(100));
        }
        let totals = || account.totals().into_iter().map(|used| used.time.as_secs()).collect::<Vec<_>>();
        assert_eq!(totals(), [5, 1]);
        let unsaved = account.take_unsaved();
        assert_eq!(unsaved, [(bank.clone(), seconds(5)), (shop, seconds(1))]);
        assert_eq!(account.take_unsaved(), []);
        // The store did not answer.
        account.charge(of_bank, seconds(1));
        account.keep(&unsaved[..1]);
        assert_eq!(account.take_unsaved(), [(bank, seconds(6))]);
        assert_eq!(totals(), [6, 1]);
    }
}
