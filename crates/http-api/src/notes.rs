use std::{
    cell::{Cell, OnceCell, RefCell},
    rc::Rc,
    time::Duration,
};

use actix_web::{HttpMessage as _, HttpRequest};
use padan_domain::NationalId;
use padan_verification::{ClientName, ComparedUnder, QuotaState, StepTimings, Trial};

/// What a handler learns of its request and the edge logs and counts. It survives a panic of the handler.
#[derive(Default)]
pub(crate) struct Notes {
    client: OnceCell<ClientName>,
    steps: RefCell<Vec<(&'static str, Duration)>>,
    findings: RefCell<Findings>,
    quota: Cell<Option<QuotaState>>,
    trial: Cell<Option<Trial>>,
    over_share: Cell<bool>,
}

/// What the audit trail is told of a request, as far as it got.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings {
    pub(crate) nik: Option<NationalId>,
    pub(crate) nik_plausible: Option<bool>,
    pub(crate) fields: Vec<(&'static str, Option<bool>)>,
    pub(crate) percentage: Option<f64>,
    pub(crate) compared_under: Option<ComparedUnder>,
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

    /// Notes how the client stands with its quotas.
    pub(crate) fn has_left(&self, quota: Option<QuotaState>) {
        self.quota.set(quota);
    }

    pub(crate) fn quota(&self) -> Option<QuotaState> {
        self.quota.get()
    }

    /// Notes that the client has as many requests in flight as it may.
    pub(crate) fn exceeds_share(&self) {
        self.over_share.set(true);
    }

    pub(crate) fn is_over_share(&self) -> bool {
        self.over_share.get()
    }

    /// Keeps a trial under way, until [`ends_trial`](Self::ends_trial) or the end of the request.
    pub(crate) fn holds(&self, trial: Option<Trial>) {
        self.trial.set(trial);
    }

    /// The outcome is durable.
    pub(crate) fn ends_trial(&self) {
        self.trial.set(None);
    }

    /// Notes what was found out.
    pub(crate) fn found(&self, note: impl FnOnce(&mut Findings)) {
        note(&mut self.findings.borrow_mut());
    }

    pub(crate) fn findings(&self) -> Findings {
        self.findings.borrow().clone()
    }

    /// The percentage of faces that were compared.
    pub(crate) fn similarity(&self) -> Option<f64> {
        let findings = self.findings.borrow();
        findings.percentage.filter(|_| findings.compared_under.is_some())
    }

    pub(crate) fn client(&self) -> Option<&ClientName> {
        self.client.get()
    }

    pub(crate) fn steps(&self) -> Vec<(&'static str, Duration)> {
        self.steps.borrow().clone()
    }
}
