//! One worker thread.
//!
//! A queued photo is dropped without decoding it if its deadline has passed or its caller no longer waits. A panic ends
//! the job that caused it, not the worker.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    caller::Caller,
    decode::{Cost, Declared},
    error::FaceError,
    fair_queue::{JobReceiver, Taken},
    job::{Finding, Job, JobEnded, JobEvent, JobObserver, JobStarted, Work},
    memory_budget::MemoryBudget,
    occupancy::Occupancy,
    pipeline::{Pipeline, Role},
    thread_time::cpu_time_of_this_thread,
};

/// The state that all workers share.
pub(crate) struct Counts {
    pub(crate) occupancy: Arc<Occupancy>,
    pub(crate) ended: AtomicUsize,
    pub(crate) refused: AtomicU64,
    pub(crate) expired: AtomicU64,
    pub(crate) observer: OnceLock<JobObserver>,
}

impl Counts {
    pub(crate) fn new(occupancy: Arc<Occupancy>) -> Self {
        Self {
            occupancy,
            ended: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            observer: OnceLock::new(),
        }
    }

    fn observe(&self, event: JobEvent) {
        if let Some(observer) = self.observer.get() {
            observer(event);
        }
    }
}

/// The pipeline of one thread, with the state that all workers share.
pub(crate) struct Worker {
    pub(crate) pipeline: Pipeline,
    pub(crate) counts: Arc<Counts>,
    pub(crate) memory: MemoryBudget,
}

impl Worker {
    /// Works on photos until the last handle to the queue is dropped.
    pub(crate) fn run(mut self, jobs: &JobReceiver<Job>) {
        let counts = Arc::clone(&self.counts);
        let _ended = CountOnDrop(&counts.ended);
        while let Some(taken) = jobs.take() {
            let cpu_before = cpu_time_of_this_thread();
            let is_wanted = !taken.job.demand().is_over();
            let declared = is_wanted.then(|| caught(|| self.pipeline.inspect(&taken.job.photo)));
            let Some(Taken { job, charge }) = taken.deferred_if_slow(longest(declared.as_ref())) else {
                continue;
            };
            let result = match declared {
                None => Err(FaceError::Expired),
                Some(declared) => declared
                    .and_then(|declared| caught(|| self.process(&job, &declared, charge.caller())).flatten()),
            };
            match result {
                Err(FaceError::Expired) => counts.expired.fetch_add(1, Ordering::Relaxed),
                Err(FaceError::QueueFull) => counts.refused.fetch_add(1, Ordering::Relaxed),
                _ => 0,
            };
            let ended = JobEnded {
                caller: charge.caller(),
                cpu: cpu_time_of_this_thread().saturating_sub(cpu_before)
                    + self.pipeline.embedder.take_cpu_elsewhere(),
            };
            drop(charge);
            // Before the answer, so that the time of an answered request is charged.
            let _ = catch_unwind(AssertUnwindSafe(|| counts.observe(JobEvent::Ended(ended))));
            // The memory of the photo is free before its caller goes on: it is counted until then.
            drop(job.photo);
            // Sending fails when the caller no longer waits.
            let _ = job.answer.send(result);
        }
    }

    fn process(&mut self, job: &Job, declared: &Declared, caller: Caller) -> Result<Finding, FaceError> {
        let _busy = self.counts.occupancy.enter();
        let waited = job.queued_at.elapsed();
        self.counts.observe(JobEvent::Started(JobStarted {
            waited,
            is_selfie: !matches!(job.work, Work::Analyse(Role::Reference) | Work::Crop),
            bytes: job.photo.bytes().len(),
            megapixels: declared.size.map(megapixels),
        }));
        let Some(_reserved) = self.memory.reserve(caller, declared.cost?.bytes) else {
            return Err(FaceError::QueueFull);
        };
        match job.work {
            Work::Analyse(role) => {
                let mut analysis = self.pipeline.analyse(&job.photo, role, &job.demand())?;
                analysis.timings.queued = waited;
                Ok(Finding::Face(Box::new(analysis)))
            }
            Work::JudgeLiveness => {
                self.pipeline.judge_liveness(&job.photo, job.deadline).map(Finding::Liveness)
            }
            Work::Crop => self.pipeline.crop_until(&job.photo, job.deadline).map(Finding::Crop),
        }
    }
}

/// Does a part of a job, whose panic ends the job and not the worker.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, FaceError> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|_| FaceError::Broken("a worker panicked while it processed the photo".into()))
}

/// How long decoding takes at most, according to the headers.
fn longest(declared: Option<&Result<Declared, FaceError>>) -> Duration {
    let cost = declared.and_then(|declared| declared.as_ref().ok()?.cost.ok());
    cost.map_or(Duration::ZERO, Cost::longest)
}

fn megapixels((width, height): (u32, u32)) -> f64 {
    f64::from(width) * f64::from(height) / 1e6
}

/// Adds one when it is dropped, also by unwinding.
struct CountOnDrop<'a>(&'a AtomicUsize);

impl Drop for CountOnDrop<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
