use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// Notices that the writer's task hangs: rows wait, and no batch of them is finished.
///
/// The writer's own statements have limits, so that it fails rather than waits. This is for everything else.
#[derive(Default)]
pub(super) struct Progress {
    batches: AtomicU64,
    is_writing: AtomicBool,
    /// The number of finished batches when rows were first seen to wait for the next one, and that time.
    waiting: Mutex<Option<(u64, Instant)>>,
}

impl Progress {
    /// The writer has taken rows.
    pub(super) fn begin_batch(&self) {
        self.is_writing.store(true, Relaxed);
    }

    /// The rows were written, or could not be.
    pub(super) fn end_batch(&self) {
        self.batches.fetch_add(1, Relaxed);
        self.is_writing.store(false, Relaxed);
    }

    /// For how long rows have waited without any progress, as far as earlier calls have seen.
    pub(super) fn stalled_for(&self, are_rows_queued: bool, now: Instant) -> Duration {
        let mut waiting = self.waiting.lock();
        if !are_rows_queued && !self.is_writing.load(Relaxed) {
            *waiting = None;
            return Duration::ZERO;
        }
        let batches = self.batches.load(Relaxed);
        let since = waiting.filter(|(before, _)| *before == batches).map_or(now, |(_, since)| since);
        *waiting = Some((batches, since));
        now.saturating_duration_since(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_wait_without_progress_are_a_stall() {
        let (progress, began) = (Progress::default(), Instant::now());
        let after = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(progress.stalled_for(false, began), Duration::ZERO);
        assert_eq!(progress.stalled_for(true, after(10)), Duration::ZERO, "seen for the first time");
        assert_eq!(progress.stalled_for(true, after(14)), Duration::from_secs(4));
        // The writer takes them, and then hangs.
        progress.begin_batch();
        assert_eq!(progress.stalled_for(false, after(20)), Duration::from_secs(10));
        progress.end_batch();
        assert_eq!(progress.stalled_for(true, after(30)), Duration::ZERO, "others wait than before");
        assert_eq!(progress.stalled_for(true, after(31)), Duration::from_secs(1));
        assert_eq!(progress.stalled_for(false, after(32)), Duration::ZERO, "none waits");
        assert_eq!(progress.stalled_for(true, after(40)), Duration::ZERO);
    }
}
