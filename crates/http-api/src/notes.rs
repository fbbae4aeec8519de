use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
    time::Duration,
};

use actix_web::{HttpMessage as _, HttpRequest};
use padan_verification::{ClientName, StepTimings};

/// What a handler learns of its request and the edge logs and counts. It survives a panic of the handler.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    client: OnceCell<ClientName>,
    steps: RefCell<Vec<(&'static str, Duration)>>,
}

impl Notes {
    /// The notes of a request that passed the edge; elsewhere, notes that nobody reads.
    pub(crate) fn of(request: &HttpRequest) -> Rc<Self> {
        request.extensions().get::<Rc<Self>>().cloned().unwrap_or_default()
    }

    /// Notes who called.
    pub(crate) fn called_by(&self, client: ClientName) {
        // One request has one caller: the first stays.
        let _ = self.client.set(client);
    }

    /// Notes how long the steps took.
    pub(crate) fn took(&self, timings: &StepTimings) {
        self.steps.replace(timings.steps());
    }

    pub(crate) fn client(&self) -> Option<&ClientName> {
        self.client.get()
    }

    pub(crate) fn steps(&self) -> Vec<(&'static str, Duration)> {
        self.steps.borrow().clone()
    }
}
