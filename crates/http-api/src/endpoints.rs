use actix_web::{Route, web};
use padan_domain::Endpoint;

use crate::{
    basic_verification::BasicVerification, endpoint_docs::EndpointDocs, face_match::FaceMatch,
    face_verification::FaceVerification, handler::handle, verification::Verification,
};

/// The audited endpoints. A new one is listed here.
pub(crate) const AUDITED: [AuditedEndpoint; 3] = [
    AuditedEndpoint::of::<FaceVerification>(),
    AuditedEndpoint::of::<BasicVerification>(),
    AuditedEndpoint::of::<FaceMatch>(),
];

/// What routes and documents need to know of an audited endpoint.
pub(crate) struct AuditedEndpoint {
    pub(crate) endpoint: Endpoint,
    pub(crate) path: &'static str,
    pub(crate) docs: fn() -> EndpointDocs,
    /// The route that takes its POST requests.
    pub(crate) route: fn() -> Route,
}

impl AuditedEndpoint {
    const fn of<V: Verification>() -> Self {
        Self { endpoint: V::ENDPOINT, path: V::PATH, docs: V::docs, route: || web::post().to(handle::<V>) }
    }
}
