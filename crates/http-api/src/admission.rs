use std::{net::IpAddr, sync::Arc};

use actix_web::{HttpMessage as _, HttpRequest};
use padan_domain::{Endpoint, ReasonCode};
use padan_verification::{AdmissionError, Clients, Presented};

use crate::{
    credentials::PresentedCredentials,
    notes::Notes,
    peer_certificate::PeerCertificate,
    places::{Full, Place, Places},
    refusal::Refusal,
    trusted_proxies::CallerAddress,
};

/// Lets requests in: the right client first, then a free place of the client's share, then the client's quota.
#[derive(Clone)]
pub(crate) struct Admission {
    clients: Arc<Clients>,
    places: Places,
    certificate_suffices: bool,
}

impl Admission {
    /// Admits the clients, as many requests at a time as there are places, by credentials alone or by a certificate too.
    pub(crate) fn new(clients: Arc<Clients>, places: Places, certificate_suffices: bool) -> Self {
        Self { clients, places, certificate_suffices }
    }

    /// Tells who calls, takes a place and counts the request, before a byte of the body is read.
    pub(crate) async fn admit(&self, request: &HttpRequest, endpoint: Endpoint) -> Result<Place, Refusal> {
        let certificate = PeerCertificate::of(request);
        let credentials = match PresentedCredentials::of(request.headers()) {
            Some(credentials) => Some(credentials),
            // A certificate stands for credentials that are not there, and not for any that are malformed.
            None if self.certificate_suffices && !PresentedCredentials::are_in(request.headers()) => None,
            None => return Err(AdmissionError::Unauthorized.into()),
        };
        let presented = Presented {
            credentials: credentials.as_ref().map(PresentedCredentials::as_credentials),
            certificate: certificate.as_deref(),
            address: peer(request)?,
        };
        let notes = Notes::of(request);
        let identified = self.clients.identify(presented, endpoint).await;
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
        let place = self.places.take(&caller.name).map_err(|full| {
            if full == Full::OfTheClient {
                notes.exceeds_share();
            }
            Refusal::new(ReasonCode::Overloaded)
        })?;
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
}

/// The caller's address, as the edge has found it. A connection that was reset already has none, and nobody will read
/// what is answered.
fn peer(request: &HttpRequest) -> Result<IpAddr, Refusal> {
    let caller = request.extensions().get::<CallerAddress>().copied();
    caller.map(|CallerAddress(address)| address).ok_or_else(|| Refusal::new(ReasonCode::MalformedForm))
}
