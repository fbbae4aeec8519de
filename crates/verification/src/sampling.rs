//! Figures that require a database query. They are sampled at intervals, and metrics show the last sample.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::{background_tasks::BackgroundTasks, verifier::Verifier};

/// The interval at which the lag of each replica is measured, with one statement a replica.
const LAG_INTERVAL: Duration = Duration::from_secs(2);
/// The interval at which the readiness of every component is checked.
const READINESS_INTERVAL: Duration = Duration::from_secs(5);
/// The interval at which templates are counted.
const TEMPLATES_INTERVAL: Duration = Duration::from_secs(30);
/// The interval at which the processor time of the clients is saved.
const CPU_INTERVAL: Duration = Duration::from_secs(10);
/// The interval at which the counts of the live measurement and of the shadow model set are saved.
const LIVE_INTERVAL: Duration = Duration::from_secs(10);

impl Verifier {
    /// Starts the tasks that sample figures, those that save the processor time of the clients and the counts of the live
    /// measurement and of the shadow model set, one that embeds photos by that set, and a task that ends when the writer of
    /// the audit trail does. Must be called within a Tokio runtime.
    pub fn start_background_tasks(&self, tasks: &mut BackgroundTasks) {
        let trail = self.parts.audit.clone();
        tasks.spawn("audit writer", async move { trail.writer_ended().await });
        let verifier = self.clone();
        tasks.spawn(
            "replica lag",
            repeat(LAG_INTERVAL, async move || verifier.parts.registry.measure_lag().await),
        );
        let verifier = self.clone();
        tasks.spawn("readiness", repeat(READINESS_INTERVAL, async move || drop(verifier.readiness().await)));
        let verifier = self.clone();
        tasks.spawn(
            "template count",
            repeat(TEMPLATES_INTERVAL, async move || verifier.count_templates().await),
        );
        let verifier = self.clone();
        tasks.spawn(
            "processor time",
            repeat(CPU_INTERVAL, async move || {
                verifier.cpu_account.save(&verifier.parts.store, &verifier.parts.clock).await;
            }),
        );
        let verifier = self.clone();
        tasks.spawn(
            "live measurement",
            repeat(LIVE_INTERVAL, async move || {
                let (live, store) = (&verifier.live, &verifier.parts.store);
                live.save(store, &verifier.parts.clock).await;
                live.refresh(&verifier.parts.engine.current(), &store.templates()).await;
            }),
        );
        let verifier = self.clone();
        tasks.spawn("shadow comparisons", async move { verifier.compare_in_shadow().await });
        let verifier = self.clone();
        tasks.spawn(
            "shadow counts",
            repeat(LIVE_INTERVAL, async move || {
                verifier.shadow.save(&verifier.parts.store, &verifier.parts.clock).await;
            }),
        );
    }

    async fn count_templates(&self) {
        let store = &self.parts.store;
        // `/readyz` and every request report a store that does not answer. The figures are cleared, so that no
        // outdated ones are shown.
        let templates = store.templates().counts().await.unwrap_or_default();
        let enrolment = store.newest_enrolment().await.unwrap_or_default();
        self.samples.update(|sampled| {
            sampled.templates = templates;
            sampled.enrolment = enrolment;
        });
    }
}

async fn repeat(period: Duration, sample: impl AsyncFn()) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        sample().await;
    }
}
