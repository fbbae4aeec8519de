use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use padan_domain::{ClientCertificate, Clock};
use padan_store::{SecretHashes, Store};
use parking_lot::RwLock;
use subtle::{Choice, ConstantTimeEq as _};

use crate::{
    background_tasks::BackgroundTasks,
    client::{Client, ClientTable, digest},
    clients_file::{self, ClientsError},
    config::ClientsConfig,
    failed_credentials::FailedCredentials,
    quotas::Quotas,
    rates::Rates,
    stored_clients::StoredClients,
};

/// The clients that may call: those of a file, which are replaced together when it is read again, and those of the
/// store, which are read every few seconds. When both have the same user name, the file's client counts.
#[derive(Debug)]
pub struct Clients {
    config: ClientsConfig,
    clock: Clock,
    table: RwLock<Arc<ClientTable>>,
    pub(crate) stored: Option<Arc<StoredClients>>,
    pub(crate) quotas: Option<Quotas>,
    pub(crate) failed_credentials: FailedCredentials,
    pub(crate) rates: Rates,
}

/// The credentials of a caller, as received.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The user name of Basic authentication.
    pub username: &'a [u8],
    /// The password of Basic authentication.
    pub password: &'a [u8],
    /// The key of the header `x-api-key`.
    pub api_key: &'a [u8],
}

/// What identifies a caller.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// The credentials; `None` when the caller sent none. Then only a certificate can identify it.
    pub credentials: Option<Credentials<'a>>,
    /// The verified certificate of the connection.
    pub certificate: Option<&'a ClientCertificate>,
    /// The caller's address.
    pub address: IpAddr,
}

/// The result of looking up a caller.
pub(crate) enum Lookup {
    /// The credentials or the certificate belong to this client.
    Found(Box<Client>),
    /// They belong to no client.
    NotFound,
    /// They belong to no client of the file, and the store's clients are not available.
    Unavailable,
}

impl Clients {
    /// Reads the configured file, if there is one. The store's clients are not used.
    ///
    /// # Errors
    ///
    /// [`ClientsError`] when the file cannot be read or a client in it is invalid.
    pub fn load(config: &ClientsConfig) -> Result<Self, ClientsError> {
        let table = clients_file::read(config)?;
        Ok(Self {
            config: config.clone(),
            clock: Clock::System,
            table: RwLock::new(Arc::new(table)),
            stored: None,
            quotas: None,
            failed_credentials: FailedCredentials::new(config.failed_credentials),
            rates: Rates::new(config.refusals),
        })
    }

    /// Reads the configured file, and starts the task that reads the store's clients. Must be called within a Tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// [`ClientsError`] when the file cannot be read or a client in it is invalid.
    pub fn load_with_store(
        config: &ClientsConfig,
        store: &Store,
        tasks: &mut BackgroundTasks,
    ) -> Result<Self, ClientsError> {
        let loaded = Self::load(config)?;
        let seconds = |seconds: u32| Duration::from_secs(seconds.max(1).into());
        let stored = Arc::new(StoredClients::new(store.clients(), seconds(config.stale_seconds)));
        let period = seconds(config.refresh_seconds);
        tasks.spawn("clients of the store", Arc::clone(&stored).keep_reading(period));
        let quotas = Quotas::new(store.quotas(), loaded.clock);
        Ok(Self { stored: Some(stored), quotas: Some(quotas), ..loaded })
    }

    /// Reads the file again and returns the number of clients in it.
    ///
    /// # Errors
    ///
    /// [`ClientsError`] when the file cannot be read or a client in it is invalid. The clients stay as they were.
    pub fn reload(&self) -> Result<usize, ClientsError> {
        let table = clients_file::read(&self.config)?;
        let count = table.len();
        *self.table.write() = Arc::new(table);
        Ok(count)
    }

    /// The number of clients in the file.
    pub fn count_in_file(&self) -> usize {
        self.file_clients().len()
    }

    /// Looks up a caller: by its credentials if there are any, otherwise by its certificate.
    pub(crate) fn find(&self, presented: Presented<'_>) -> Lookup {
        match (presented.credentials, presented.certificate) {
            (Some(credentials), _) => self.find_by_credentials(credentials),
            (None, Some(certificate)) => self.find_by_certificate(certificate),
            (None, None) => Lookup::NotFound,
        }
    }

    /// A certificate that several clients list identifies none of them.
    fn find_by_certificate(&self, certificate: &ClientCertificate) -> Lookup {
        let in_file = self.file_clients();
        let in_store = self.stored.as_ref().map(|stored| stored.current());
        let only_in_store = in_store.iter().flatten().flat_map(|table| table.values());
        let only_in_store = only_in_store.filter(|client| !in_file.contains_key(&client.username));
        let mut holders =
            in_file.values().chain(only_in_store).filter(|client| client.rules.lists(certificate));
        match (holders.next(), holders.next()) {
            (Some(client), None) => Lookup::Found(Box::new(client.clone())),
            (None, _) if matches!(in_store, Some(None)) => Lookup::Unavailable,
            _ => Lookup::NotFound,
        }
    }

    /// Takes the same time for an unknown user as for a wrong password or key.
    fn find_by_credentials(&self, presented: Credentials<'_>) -> Lookup {
        let in_file = self.file_clients();
        let in_store = self.stored.as_ref().map(|stored| stored.current());
        let known =
            in_file.get(presented.username).or_else(|| in_store.as_ref()?.as_ref()?.get(presented.username));
        // The secrets of an unknown user are compared with this, so that the comparison takes equally long. No secret
        // has a digest of zeros.
        let no_secret = SecretHashes::new([0; 32]);
        let (password, api_key) =
            known.map_or((&no_secret, &no_secret), |client| (&client.password, &client.api_key));
        let now = self.clock.now();
        let equal = matches(password, presented.password, now) & matches(api_key, presented.api_key, now);
        match known {
            Some(client) if bool::from(equal) => Lookup::Found(Box::new(client.clone())),
            None if matches!(in_store, Some(None)) => Lookup::Unavailable,
            Some(_) | None => Lookup::NotFound,
        }
    }

    fn file_clients(&self) -> Arc<ClientTable> {
        Arc::clone(&self.table.read())
    }
}

/// Whether a secret is the current one, or the previous one while that is still valid.
fn matches(stored: &SecretHashes, presented: &[u8], now: DateTime<Utc>) -> Choice {
    let presented = digest(presented);
    let (previous, is_valid) =
        stored.previous.map_or(([0; 32], false), |(previous, until)| (previous, now < until));
    presented.ct_eq(&stored.current) | (presented.ct_eq(&previous) & Choice::from(u8::from(is_valid)))
}

impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

#[cfg(test)]
mod tests;
