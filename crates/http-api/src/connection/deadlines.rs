use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::framing::Framing;
use crate::{
    config::ConnectionTimes,
    link::{Link, Phase},
};

/// What a connection waits for, and until when.
///
/// A deadline is set when the connection enters a stage, and no byte extends it. A head is left only by a request that
/// begins, so a client that never completes one cannot stay.
pub(super) struct Deadlines {
    times: ConnectionTimes,
    stage: Stage,
    /// Requests that had begun when the stage was entered.
    requests: u64,
    is_over: bool,
    timer: Timer,
    answer: Timer,
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The first byte of the first head.
    New,
    /// The first byte of a further head.
    Idle,
    /// The rest of a head.
    Head,
    /// A request that is served. It has deadlines of its own.
    Serving,
}

impl Deadlines {
    /// For a connection that begins now.
    pub(super) fn new(times: ConnectionTimes) -> Self {
        let timer = Timer::after(times.head);
        Self { times, stage: Stage::New, requests: 0, is_over: false, timer, answer: Timer::default() }
    }

    /// Enters the stage that the connection has reached.
    pub(super) fn advance(&mut self, link: &Link, framing: &Framing) {
        if link.phase() != Phase::Idle {
            if self.stage != Stage::Serving {
                self.enter(Stage::Serving, None);
            }
            return;
        }
        // A request may have begun and ended since the last call.
        if self.stage == Stage::Serving || self.requests != link.requests() {
            self.requests = link.requests();
            self.enter(Stage::Idle, Some(self.times.keep_alive));
        }
        if self.stage != Stage::Head && framing.is_in_head() {
            self.enter(Stage::Head, Some(self.times.head));
        }
    }

    /// The stage whose deadline has passed, if it has. Otherwise the task is woken at the deadline.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Option<Stage> {
        self.is_over |= self.timer.poll(context).is_ready();
        self.is_over.then_some(self.stage)
    }

    /// Wakes the task at the deadline, once, so that it polls.
    pub(super) fn wake_when_over(&mut self, context: &mut Context<'_>) {
        if !self.is_over && self.poll(context).is_some() {
            context.waker().wake_by_ref();
        }
    }

    /// Ready when a client has not read an answer in time. To be called when bytes for it were not accepted.
    pub(super) fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.answer.at.is_none() {
            self.answer.set(Some(self.times.answer));
        }
        self.answer.poll(context)
    }

    /// All bytes for the client were accepted.
    pub(super) fn answer_is_read(&mut self) {
        self.answer.set(None);
    }

    fn enter(&mut self, stage: Stage, time: Option<Duration>) {
        self.stage = stage;
        self.is_over = false;
        self.timer.set(time);
    }
}

/// A timer that is set and reset often.
#[derive(Default)]
struct Timer {
    at: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    fn after(time: Duration) -> Self {
        let mut timer = Self::default();
        timer.set(Some(time));
        timer
    }

    fn set(&mut self, time: Option<Duration>) {
        // A time beyond the range of the clock is none.
        self.at = time.and_then(|time| Instant::now().checked_add(time));
        let Some(at) = self.at else { return };
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(at),
            None => self.sleep = Some(Box::pin(sleep_until(at))),
        }
    }

    /// Ready once, when the time is over.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(sleep) = &mut self.sleep
            && self.at.is_some()
            && sleep.as_mut().poll(context).is_ready()
        {
            self.at = None;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
