use std::collections::BTreeMap;

use padan_store::{EnrolmentTally, TemplateCount};
use parking_lot::Mutex;

/// The figures that were sampled last.
#[derive(Debug, Clone, Default)]
pub struct Sampled {
    /// Whether each component was ready.
    pub ready: BTreeMap<&'static str, bool>,
    /// Templates by contract.
    pub templates: Vec<TemplateCount>,
    /// The newest enrolment.
    pub enrolment: Option<EnrolmentTally>,
}

/// The figures that were sampled last, shared by the tasks that sample them and the metrics that show them.
#[derive(Debug, Default)]
pub(crate) struct Samples(Mutex<Sampled>);

impl Samples {
    pub(crate) fn current(&self) -> Sampled {
        self.0.lock().clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Sampled)) {
        change(&mut self.0.lock());
    }
}
