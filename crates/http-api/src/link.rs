use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::Waker,
};

/// What a connection knows of the request that is served on it. The connection shares it with the edge and the body.
#[derive(Default)]
pub(crate) struct Link {
    phase: Cell<Phase>,
    /// Requests that have begun.
    requests: Cell<u64>,
    /// Whether the end of the client's bytes was held back once, so that a request in them can begin.
    was_held_back: Cell<bool>,
    /// The task of the connection while it holds back the end of the client's bytes.
    waiting: RefCell<Option<Waker>>,
}

/// Where a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Phase {
    /// No request is served.
    #[default]
    Idle,
    /// A request waits for bytes of its body.
    AwaitsBody,
    /// A request is served and needs no bytes at present.
    Serves,
}

/// Marks the connection as serving a request, until it is dropped.
pub(crate) struct Serving(Rc<Link>);

impl Link {
    /// A request begins.
    pub(crate) fn begin(self: &Rc<Self>) -> Serving {
        self.requests.set(self.requests.get() + 1);
        self.enter(Phase::Serves);
        Serving(Rc::clone(self))
    }

    /// Sets whether the request waits for bytes of its body.
    pub(crate) fn set_awaits_body(&self, awaits: bool) {
        if self.phase.get() != Phase::Idle {
            self.enter(if awaits { Phase::AwaitsBody } else { Phase::Serves });
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// How many requests have begun.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// Whether to hold back the end of the client's bytes although no request is served: true once after each request.
    pub(crate) fn hold_back_once(&self) -> bool {
        !self.was_held_back.replace(true)
    }

    /// Wakes this task at the next change of the phase.
    pub(crate) fn wake_at_change(&self, waker: &Waker) {
        self.waiting.replace(Some(waker.clone()));
    }

    fn enter(&self, phase: Phase) {
        if self.phase.replace(phase) != phase
            && let Some(waker) = self.waiting.take()
        {
            waker.wake();
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.was_held_back.set(false);
        self.0.enter(Phase::Idle);
    }
}
