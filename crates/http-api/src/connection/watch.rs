use std::{pin::Pin, task::Context, time::Duration};

use tokio::time::{Instant, Sleep, sleep};

/// Wakes the task of a connection at intervals that grow.
pub(super) struct Watch {
    began: Instant,
    interval: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Watch {
    const SHORTEST: Duration = Duration::from_millis(1);
    const LONGEST: Duration = Duration::from_millis(50);

    pub(super) fn new() -> Self {
        Self { began: Instant::now(), interval: Self::SHORTEST, timer: Box::pin(sleep(Self::SHORTEST)) }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) {
        while self.timer.as_mut().poll(context).is_ready() {
            self.interval = (2 * self.interval).min(Self::LONGEST);
            self.timer.as_mut().reset(Instant::now() + self.interval);
        }
    }
}
