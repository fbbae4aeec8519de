use std::{fmt, time::Duration};

use padan_domain::{BasicField, ClientName, ClientRules, Endpoint};

use crate::{
    client::Client,
    clients::{Clients, Lookup, Presented},
    error::error_chain,
    quotas::{QuotaError, QuotaFigures, QuotaState, Quotas},
};

/// Why a request is not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// The user is unknown, or the password or the key is wrong. The caller does not learn which.
    #[error("missing or wrong credentials")]
    Unauthorized,
    /// The address has sent too many wrong credentials; how long it must wait.
    #[error("too many wrong credentials came from this address")]
    TooManyFailures(Duration),
    /// The credentials are right, but the client is disabled, calls from outside its networks or without its
    /// certificate, or may not call this endpoint.
    #[error("the client {0} is disabled, or its rules do not allow this network, certificate or endpoint")]
    Forbidden(KnownClient),
    /// The client calls faster than its rate allows; how long it must wait.
    #[error("the client {0} calls faster than its rate allows")]
    RateLimited(KnownClient, Duration),
    /// A quota of the client is used up.
    #[error("a quota of the client {0} is used up")]
    QuotaExceeded(KnownClient, QuotaState),
    /// The store does not answer, so that the caller cannot be identified or its quota not counted.
    #[error("the store cannot answer: {0}")]
    StoreUnavailable(String),
}

/// A client whose credentials were right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownClient {
    /// The client's name.
    pub name: ClientName,
    /// Whether it is answered from the table of test people, and from nothing else.
    pub is_sandbox: bool,
}

impl fmt::Display for KnownClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

/// A client that was identified, with its rules at that time.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The client.
    pub client: KnownClient,
    rules: ClientRules,
}

impl Caller {
    /// An operator who verifies by hand. In the audit trail its requests have the client `console`.
    pub fn by_hand() -> Self {
        let client = KnownClient { name: ClientName::by_hand(), is_sandbox: false };
        Self { client, rules: ClientRules::default() }
    }

    /// Whether the client may have a field of basic verification compared.
    pub fn may_compare(&self, field: BasicField) -> bool {
        self.rules.fields.contain(field)
    }
}

impl Clients {
    /// Identifies the caller, and checks its rate, its network, its certificate and its permission for the endpoint.
    /// The request is not counted against a quota yet: see [`count`](Self::count).
    ///
    /// Valid credentials are accepted from a blocked address too, because all clients behind a balancer share its
    /// address. Wrong credentials from a blocked address cause no look-up in the store. A client that was just added
    /// and calls from there is admitted after the next regular read of the store's clients, a few seconds later.
    ///
    /// # Errors
    ///
    /// [`AdmissionError`] when the caller is not admitted, or the store does not answer.
    pub async fn identify(
        &self,
        presented: Presented<'_>,
        endpoint: Endpoint,
    ) -> Result<Caller, AdmissionError> {
        let peer = presented.address;
        let blocked = self.failed_credentials.retry_after(peer);
        let found = match (self.find(presented), blocked) {
            (Lookup::Found(client), _) => Some(client),
            (Lookup::NotFound, Some(wait)) => return Err(AdmissionError::TooManyFailures(wait)),
            // A blocked address must not cause a look-up in the store.
            (Lookup::Unavailable, Some(_)) => return Err(AdmissionError::clients_unavailable()),
            (Lookup::NotFound | Lookup::Unavailable, None) => self.find_after_refresh(presented).await?,
        };
        let Some(client) = found else {
            self.failed_credentials.record(peer);
            return Err(AdmissionError::Unauthorized);
        };
        let Client { username, name, disabled, is_sandbox, rules, .. } = *client;
        let client = KnownClient { name, is_sandbox };
        if let Some(wait) = rules.rate.and_then(|rate| self.rates.count_call(&username, rate)) {
            return Err(AdmissionError::RateLimited(client, wait));
        }
        let is_origin_allowed = rules.admits(peer) && rules.accepts(presented.certificate);
        if disabled || !is_origin_allowed || !rules.permits(endpoint) {
            // Each refusal is recorded in the audit trail, which costs more than the request.
            return Err(match self.rates.count_refusal(&username) {
                Some(wait) => AdmissionError::RateLimited(client, wait),
                None => AdmissionError::Forbidden(client),
            });
        }
        Ok(Caller { client, rules })
    }

    /// Counts a request of an identified caller against its quotas. `None` for a client without quotas, as each sandbox
    /// client is.
    ///
    /// # Errors
    ///
    /// [`AdmissionError::QuotaExceeded`] when a quota is used up, [`AdmissionError::StoreUnavailable`] when the store
    /// does not answer.
    pub async fn count(&self, caller: &Caller) -> Result<Option<QuotaState>, AdmissionError> {
        let (Some(quotas), Caller { client, rules }) = (&self.quotas, caller) else { return Ok(None) };
        if client.is_sandbox {
            return Ok(None);
        }
        quotas.take(&client.name, rules).await.map_err(|error| match error {
            QuotaError::UsedUp(state) => AdmissionError::QuotaExceeded(client.clone(), state),
            QuotaError::Store(error) => AdmissionError::StoreUnavailable(error_chain(&error)),
        })
    }

    /// The used share of each quota, for the clients that have called since the process started.
    pub fn quota_figures(&self) -> Vec<QuotaFigures> {
        self.quotas.as_ref().map(Quotas::figures).unwrap_or_default()
    }

    /// The number of clients in the store that are refused, because Padan did not write their rows so.
    pub fn refused_in_store(&self) -> usize {
        self.stored.as_ref().map_or(0, |stored| stored.refused())
    }

    /// Returns unused quota to the store. Call it when no request is served any more.
    pub async fn finish(&self) {
        if let Some(quotas) = &self.quotas {
            quotas.finish().await;
        }
    }

    /// Looks up a caller again after a refresh: the client may just have been added, or may have new secrets.
    async fn find_after_refresh(
        &self,
        presented: Presented<'_>,
    ) -> Result<Option<Box<Client>>, AdmissionError> {
        let Some(stored) = &self.stored else { return Ok(None) };
        let refreshed = stored.refresh().await;
        match self.find(presented) {
            Lookup::Found(client) => Ok(Some(client)),
            Lookup::NotFound => Ok(None),
            Lookup::Unavailable => Err(match refreshed {
                Err(error) => AdmissionError::StoreUnavailable(error_chain(&error)),
                Ok(()) => AdmissionError::clients_unavailable(),
            }),
        }
    }
}

impl AdmissionError {
    fn clients_unavailable() -> Self {
        Self::StoreUnavailable("the last read of the store's clients failed".to_owned())
    }
}
