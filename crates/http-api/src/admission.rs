mod call;

use std::sync::Arc;

use actix_web::HttpRequest;
use padan_domain::{Endpoint, ReasonCode};
use padan_verification::{AdmissionError, Caller, Clients, KnownClient, Presented, Verifier};

use self::call::IdentifiedCall;
pub use self::call::{AdmittedCall, Answer};
use crate::{
    credentials::PresentedCredentials, in_flight::InFlight, peer_certificate::PeerCertificate,
    refusal::Refusal, verification::Verification, visit::Visit,
};

/// Admits calls: credentials and rate first, then the client's share of the requests in flight, then its quota.
#[derive(Clone)]
pub(crate) struct Admission {
    clients: Arc<Clients>,
    verifier: Arc<Verifier>,
    in_flight: InFlight,
    certificate_suffices: bool,
}

impl Admission {
    /// Admits calls of `clients`. If `certificate_suffices`, a client certificate may replace the credentials.
    pub(crate) fn new(
        clients: Arc<Clients>,
        verifier: Arc<Verifier>,
        in_flight: InFlight,
        certificate_suffices: bool,
    ) -> Self {
        Self { clients, verifier, in_flight, certificate_suffices }
    }

    /// Admits a call before a byte of its body is read.
    ///
    /// # Errors
    ///
    /// The answer that refuses the call. If the client is known and the refusal is audited, its row is durable.
    pub(crate) async fn admit<V: Verification>(
        &self,
        request: &HttpRequest,
        visit: Visit,
    ) -> Result<AdmittedCall<V>, Answer> {
        let caller = match self.identify(request, &visit, V::ENDPOINT).await {
            Ok(caller) => caller,
            Err(RefusedCall { client: None, refusal }) => return Err(Answer::to_unknown::<V>(&refusal)),
            Err(RefusedCall { client: Some(client), refusal }) => {
                let call = IdentifiedCall::<V>::new(visit, Arc::clone(&self.verifier), client);
                return Err(call.answer(Err(refusal)).await);
            }
        };
        let mut call = IdentifiedCall::<V>::new(visit, Arc::clone(&self.verifier), caller.client.clone());
        let permit = match self.in_flight.acquire(&caller.client.name) {
            Ok(permit) => permit,
            Err(limit) => return Err(call.answer(Err(Refusal::overloaded(limit))).await),
        };
        match self.clients.count(&caller).await {
            Ok(quota) => call.set_quota(quota),
            Err(error) => {
                if let AdmissionError::QuotaExceeded(_, quota) = &error {
                    call.set_quota(Some(*quota));
                }
                return Err(call.answer(Err(error.into())).await);
            }
        }
        Ok(AdmittedCall::new(call, caller, permit))
    }

    /// Finds out who calls.
    async fn identify(
        &self,
        request: &HttpRequest,
        visit: &Visit,
        endpoint: Endpoint,
    ) -> Result<Caller, RefusedCall> {
        let certificate = PeerCertificate::of(request);
        let credentials = match PresentedCredentials::of(request.headers()) {
            Some(credentials) => Some(credentials),
            // A certificate replaces credentials that are absent, not credentials that are malformed.
            None if self.certificate_suffices && !PresentedCredentials::are_present(request.headers()) => {
                None
            }
            None => return Err(AdmissionError::Unauthorized.into()),
        };
        // A connection that was reset already has no address. The answer cannot reach it.
        let Some(address) = visit.caller_address() else {
            return Err(RefusedCall { client: None, refusal: Refusal::new(ReasonCode::MalformedForm) });
        };
        let presented = Presented {
            credentials: credentials.as_ref().map(PresentedCredentials::as_credentials),
            certificate: certificate.as_deref(),
            address,
        };
        Ok(self.clients.identify(presented, endpoint).await?)
    }
}

/// A call that was refused before it was admitted.
struct RefusedCall {
    /// The client, when its credentials were right and it was refused for something else.
    client: Option<KnownClient>,
    refusal: Refusal,
}

impl From<AdmissionError> for RefusedCall {
    fn from(error: AdmissionError) -> Self {
        let client = match &error {
            AdmissionError::Forbidden(client)
            | AdmissionError::RateLimited(client, _)
            | AdmissionError::QuotaExceeded(client, _) => Some(client.clone()),
            AdmissionError::Unauthorized
            | AdmissionError::TooManyFailures(_)
            | AdmissionError::StoreUnavailable(_) => None,
        };
        Self { client, refusal: error.into() }
    }
}
