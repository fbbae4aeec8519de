//! Worker threads behind a bounded queue, whose order is fair to the callers.
//!
//! A full queue refuses a photo at once: one of the caller that has the most in it. A worker drops a queued photo
//! without decoding it if its deadline has passed or its caller no longer waits. A panic ends the job that caused it,
//! not the worker.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use padan_domain::Photo;
use tokio::sync::oneshot;

use crate::{
    analysis::Analysis,
    caller::Caller,
    config::BYTES_PER_PIXEL,
    decode::Declared,
    demand::Demand,
    embedding_thread::EmbeddingCounts,
    error::{FaceError, StartError},
    face_crop::FaceCrop,
    fair_queue::{JobReceiver, JobSender, Pushed, Taken, fair_queue},
    liveness::Liveness,
    memory_budget::MemoryBudget,
    occupancy::Occupancy,
    parallel_embedder::ParallelEmbedder,
    pipeline::{Pipeline, Role},
    thread_time::cpu_time_of_this_thread,
};

/// A handle to the queue. The workers end when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Workers {
    queue: JobSender<Job>,
    counts: Arc<Counts>,
    memory: MemoryBudget,
    threads: usize,
    /// Of the threads that embed for all workers; `None` without them.
    embedding: Option<Arc<EmbeddingCounts>>,
    /// The embedder for idle processors; `None` without one.
    parallel: Option<Arc<ParallelEmbedder>>,
}

/// The state of the queue and of the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerFigures {
    /// Worker threads.
    pub workers: usize,
    /// Workers that process a photo now.
    pub busy: usize,
    /// Photos in the queue.
    pub queued: usize,
    /// The capacity of the queue, in photos.
    pub queue_length: usize,
    /// The memory of the photos in progress, in pixels of three bytes.
    pub pixels: u64,
    /// The limit for `pixels`.
    pub max_pixels: u64,
    /// Photos refused since the start because the queue or the memory budget was full.
    pub refused: u64,
    /// Photos dropped since the start because their deadline had passed or their caller no longer waited.
    pub expired: u64,
    /// Runs of the embedders that the workers share, since the start; 0 where each worker embeds by itself.
    pub shared_runs: u64,
    /// Faces in those runs.
    pub shared_faces: u64,
}

/// An event in the work on a photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum JobEvent {
    /// A worker has started on it.
    Started(JobStarted),
    /// A worker has finished it, with or without success.
    Ended(JobEnded),
}

/// What a photo took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobEnded {
    /// On whose behalf it was processed.
    pub caller: Caller,
    /// The processor time of the worker's thread, and the photo's share of that of the threads that embed for all workers.
    /// The second thread of an embedder for idle processors is estimated. Threads of the sessions that are configured
    /// (`inference.threads`) and a GPU are not included.
    pub cpu: Duration,
}

/// The properties of a photo that are known when a worker starts on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JobStarted {
    /// Time in the queue.
    pub waited: Duration,
    /// Whether it is a client's selfie rather than a registry's portrait.
    pub is_selfie: bool,
    /// Size of the file.
    pub bytes: usize,
    /// Millions of pixels according to its header; `None` when the header cannot be read.
    pub megapixels: Option<f64>,
}

/// Some worker threads have ended although the engine is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{ended} of {workers} worker threads have ended; restart the service")]
pub struct WorkersEnded {
    /// Threads that have ended.
    pub ended: usize,
    /// Threads that were started, with those that embed for all workers.
    pub workers: usize,
}

/// A callback for the start and the end of each job. It runs on the worker's thread, so it must not block.
pub type JobObserver = Arc<dyn Fn(JobEvent) + Send + Sync>;

struct Counts {
    occupancy: Arc<Occupancy>,
    ended: AtomicUsize,
    refused: AtomicU64,
    expired: AtomicU64,
    observer: OnceLock<JobObserver>,
}

impl Counts {
    fn new(occupancy: Arc<Occupancy>) -> Self {
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

struct Job {
    photo: Photo,
    work: Work,
    queued_at: Instant,
    deadline: Instant,
    /// Held by the caller while it waits.
    waiter: Weak<()>,
    answer: oneshot::Sender<Result<Finding, FaceError>>,
}

impl Job {
    fn demand(&self) -> Demand {
        Demand { deadline: Some(self.deadline), waiter: Some(self.waiter.clone()) }
    }
}

/// What is done with a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// The face is embedded.
    Analyse(Role),
    /// The face is judged for liveness.
    JudgeLiveness,
    /// The aligned crop of the face is made for display.
    Crop,
}

/// The result of a job.
enum Finding {
    Face(Box<Analysis>),
    Liveness(Liveness),
    Crop(FaceCrop),
}

impl Workers {
    /// With `processors`, the workers embed by [`Workers::parallel`] while one of them is idle.
    pub(crate) fn start(
        pipelines: Vec<Pipeline>,
        queue_length: usize,
        memory: MemoryBudget,
        processors: Option<usize>,
    ) -> Result<Self, StartError> {
        let threads = pipelines.len();
        let (queue, jobs) = fair_queue(queue_length, threads);
        let occupancy = Arc::new(Occupancy::new(processors.unwrap_or(usize::MAX)));
        let parallel = processors.map(|_| Arc::new(ParallelEmbedder::new(Arc::clone(&occupancy))));
        let counts = Arc::new(Counts::new(occupancy));
        let embedding = pipelines.first().and_then(|pipeline| pipeline.embedder.shared_counts());
        for (number, mut pipeline) in pipelines.into_iter().enumerate() {
            if let Some(parallel) = &parallel {
                pipeline.embedder.set_parallel(parallel);
            }
            let worker = Worker { pipeline, counts: Arc::clone(&counts), memory: memory.clone() };
            let jobs = jobs.clone();
            thread::Builder::new().name(format!("face-{number}")).spawn(move || worker.run(&jobs))?;
        }
        Ok(Self { queue, counts, memory, threads, embedding, parallel })
    }

    pub(crate) async fn analyse(
        &self,
        caller: Caller,
        photo: Photo,
        role: Role,
        deadline: Instant,
    ) -> Result<Analysis, FaceError> {
        match self.process(caller, photo, Work::Analyse(role), deadline).await? {
            Finding::Face(analysis) => Ok(*analysis),
            Finding::Liveness(_) | Finding::Crop(_) => Err(other_work()),
        }
    }

    pub(crate) async fn judge_liveness(
        &self,
        caller: Caller,
        photo: Photo,
        deadline: Instant,
    ) -> Result<Liveness, FaceError> {
        match self.process(caller, photo, Work::JudgeLiveness, deadline).await? {
            Finding::Liveness(liveness) => Ok(liveness),
            Finding::Face(_) | Finding::Crop(_) => Err(other_work()),
        }
    }

    pub(crate) async fn crop(
        &self,
        caller: Caller,
        photo: Photo,
        deadline: Instant,
    ) -> Result<FaceCrop, FaceError> {
        match self.process(caller, photo, Work::Crop, deadline).await? {
            Finding::Crop(crop) => Ok(crop),
            Finding::Face(_) | Finding::Liveness(_) => Err(other_work()),
        }
    }

    async fn process(
        &self,
        caller: Caller,
        photo: Photo,
        work: Work,
        deadline: Instant,
    ) -> Result<Finding, FaceError> {
        let (answer, result) = oneshot::channel();
        let waiter = Arc::new(());
        let job =
            Job { photo, work, queued_at: Instant::now(), deadline, waiter: Arc::downgrade(&waiter), answer };
        match self.queue.push(caller, job) {
            Pushed::Queued => {}
            // This photo, or another one whose caller waits at `result`.
            Pushed::Displaced(Job { answer, .. }) => {
                self.counts.refused.fetch_add(1, Ordering::Relaxed);
                let _ = answer.send(Err(FaceError::QueueFull));
            }
            Pushed::Closed => return Err(FaceError::Broken("all worker threads have ended".into())),
        }
        match tokio::time::timeout_at(deadline.into(), result).await {
            Ok(Ok(finding)) => finding,
            Ok(Err(_)) => {
                Err(FaceError::Broken("the worker thread ended while it processed the photo".into()))
            }
            Err(_) => Err(FaceError::Expired),
        }
    }

    /// The embedder for idle processors, which has no session at first; `None` without one.
    pub(crate) fn parallel(&self) -> Option<&Arc<ParallelEmbedder>> {
        self.parallel.as_ref()
    }

    /// Sets the observer. Later calls change nothing.
    pub(crate) fn observe_jobs(&self, observer: JobObserver) {
        let _ = self.counts.observer.set(observer);
    }

    pub(crate) fn check(&self) -> Result<(), WorkersEnded> {
        let embedding = self.embedding.as_deref();
        match self.counts.ended.load(Ordering::Relaxed) + embedding.map_or(0, EmbeddingCounts::ended) {
            0 => Ok(()),
            ended => Err(WorkersEnded {
                ended,
                workers: self.threads + embedding.map_or(0, EmbeddingCounts::threads),
            }),
        }
    }

    pub(crate) fn figures(&self) -> WorkerFigures {
        let embedding = self.embedding.as_deref();
        WorkerFigures {
            workers: self.threads,
            busy: self.counts.occupancy.busy(),
            queued: self.queue.queued(),
            queue_length: self.queue.capacity(),
            pixels: self.memory.reserved() / BYTES_PER_PIXEL,
            max_pixels: self.memory.limit() / BYTES_PER_PIXEL,
            refused: self.counts.refused.load(Ordering::Relaxed),
            expired: self.counts.expired.load(Ordering::Relaxed),
            shared_runs: embedding.map_or(0, EmbeddingCounts::runs),
            shared_faces: embedding.map_or(0, EmbeddingCounts::faces),
        }
    }
}

/// The pipeline of one thread, with the state that all workers share.
struct Worker {
    pipeline: Pipeline,
    counts: Arc<Counts>,
    memory: MemoryBudget,
}

impl Worker {
    fn run(mut self, jobs: &JobReceiver<Job>) {
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
        // `analyse` refuses a photo that is too large, or whose headers cannot be read, before it allocates memory.
        let reserved = declared.cost.as_ref().ok().map(|cost| self.memory.reserve(caller, cost.bytes));
        if matches!(reserved, Some(None)) {
            return Err(FaceError::QueueFull);
        }
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

fn other_work() -> FaceError {
    FaceError::Broken("the worker did other work".into())
}

/// Does a part of a job, whose panic ends the job and not the worker.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, FaceError> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|_| FaceError::Broken("a worker panicked while it processed the photo".into()))
}

/// How long decoding takes at most, according to the headers.
fn longest(declared: Option<&Result<Declared, FaceError>>) -> Duration {
    let cost = declared.and_then(|declared| declared.as_ref().ok()?.cost.as_ref().ok());
    cost.map_or(Duration::ZERO, |cost| cost.longest())
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
