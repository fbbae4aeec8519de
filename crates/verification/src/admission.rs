use std::time::Duration;

use padan_domain::{ClientName, ClientRules, Endpoint};

use crate::{
    Clients, Presented, QuotaFigures, QuotaState,
    clients::{Client, Found},
    error::in_words,
    quotas::{QuotaError, Quotas},
};

/// Why a request is not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmissionError {
    /// Unknown user, wrong password or wrong key; which of them is not told.
    #[error("missing or wrong credentials")]
    Unauthorized,
    /// The address has sent too many wrong credentials; for how long it is not listened to.
    #[error("too many wrong credentials came from this address")]
    TooManyFailures(Duration),
    /// The credentials are right, and the client is disabled, calls from outside its networks, or may not call this.
    #[error("the client {0} may not do this")]
    Forbidden(ClientName),
    /// The client calls faster than it may; when it may again.
    #[error("the client {0} calls faster than it may")]
    RateLimited(ClientName, Duration),
    /// A quota of the client is used up.
    #[error("a quota of the client {0} is used up")]
    QuotaExceeded(ClientName, QuotaState),
    /// The store cannot tell who calls, or how much of a quota is left.
    #[error("the store cannot answer: {0}")]
    StoreUnavailable(String),
}

/// A client who was let in, with what it may do as of then.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its name.
    pub name: ClientName,
    rules: ClientRules,
}

impl Clients {
    /// Lets a request in: the right credentials, no faster than the client may, from where and for what it may call. What
    /// it is allowed to use is not counted yet: see [`count`](Self::count).
    ///
    /// Right credentials are listened to whoever else guesses at the same address: behind a balancer all clients share
    /// one. Wrong ones of an address that guesses cost no look into the store; a client who was added a moment ago and
    /// calls from there gets in when the store's clients are read next, a few seconds later.
    pub async fn identify(
        &self,
        presented: Presented<'_>,
        endpoint: Endpoint,
    ) -> Result<Caller, AdmissionError> {
        let peer = presented.address;
        let blocked = self.failed_credentials.retry_after(peer);
        let found = match (self.find(presented), blocked) {
            (Found::Right(client), _) => Some(client),
            (Found::Wrong, Some(wait)) => return Err(AdmissionError::TooManyFailures(wait)),
            // Whether they are wrong is not known, and this is not the caller to find out for.
            (Found::Unknown, Some(_)) => return Err(AdmissionError::clients_unknown()),
            (Found::Wrong | Found::Unknown, None) => self.find_again(presented).await?,
        };
        let Some(client) = found else {
            self.failed_credentials.record(peer);
            return Err(AdmissionError::Unauthorized);
        };
        let Client { username, name, disabled, rules, .. } = *client;
        if let Some(wait) = rules.rate.and_then(|rate| self.rates.call(&username, rate)) {
            return Err(AdmissionError::RateLimited(name, wait));
        }
        let is_itself = rules.admits(peer) && rules.accepts(presented.certificate);
        if disabled || !is_itself || !rules.permits(endpoint) {
            // Each is recorded, which costs more than to ask for it.
            return Err(match self.rates.refusal(&username) {
                Some(wait) => AdmissionError::RateLimited(name, wait),
                None => AdmissionError::Forbidden(name),
            });
        }
        Ok(Caller { name, rules })
    }

    /// Counts a request that was let in against the client's quotas.
    pub async fn count(&self, caller: &Caller) -> Result<Option<QuotaState>, AdmissionError> {
        let (Some(quotas), Caller { name, rules }) = (&self.quotas, caller) else { return Ok(None) };
        quotas.take(name, rules).await.map_err(|error| match error {
            QuotaError::UsedUp(state) => AdmissionError::QuotaExceeded(name.clone(), state),
            QuotaError::Store(error) => AdmissionError::StoreUnavailable(in_words(&error)),
        })
    }

    /// How much is used of the quotas of the clients who have called since the start.
    pub fn quota_figures(&self) -> Vec<QuotaFigures> {
        self.quotas.as_ref().map(Quotas::figures).unwrap_or_default()
    }

    /// Hands back what was taken of quotas and not used. To be called when nobody is served any more.
    pub async fn finish(&self) {
        if let Some(quotas) = &self.quotas {
            quotas.finish().await;
        }
    }

    /// Somebody may have been added, or given new secrets, a moment ago.
    async fn find_again(&self, presented: Presented<'_>) -> Result<Option<Box<Client>>, AdmissionError> {
        let Some(stored) = &self.stored else { return Ok(None) };
        let looked = stored.look_again().await;
        match self.find(presented) {
            Found::Right(client) => Ok(Some(client)),
            Found::Wrong => Ok(None),
            Found::Unknown => Err(match looked {
                Err(error) => AdmissionError::StoreUnavailable(in_words(&error)),
                Ok(()) => AdmissionError::clients_unknown(),
            }),
        }
    }
}

impl AdmissionError {
    fn clients_unknown() -> Self {
        Self::StoreUnavailable("the clients of the store could not be read a moment ago".to_owned())
    }
}
