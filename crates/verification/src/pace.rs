use std::{num::NonZeroU32, sync::Mutex, sync::PoisonError, time::Duration};

use tokio::time::{Instant, sleep_until};

/// Keeps work below a rate: each piece waits for its turn.
pub(crate) struct Pace {
    apart: Duration,
    next: Mutex<Instant>,
}

impl Pace {
    /// So many a second at most; `None` for no limit.
    pub(crate) fn new(rate: Option<NonZeroU32>) -> Self {
        let apart = rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.get());
        Self { apart, next: Mutex::new(Instant::now()) }
    }

    /// Returns when it is the caller's turn. Time that was not used is not saved up.
    pub(crate) async fn wait(&self) {
        if self.apart.is_zero() {
            return;
        }
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(Instant::now());
            *next = turn + self.apart;
            turn
        };
        sleep_until(turn).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_are_apart() {
        let pace = Pace::new(NonZeroU32::new(100));
        let began = Instant::now();
        for _ in 0..6 {
            pace.wait().await;
        }
        assert!(began.elapsed() >= Duration::from_millis(50), "{:?}", began.elapsed());
        let free = Pace::new(None);
        let began = Instant::now();
        for _ in 0..1000 {
            free.wait().await;
        }
        assert!(began.elapsed() < Duration::from_millis(50), "{:?}", began.elapsed());
    }
}
