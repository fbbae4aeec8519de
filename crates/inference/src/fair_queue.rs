//! A bounded queue that shares the workers' time equally among the callers that have jobs.
//!
//! The next job is one of the caller that has used the least worker time lately, whatever the number and the length of
//! its jobs. The jobs of a caller keep their order. In a full queue the caller with the most jobs loses its latest one,
//! so that a caller alone can use the entire queue and cannot keep others out.

mod schedule;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex, MutexGuard};

use self::schedule::{Begun, SLOW, Schedule, Terms};
use crate::caller::Caller;

/// The end of the queue at which jobs enter. When the last clone is dropped, the workers end after the jobs that wait.
pub(crate) struct JobSender<J>(Arc<SenderEnd<J>>);

/// The end of the queue from which workers take jobs. When the last clone is dropped, the jobs that wait are dropped.
pub(crate) struct JobReceiver<J>(Arc<ReceiverEnd<J>>);

/// A job that is in work until its charge is dropped.
pub(crate) struct Taken<J> {
    pub(crate) job: J,
    pub(crate) charge: Charge<J>,
}

/// Charges a caller with the time until it is dropped.
pub(crate) struct Charge<J> {
    queue: Arc<Queue<J>>,
    caller: Caller,
    began: Instant,
    /// Until it was charged.
    terms: Option<Terms>,
}

/// What happened to a job that was to be queued.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed<J> {
    /// It waits.
    Queued,
    /// The queue is full: this job had to leave it, or did not get in.
    Displaced(J),
    /// No worker is left.
    Closed,
}

struct SenderEnd<J>(Arc<Queue<J>>);
struct ReceiverEnd<J>(Arc<Queue<J>>);

struct Queue<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
}

struct State<J> {
    schedule: Schedule<J>,
    has_senders: bool,
    has_receivers: bool,
}

/// Makes a queue for this number of jobs and workers.
pub(crate) fn fair_queue<J>(capacity: usize, workers: usize) -> (JobSender<J>, JobReceiver<J>) {
    let schedule = Schedule::new(capacity, workers);
    let state = State { schedule, has_senders: true, has_receivers: true };
    let queue = Arc::new(Queue { state: Mutex::new(state), changed: Condvar::new() });
    (JobSender(Arc::new(SenderEnd(Arc::clone(&queue)))), JobReceiver(Arc::new(ReceiverEnd(queue))))
}

impl<J> JobSender<J> {
    /// Queues a job without waiting.
    pub(crate) fn push(&self, caller: Caller, job: J) -> Pushed<J> {
        let queue = &self.0.0;
        let mut state = queue.state();
        if !state.has_receivers {
            return Pushed::Closed;
        }
        let displaced = state.schedule.push(caller, job, Instant::now());
        drop(state);
        queue.changed.notify_all();
        displaced.map_or(Pushed::Queued, Pushed::Displaced)
    }

    /// Jobs that wait.
    pub(crate) fn queued(&self) -> usize {
        self.0.0.state().schedule.queued()
    }

    /// Jobs that can wait.
    pub(crate) fn capacity(&self) -> usize {
        self.0.0.state().schedule.capacity()
    }
}

impl<J> JobReceiver<J> {
    /// Waits for a job and takes it; `None` when there are no more.
    pub(crate) fn take(&self) -> Option<Taken<J>> {
        let queue = &self.0.0;
        let mut state = queue.state();
        loop {
            if let Some(Begun { caller, job, terms }) = state.schedule.begin(Instant::now()) {
                let queue = Arc::clone(queue);
                let charge = Charge { queue, caller, began: Instant::now(), terms: Some(terms) };
                return Some(Taken { job, charge });
            }
            if !state.has_senders && state.schedule.queued() == 0 {
                return None;
            }
            queue.changed.wait(&mut state);
        }
    }
}

impl<J> Taken<J> {
    /// Puts the job back as a slow one if decoding may take long and the queue did not know this; a worker takes it again
    /// later. Otherwise returns it.
    pub(crate) fn deferred_if_slow(mut self, longest: Duration) -> Option<Self> {
        let terms = self.charge.terms.take_if(|terms| !terms.is_slow && longest >= SLOW);
        let Some(terms) = terms else { return Some(self) };
        let Self { job, charge } = self;
        charge.queue.state().schedule.defer(Begun { caller: charge.caller, job, terms });
        charge.queue.changed.notify_all();
        None
    }
}

impl<J> Charge<J> {
    /// The caller that is charged.
    pub(crate) fn caller(&self) -> Caller {
        self.caller
    }
}

impl<J> Queue<J> {
    fn state(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock()
    }
}

impl<J> Drop for Charge<J> {
    fn drop(&mut self) {
        if let Some(terms) = self.terms {
            self.queue.state().schedule.end(self.caller, terms, self.began.elapsed());
            // A job of the same caller may have had to wait for this one.
            self.queue.changed.notify_all();
        }
    }
}

impl<J> Drop for SenderEnd<J> {
    fn drop(&mut self) {
        self.0.state().has_senders = false;
        self.0.changed.notify_all();
    }
}

impl<J> Drop for ReceiverEnd<J> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.has_receivers = false;
        let jobs = state.schedule.drain();
        // Dropping a job wakes its caller, which may queue another one.
        drop(state);
        drop(jobs);
    }
}

impl<J> Clone for JobSender<J> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<J> Clone for JobReceiver<J> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn workers_end_after_the_last_job_when_nobody_can_queue_more() {
        let (sender, receiver) = fair_queue(4, 2);
        for job in 0..3 {
            assert_eq!(sender.push(Caller(1), job), Pushed::Queued);
        }
        assert_eq!((sender.queued(), sender.capacity()), (3, 4));
        let workers: Vec<_> = (0..2)
            .map(|_| {
                let receiver = receiver.clone();
                thread::spawn(move || std::iter::from_fn(|| receiver.take().map(|taken| taken.job)).collect())
            })
            .collect();
        drop(sender);
        let mut done: Vec<i32> =
            workers.into_iter().flat_map(|worker| -> Vec<_> { worker.join().unwrap() }).collect();
        done.sort_unstable();
        assert_eq!(done, [0, 1, 2]);
    }

    #[test]
    fn jobs_are_dropped_with_the_last_worker() {
        let (sender, receiver) = fair_queue(4, 1);
        let job = Arc::new(());
        assert_eq!(sender.push(Caller(1), Arc::clone(&job)), Pushed::Queued);
        drop(receiver);
        assert_eq!(Arc::strong_count(&job), 1);
        assert_eq!(sender.push(Caller(1), job), Pushed::Closed);
    }

    #[test]
    fn a_job_that_turns_out_to_be_slow_is_put_back_once() {
        let (sender, receiver) = fair_queue(4, 2);
        for job in [10, 11] {
            assert_eq!(sender.push(Caller(1), job), Pushed::Queued);
        }
        let quick = receiver.take().unwrap().deferred_if_slow(SLOW / 2).unwrap();
        assert_eq!(quick.job, 10);
        assert!(receiver.take().unwrap().deferred_if_slow(SLOW).is_none());
        assert_eq!(sender.queued(), 1);
        let slow = receiver.take().unwrap().deferred_if_slow(SLOW).unwrap();
        assert_eq!((slow.job, sender.queued()), (11, 0));
    }

    #[test]
    fn a_waiting_worker_gets_a_job_that_could_not_begin_before() {
        let (sender, receiver) = fair_queue(4, 2);
        assert_eq!(sender.push(Caller(2), 20), Pushed::Queued);
        assert_eq!(receiver.take().unwrap().job, 20);
        // Nothing is known about the first caller's jobs yet, and the second one is active.
        assert_eq!(sender.push(Caller(1), 10), Pushed::Queued);
        assert_eq!(sender.push(Caller(1), 11), Pushed::Queued);
        let first = receiver.take().unwrap();
        let waiting = {
            let receiver = receiver.clone();
            thread::spawn(move || receiver.take().unwrap().job)
        };
        thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        drop(first);
        assert_eq!(waiting.join().unwrap(), 11);
    }
}
