//! Worker threads behind a bounded queue, whose order is fair to the callers.
//!
//! A full queue refuses a photo at once: one of the caller that has the most in it.

use std::{
    sync::{Arc, atomic::Ordering},
    thread,
    time::Instant,
};

use padan_domain::Photo;
use tokio::sync::oneshot;

use crate::{
    analysis::Analysis,
    caller::Caller,
    config::BYTES_PER_PIXEL,
    embedding_thread::EmbeddingCounts,
    error::{FaceError, StartError},
    face_crop::FaceCrop,
    fair_queue::{JobSender, Pushed, fair_queue},
    job::{Finding, Job, JobObserver, Work},
    liveness::Liveness,
    memory_budget::MemoryBudget,
    occupancy::Occupancy,
    parallel_embedder::ParallelEmbedder,
    pipeline::{Pipeline, Role},
    worker::{Counts, Worker},
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

/// Some worker threads have ended although the engine is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{ended} of {workers} worker threads have ended; restart the service")]
pub struct WorkersEnded {
    /// Threads that have ended.
    pub ended: usize,
    /// Threads that were started, with those that embed for all workers.
    pub workers: usize,
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

fn other_work() -> FaceError {
    FaceError::Broken("the worker did other work".into())
}
