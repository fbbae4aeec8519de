use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use padan_store::{Clients, StoreError, StoredClient, StoredClients as StoredRows};
use parking_lot::{Mutex, RwLock};
use tokio::{
    sync::Mutex as AsyncMutex,
    time::{MissedTickBehavior, interval},
};

use crate::{
    client::{Client, ClientTable},
    client_versions::ClientVersions,
};

/// The clients of the store. All of them are read every few seconds: there are hundreds at most, and no request waits
/// for the read.
pub(crate) struct StoredClients {
    store: Clients,
    /// The age at which the last snapshot is no longer used.
    max_age: Duration,
    last: RwLock<Option<Snapshot>>,
    watched: Mutex<Watched>,
    /// When an unknown client last caused a read.
    refreshed_at: AsyncMutex<Option<Instant>>,
}

struct Snapshot {
    clients: Arc<ClientTable>,
    read_at: Instant,
}

/// What tells whether a row is one that Padan wrote last.
#[derive(Default)]
struct Watched {
    versions: ClientVersions,
    /// Why clients are refused, a line each.
    refused: Vec<String>,
}

/// The minimum time between two reads that unknown clients cause. Such a client may just have been added.
const REFRESH_INTERVAL: Duration = Duration::from_millis(500);

impl StoredClients {
    pub(crate) fn new(store: Clients, max_age: Duration) -> Self {
        Self {
            store,
            max_age,
            last: RwLock::new(None),
            watched: Mutex::default(),
            refreshed_at: AsyncMutex::new(None),
        }
    }

    /// Reads the clients once in each `period`. Never returns.
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

    /// The last snapshot of the clients; `None` when it is too old.
    pub(crate) fn current(&self) -> Option<Arc<ClientTable>> {
        let last = self.last.read();
        let recent = last.as_ref().filter(|snapshot| snapshot.read_at.elapsed() < self.max_age);
        recent.map(|snapshot| Arc::clone(&snapshot.clients))
    }

    /// Reads the clients now, unless they were just read for another caller. Concurrent callers share one read.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store does not answer.
    pub(crate) async fn refresh(&self) -> Result<(), StoreError> {
        let called_at = Instant::now();
        let mut refreshed_at = self.refreshed_at.lock().await;
        if refreshed_at.is_some_and(|at| at > called_at || at.elapsed() < REFRESH_INTERVAL) {
            return Ok(());
        }
        let outcome = self.read_now().await;
        *refreshed_at = Some(Instant::now());
        outcome
    }

    async fn read_now(&self) -> Result<(), StoreError> {
        let clients = self.trusted(self.store.all().await?);
        let table = clients.into_iter().map(Client::from).map(|client| (client.username.clone(), client));
        let snapshot = Snapshot { clients: Arc::new(table.collect()), read_at: Instant::now() };
        *self.last.write() = Some(snapshot);
        Ok(())
    }

    /// The number of clients in the store that are refused, because Padan did not write their rows so.
    pub(crate) fn refused(&self) -> usize {
        self.watched.lock().refused.len()
    }

    /// The clients whose rows Padan wrote last. Reports the others when they change.
    fn trusted(&self, StoredRows { trusted, refused }: StoredRows) -> Vec<StoredClient> {
        let mut watched = self.watched.lock();
        let (trusted, older) = watched.versions.split(trusted);
        let unsigned =
            refused.iter().map(|client| format!("the row of client {} {}", client.name, client.signature));
        let older = older.iter().map(|name| format!("an older row of client {name} was restored"));
        let refused: Vec<_> = unsigned.chain(older).collect();
        if refused != watched.refused {
            for line in &refused {
                tracing::error!("{line} in store.client: its requests are refused (PadanClientNotSigned)");
            }
            if refused.is_empty() {
                tracing::info!("no client of the store is refused any more because of its row");
            }
            watched.refused = refused;
        }
        trusted
    }
}

impl From<StoredClient> for Client {
    fn from(client: StoredClient) -> Self {
        let StoredClient { name, username, password, api_key, disabled, is_sandbox, rules, .. } = client;
        let username = username.as_str().as_bytes().into();
        Self { username, name, password, api_key, disabled, is_sandbox, rules }
    }
}

impl std::fmt::Debug for StoredClients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredClients")
    }
}
