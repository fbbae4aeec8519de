use std::time::{Duration, Instant};

use padan_store::StoreError;

use crate::{Verifier, error::in_words, verifier::within};

/// Something that must answer before the service can.
#[derive(Debug)]
pub struct Component {
    /// `models`, `registry` or `store`.
    pub name: &'static str,
    /// `Ok`, or what is wrong, in words for an operator.
    pub state: Result<(), String>,
}

impl Verifier {
    /// Asks everything that a request needs. The models are loaded and warmed before a verifier exists; what can fail
    /// later is a worker thread.
    pub async fn readiness(&self) -> Vec<Component> {
        let patience = Duration::from_millis(self.parts.config.readiness_timeout_ms.get());
        let deadline = Instant::now() + patience;
        let (registry, store) = tokio::join!(
            within(deadline, self.parts.registry.check()),
            within(deadline, self.check_store()),
        );
        let models = self.parts.engine.current().check();
        let components = vec![
            Component { name: "models", state: models.map_err(|ended| ended.to_string()) },
            Component { name: "registry", state: registry.map_err(|cause| in_words(&*cause)) },
            Component { name: "store", state: store.map_err(|cause| in_words(&*cause)) },
        ];
        self.samples.note_readiness(&components);
        components
    }

    /// The store answers, and the audit trail is still written to it.
    async fn check_store(&self) -> Result<(), StoreError> {
        self.parts.audit.check()?;
        self.parts.store.check().await
    }
}
