use actix_web::{Route, web};
use padan_domain::Endpoint;

use crate::{
    basic_verification::BasicVerification, endpoint_docs::EndpointDocs, face_match::FaceMatch,
    face_verification::FaceVerification, handler::handle, passive_liveness::PassiveLiveness,
    verification::Verification,
};

/// The audited endpoints. A new one is listed here.
pub(crate) const AUDITED: [AuditedEndpoint; 4] = [
    AuditedEndpoint::of::<FaceVerification>(),
    AuditedEndpoint::of::<BasicVerification>(),
    AuditedEndpoint::of::<FaceMatch>(),
    AuditedEndpoint::of::<PassiveLiveness>(),
];

/// What routes and documents need to know of an audited endpoint.
pub(crate) struct AuditedEndpoint {
    pub(crate) endpoint: Endpoint,
    pub(crate) path: &'static str,
    pub(crate) docs: fn() -> EndpointDocs,
    needs_liveness: bool,
    /// The route that takes its POST requests.
    pub(crate) route: fn() -> Route,
}

impl AuditedEndpoint {
    const fn of<V: Verification>() -> Self {
        Self {
            endpoint: V::ENDPOINT,
            path: V::PATH,
            docs: V::docs,
            needs_liveness: V::NEEDS_LIVENESS,
            route: || web::post().to(handle::<V>),
        }
    }

    /// The endpoints of a service with a liveness set, or without one.
    pub(crate) fn served(has_liveness: bool) -> impl Iterator<Item = Self> {
        AUDITED.into_iter().filter(move |audited| has_liveness || !audited.needs_liveness)
    }
}
