use std::time::{Duration, Instant};

use padan_inference::Timings;
use tracing::{Instrument as _, Span};

/// How long each step of a request took; `None` for a step that did not run.
#[derive(Debug, Clone, Copy, Default)]
pub struct StepTimings {
    /// Looking up the person in the registry.
    pub registry: Option<Duration>,
    /// Waiting for the turn among the requests for the same person or of the same client, if others came first.
    pub turn: Option<Duration>,
    /// Looking up the face template in the store.
    pub template: Option<Duration>,
    /// Fetching the portrait from the registry, when there was no current template.
    pub portrait: Option<Duration>,
    /// Making a template of the portrait, with its wait for a worker.
    pub enrolment: Option<Duration>,
    /// Writing the new template to the store.
    pub keeping: Option<Duration>,
    /// The steps of analysing the selfie.
    pub probe: Option<Timings>,
    /// Analysing the second of two photos that a client sent, with its wait for a worker.
    pub stored: Option<Duration>,
    /// Judging a face for liveness, with its wait for a worker.
    pub liveness: Option<Duration>,
}

impl StepTimings {
    /// The name of the step in which a request waits for its turn.
    pub const TURN: &str = "turn";

    /// The steps that ran, by the names that logs and metrics use.
    pub fn steps(&self) -> Vec<(&'static str, Duration)> {
        let own = [
            ("registry", self.registry),
            (Self::TURN, self.turn),
            ("template", self.template),
            ("portrait", self.portrait),
            ("enrolment", self.enrolment),
            ("keeping", self.keeping),
            ("stored", self.stored),
            ("liveness", self.liveness),
        ];
        let probe = self.probe.iter().flat_map(|probe| {
            [
                ("queued", probe.queued),
                ("decode", probe.decode),
                ("detect", probe.detect),
                ("quality", probe.quality),
                ("align", probe.align),
                ("embed", probe.embed),
            ]
        });
        let judged = self.probe.and_then(|probe| probe.liveness).map(|taken| ("liveness", taken));
        own.into_iter()
            .filter_map(|(step, taken)| taken.map(|taken| (step, taken)))
            .chain(probe)
            .chain(judged)
            .collect()
    }
}

/// Awaits a step within its span and records how long it took, whether it succeeded or not.
pub(crate) async fn timed<T>(slot: &mut Option<Duration>, span: Span, step: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let output = step.instrument(span).await;
    *slot = Some(started.elapsed());
    output
}
