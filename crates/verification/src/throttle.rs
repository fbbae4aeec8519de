use std::{num::NonZeroU32, time::Duration};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// Limits the rate of work: each piece of work waits for its slot.
pub(crate) struct Throttle {
    interval: Duration,
    next_slot: Mutex<Instant>,
}

impl Throttle {
    /// `rate` is the limit of pieces of work a second; `None` is no limit.
    pub(crate) fn new(rate: Option<NonZeroU32>) -> Self {
        let interval = rate.map_or(Duration::ZERO, |rate| Duration::from_secs(1) / rate.get());
        Self { interval, next_slot: Mutex::new(Instant::now()) }
    }

    /// Waits for the caller's slot. Unused slots are lost, so that there is never a burst.
    pub(crate) async fn wait(&self) {
        if self.interval.is_zero() {
            return;
        }
        let slot = {
            let mut next_slot = self.next_slot.lock();
            let slot = (*next_slot).max(Instant::now());
            *next_slot = slot + self.interval;
            slot
        };
        sleep_until(slot).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn slots_are_an_interval_apart() {
        let throttle = Throttle::new(NonZeroU32::new(100));
        let began = Instant::now();
        for _ in 0..6 {
            throttle.wait().await;
        }
        assert!(began.elapsed() >= Duration::from_millis(50), "{:?}", began.elapsed());
        let unlimited = Throttle::new(None);
        let began = Instant::now();
        for _ in 0..1000 {
            unlimited.wait().await;
        }
        assert!(began.elapsed() < Duration::from_millis(50), "{:?}", began.elapsed());
    }
}
