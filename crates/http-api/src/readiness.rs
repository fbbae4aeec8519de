use std::collections::BTreeMap;

use padan_verification::Verifier;
use serde::Serialize;

use crate::{connections::Connections, saturation::Saturation};

/// The body of `/readyz`: each component with `ok` or its fault.
#[derive(Debug, Serialize)]
pub(crate) struct Readiness {
    pub(crate) ready: bool,
    pub(crate) components: BTreeMap<&'static str, String>,
    /// The name of the liveness set, or that there is none.
    pub(crate) liveness: String,
    /// What a face verification does with the score of its selfie.
    pub(crate) liveness_gate: String,
}

impl Readiness {
    /// The state of all components now.
    pub(crate) async fn of(
        verifier: &Verifier,
        is_stopping: bool,
        saturation: &Saturation,
        connections: &Connections,
    ) -> Self {
        let mut components: BTreeMap<_, _> = verifier
            .readiness()
            .await
            .into_iter()
            .map(|component| (component.name, component.state))
            .collect();
        if is_stopping {
            components.insert("service", Err("stopping".to_owned()));
        }
        if saturation.is_saturated() {
            components.insert("capacity", Err("full: most requests are refused".to_owned()));
        }
        if let Some(limit) = connections.are_full() {
            components.insert("connections", Err(format!("full: all {limit} connections are in use")));
        }
        Self {
            ready: components.values().all(Result::is_ok),
            components: components
                .into_iter()
                .map(|(name, state)| (name, state.err().unwrap_or_else(|| "ok".to_owned())))
                .collect(),
            liveness: verifier.liveness_set().unwrap_or_else(|| "off: no liveness set".to_owned()),
            liveness_gate: verifier.liveness_gate().to_string(),
        }
    }
}
