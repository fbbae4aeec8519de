//! Figures that a database has to be asked for: they are asked for now and then, and told as of then.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use padan_store::{EnrolmentTally, TemplateCount};
use tokio::time::{MissedTickBehavior, interval};

use crate::{Verifier, background_tasks::BackgroundTasks, readiness::Component};

/// How often replicas are asked how far behind they are: one statement each.
const LAG: Duration = Duration::from_secs(2);
/// How often everything is asked whether it is ready.
const READINESS: Duration = Duration::from_secs(5);
/// How often templates are counted.
const TEMPLATES: Duration = Duration::from_secs(30);

/// What was found out last.
#[derive(Debug, Clone, Default)]
pub struct Sampled {
    /// Whether each component was ready.
    pub ready: BTreeMap<&'static str, bool>,
    /// Templates by contract.
    pub templates: Vec<TemplateCount>,
    /// The newest enrolment.
    pub enrolment: Option<EnrolmentTally>,
}

/// What was found out last, shared by who asks and who tells.
#[derive(Debug, Default)]
pub(crate) struct Samples(Mutex<Sampled>);

impl Samples {
    pub(crate) fn current(&self) -> Sampled {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn note_readiness(&self, components: &[Component]) {
        let ready = components.iter().map(|component| (component.name, component.state.is_ok())).collect();
        self.note(|sampled| sampled.ready = ready);
    }

    fn note(&self, note: impl FnOnce(&mut Sampled)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Verifier {
    /// Starts the sampling tasks, and a task that ends with the writer of the audit trail. Must be called within a Tokio
    /// runtime.
    pub fn start_background_tasks(&self, tasks: &mut BackgroundTasks) {
        let trail = self.parts.audit.clone();
        tasks.spawn("audit writer", async move { trail.writer_ended().await });
        let verifier = self.clone();
        tasks.spawn("replica lag", every(LAG, async move || verifier.parts.registry.measure_lag().await));
        let verifier = self.clone();
        tasks.spawn("readiness", every(READINESS, async move || drop(verifier.readiness().await)));
        let verifier = self.clone();
        tasks.spawn("template count", every(TEMPLATES, async move || verifier.count_templates().await));
    }

    async fn count_templates(&self) {
        let store = &self.parts.store;
        // A store that does not answer is told by `/readyz` and by every request; what was known goes with it.
        let templates = store.template_counts().await.unwrap_or_default();
        let enrolment = store.newest_enrolment().await.unwrap_or_default();
        self.samples.note(|sampled| {
            sampled.templates = templates;
            sampled.enrolment = enrolment;
        });
    }
}

async fn every(apart: Duration, ask: impl AsyncFn()) {
    let mut turns = interval(apart);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        ask().await;
    }
}
