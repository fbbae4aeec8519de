use serde::Deserialize;

use crate::telemetry;

/// The settings of the program, by section. A key that no section knows is refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The log on stderr.
    pub(crate) log: telemetry::Config,
    /// The export of traces.
    pub(crate) traces: telemetry::TracesConfig,
    /// The two listeners.
    pub(crate) http: padan_http_api::Config,
    /// The sign-in of operators through a provider.
    pub(crate) openid_connect: padan_verification::OpenIdConnectConfig,
    /// The clients that may call.
    pub(crate) clients: padan_verification::ClientsConfig,
    /// The rules of a verification.
    pub(crate) verification: padan_verification::Config,
    /// The civil registry's replica.
    pub(crate) registry: padan_registry::Config,
    /// The service's own database.
    pub(crate) store: padan_store::Config,
    /// Enrolment ahead of the first verification.
    pub(crate) enrolment: padan_verification::EnrolmentConfig,
    /// The models and where they run.
    pub(crate) inference: padan_inference::Config,
}
