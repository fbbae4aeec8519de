use std::{net::IpAddr, sync::Arc};

use actix_web::{HttpMessage as _, HttpRequest};
use padan_domain::{Endpoint, ReasonCode};
use padan_verification::{AdmissionError, ClientName, Clients};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    credentials::PresentedCredentials,
    notes::Notes,
    refusal::Refusal,
    shares::{Part, Shares},
    trusted_proxies::CallerAddress,
};

/// Lets requests in: the right client first, then a free place of the client's share, then the client's quota.
#[derive(Clone)]
pub(crate) struct Admission {
    clients: Arc<Clients>,
    places: Arc<Semaphore>,
    shares: Arc<Shares>,
}

/// A place, free again when it is dropped.
#[must_use]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _part: Part,
}

impl Admission {
    /// Admits the clients, `places` requests at a time, of which one client may have `most_of_one`.
    pub(crate) fn new(clients: Arc<Clients>, places: usize, most_of_one: usize) -> Self {
        let places = Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        Self { clients, places, shares: Shares::new(most_of_one) }
    }

    /// Tells who calls, takes a place and counts the request, before a byte of the body is read.
    pub(crate) async fn admit(&self, request: &HttpRequest, endpoint: Endpoint) -> Result<Place, Refusal> {
        let presented = PresentedCredentials::of(request.headers()).ok_or(AdmissionError::Unauthorized)?;
        let notes = Notes::of(request);
        let identified = self.clients.identify(presented.as_credentials(), peer(request)?, endpoint).await;
        let caller = match identified {
            Ok(caller) => caller,
            Err(error) => {
                if let AdmissionError::Forbidden(client) | AdmissionError::RateLimited(client, _) = &error {
                    notes.called_by(client.clone());
                }
                return Err(error.into());
            }
        };
        notes.called_by(caller.name.clone());
        let place = self.place(&caller.name, &notes).ok_or_else(|| Refusal::new(ReasonCode::Overloaded))?;
        match self.clients.count(&caller).await {
            Ok(quota) => notes.has_left(quota),
            Err(error) => {
                if let AdmissionError::QuotaExceeded(_, quota) = &error {
                    notes.has_left(Some(*quota));
                }
                return Err(error.into());
            }
        }
        Ok(place)
    }

    /// A free place, of those that the client may have; `None` when there is none.
    fn place(&self, client: &ClientName, notes: &Notes) -> Option<Place> {
        let Some(part) = self.shares.take(client) else {
            notes.exceeds_share();
            return None;
        };
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place { _permit: permit, _part: part })
    }
}

/// The caller's address, as the edge has found it. A connection that was reset already has none, and nobody will read
/// what is answered.
fn peer(request: &HttpRequest) -> Result<IpAddr, Refusal> {
    let caller = request.extensions().get::<CallerAddress>().copied();
    caller.map(|CallerAddress(address)| address).ok_or_else(|| Refusal::new(ReasonCode::MalformedForm))
}
