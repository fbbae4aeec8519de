use std::{
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use padan_store::{Store, StoreError, StoredClient};
use tokio::{
    sync::Mutex as Turn,
    time::{MissedTickBehavior, interval},
};

use crate::clients::{Client, ClientTable};

/// The clients of the store, read whole every few seconds: there are hundreds at most, and no request waits for them.
pub(crate) struct StoredClients {
    store: Store,
    /// How old what was read may be before it is not believed any more.
    stale: Duration,
    read: RwLock<Option<(Arc<ClientTable>, Instant)>>,
    reading: Turn<Option<Instant>>,
}

/// Whoever is not known may have been added just now, and is looked for; but no more often than this.
const LOOKS_APART: Duration = Duration::from_millis(500);

impl StoredClients {
    pub(crate) fn new(store: Store, stale: Duration) -> Self {
        Self { store, stale, read: RwLock::new(None), reading: Turn::new(None) }
    }

    /// Reads the clients once per `period`, for ever.
    pub(crate) async fn keep_reading(self: Arc<Self>, period: Duration) {
        let mut reads = interval(period);
        reads.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            reads.tick().await;
            if let Err(error) = self.read_now().await {
                tracing::warn!("the clients of the store could not be read: {error}");
            }
        }
    }

    /// The clients as they were read last; `None` when that is too long ago.
    pub(crate) fn current(&self) -> Option<Arc<ClientTable>> {
        let read = self.read.read().unwrap_or_else(PoisonError::into_inner);
        read.as_ref().filter(|(_, at)| at.elapsed() < self.stale).map(|(table, _)| Arc::clone(table))
    }

    /// Reads once more, unless that was done a moment ago. Callers at the same time share one look.
    pub(crate) async fn look_again(&self) -> Result<(), StoreError> {
        let asked = Instant::now();
        let mut last = self.reading.lock().await;
        if last.is_some_and(|last| last > asked || last.elapsed() < LOOKS_APART) {
            return Ok(());
        }
        let read = self.read_now().await;
        *last = Some(Instant::now());
        read
    }

    async fn read_now(&self) -> Result<(), StoreError> {
        let clients = self.store.clients().await?;
        let table = clients.into_iter().map(Client::from).map(|client| (client.username.clone(), client));
        let read = Some((Arc::new(table.collect()), Instant::now()));
        *self.read.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }
}

impl From<StoredClient> for Client {
    fn from(client: StoredClient) -> Self {
        let StoredClient { name, username, password, api_key, disabled, rules, .. } = client;
        Self { username: username.as_str().as_bytes().into(), name, password, api_key, disabled, rules }
    }
}

impl std::fmt::Debug for StoredClients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredClients")
    }
}
