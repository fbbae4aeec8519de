use std::time::{Duration, Instant};

use padan_store::StoreError;

use crate::{deadline::within, error::error_chain, verifier::Verifier};

/// A part of the service that must work before it can serve requests.
#[derive(Debug)]
pub struct Component {
    /// `models`, `registry` or `store`.
    pub name: &'static str,
    /// `Ok`, or a description of the fault for an operator.
    pub state: Result<(), String>,
}

impl Verifier {
    /// Checks everything that a request needs. The models are loaded and warmed before a verifier exists; what can fail
    /// later is a worker thread.
    pub async fn readiness(&self) -> Vec<Component> {
        let timeout = Duration::from_millis(self.parts.config.readiness_timeout_ms.get());
        let deadline = Instant::now() + timeout;
        let (registry, store) = tokio::join!(
            within(deadline, self.parts.registry.check()),
            within(deadline, self.check_store()),
        );
        let models = self.parts.engine.current().check();
        let components = vec![
            Component { name: "models", state: models.map_err(|ended| ended.to_string()) },
            Component { name: "registry", state: registry.map_err(|cause| error_chain(&*cause)) },
            Component { name: "store", state: store.map_err(|cause| error_chain(&*cause)) },
        ];
        self.samples.update(|sampled| {
            sampled.ready = components.iter().map(|it| (it.name, it.state.is_ok())).collect();
        });
        components
    }

    /// Checks that the store answers and that the audit trail is still written to it.
    async fn check_store(&self) -> Result<(), StoreError> {
        self.parts.audit.check()?;
        self.parts.store.check().await
    }
}
