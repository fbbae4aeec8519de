use std::{net::IpAddr, sync::Arc};

use actix_web::HttpRequest;
use padan_domain::ReasonCode;
use padan_verification::{AuthError, Clients};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{credentials::PresentedCredentials, notes::Notes, refusal::Refusal};

/// Lets requests in: the right client first, then a free place.
#[derive(Clone)]
pub(crate) struct Admission {
    clients: Arc<Clients>,
    places: Arc<Semaphore>,
}

/// A place, free again when it is dropped.
#[must_use]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
}

impl Admission {
    /// Admits the clients, `places` requests at a time.
    pub(crate) fn new(clients: Arc<Clients>, places: usize) -> Self {
        Self { clients, places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))) }
    }

    /// Tells who calls and takes a place, before a byte of the body is read.
    pub(crate) fn admit(&self, request: &HttpRequest) -> Result<Place, Refusal> {
        let presented = PresentedCredentials::of(request.headers()).ok_or(AuthError::Unauthorized)?;
        let client = self.clients.authenticate(presented.as_credentials(), peer(request)?)?;
        Notes::of(request).called_by(client);
        let permit = Arc::clone(&self.places).try_acquire_owned();
        Ok(Place { _permit: permit.map_err(|_| Refusal::new(ReasonCode::Overloaded))? })
    }
}

/// The address at the other end of the connection. What headers say about it anybody can write. One that was reset
/// already has none, and nobody will read what is answered.
fn peer(request: &HttpRequest) -> Result<IpAddr, Refusal> {
    request.peer_addr().map(|peer| peer.ip()).ok_or_else(|| Refusal::new(ReasonCode::MalformedForm))
}
