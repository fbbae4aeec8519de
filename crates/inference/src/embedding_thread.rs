//! Threads that embed the faces of all workers: those that wait at the same time in one run of a session.
//!
//! A thread waits for no face that is not there yet, so that a single one is embedded at once. A panic or an error of a run
//! is the answer to each of its faces, and the thread goes on.

use std::{
    io, iter,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    align::AlignedFace, demand::Demand, embedder::Embedded, error::FaceError,
    thread_time::cpu_time_of_this_thread,
};

/// The results of a run, one for each face.
pub(crate) type Run = Result<Vec<Result<Embedded, FaceError>>, FaceError>;

/// The end of the threads' queue at which a pipeline's faces enter. When the last clone is dropped, the threads end.
#[derive(Clone)]
pub(crate) struct SharedEmbedder {
    queue: SyncSender<Request>,
    counts: Arc<EmbeddingCounts>,
    demand: Demand,
    cpu: Duration,
}

/// What the threads have done.
#[derive(Debug, Default)]
pub(crate) struct EmbeddingCounts {
    threads: usize,
    runs: AtomicU64,
    faces: AtomicU64,
    ended: AtomicUsize,
}

/// A face that waits. Its pixels are overwritten when it is dropped.
struct Request {
    face: AlignedFace,
    demand: Demand,
    answer: SyncSender<Answer>,
}

struct Answer {
    embedded: Result<Embedded, FaceError>,
    /// The face's share of the processor time of its run.
    cpu: Duration,
}

impl SharedEmbedder {
    /// Starts a thread for each of `embedders`, which embeds up to `max_faces` faces at once. More than `queue_length`
    /// faces cannot wait.
    pub(crate) fn start<F>(
        embedders: Vec<F>,
        max_faces: NonZeroUsize,
        queue_length: usize,
    ) -> Result<Self, io::Error>
    where
        F: FnMut(&[AlignedFace]) -> Run + Send + 'static,
    {
        let (queue, requests) = sync_channel(queue_length);
        let requests = Arc::new(Mutex::new(requests));
        let counts = Arc::new(EmbeddingCounts { threads: embedders.len(), ..EmbeddingCounts::default() });
        for (number, embed) in embedders.into_iter().enumerate() {
            let thread = EmbeddingThread { embed, max_faces: max_faces.get(), counts: Arc::clone(&counts) };
            let requests = Arc::clone(&requests);
            let name = format!("embedding-{number}");
            thread::Builder::new().name(name).spawn(move || thread.run(&requests))?;
        }
        Ok(Self { queue, counts, demand: Demand::default(), cpu: Duration::ZERO })
    }

    /// Sets how long the next embeddings are wanted.
    pub(crate) fn set_demand(&mut self, demand: Demand) {
        self.demand = demand;
    }

    /// Waits for the embedding of a face, at most until it is no longer wanted.
    pub(crate) fn embed(&mut self, face: &AlignedFace) -> Result<Embedded, FaceError> {
        let (answer, answered) = sync_channel(1);
        let face = AlignedFace::from_rgb(face.rgb().to_vec());
        self.queue.try_send(Request { face, demand: self.demand.clone(), answer }).map_err(|error| {
            match error {
                TrySendError::Full(_) => FaceError::QueueFull,
                TrySendError::Disconnected(_) => threads_ended(),
            }
        })?;
        let received = match self.demand.deadline {
            Some(deadline) => answered.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            None => answered.recv().map_err(RecvTimeoutError::from),
        };
        let Answer { embedded, cpu } = received.map_err(|error| match error {
            RecvTimeoutError::Timeout => FaceError::Expired,
            RecvTimeoutError::Disconnected => threads_ended(),
        })?;
        self.cpu += cpu;
        embedded
    }

    /// The processor time that the threads have spent on this pipeline's faces since the last call.
    pub(crate) fn take_cpu(&mut self) -> Duration {
        std::mem::take(&mut self.cpu)
    }

    /// What the threads have done.
    pub(crate) fn counts(&self) -> Arc<EmbeddingCounts> {
        Arc::clone(&self.counts)
    }
}

fn threads_ended() -> FaceError {
    FaceError::Broken("the threads that embed faces have ended".into())
}

impl EmbeddingCounts {
    /// Runs of the network.
    pub(crate) fn runs(&self) -> u64 {
        self.runs.load(Relaxed)
    }

    /// Faces in all runs.
    pub(crate) fn faces(&self) -> u64 {
        self.faces.load(Relaxed)
    }

    /// Threads that were started.
    pub(crate) fn threads(&self) -> usize {
        self.threads
    }

    /// Threads that have ended.
    pub(crate) fn ended(&self) -> usize {
        self.ended.load(Relaxed)
    }
}

impl Request {
    /// The request, unless nobody wants its answer any more.
    fn if_wanted(self) -> Option<Self> {
        if !self.demand.is_over() {
            return Some(self);
        }
        // The worker may still wait, for a caller that has left.
        let _ = self.answer.send(Answer { embedded: Err(FaceError::Expired), cpu: Duration::ZERO });
        None
    }
}

struct EmbeddingThread<F> {
    embed: F,
    max_faces: usize,
    counts: Arc<EmbeddingCounts>,
}

impl<F: FnMut(&[AlignedFace]) -> Run> EmbeddingThread<F> {
    fn run(mut self, requests: &Mutex<Receiver<Request>>) {
        let _ended = EndedOnDrop(Arc::clone(&self.counts));
        while let Some(batch) = self.next_batch(requests) {
            if !batch.is_empty() {
                self.answer(batch);
            }
        }
    }

    /// The faces that wait, up to the maximum, without those that nobody wants any more. Waits for the first. `None` when
    /// no further face can come.
    fn next_batch(&self, requests: &Mutex<Receiver<Request>>) -> Option<Vec<Request>> {
        // The other threads wait here for their turn.
        let requests = requests.lock();
        let first = requests.recv().ok()?;
        let waiting = iter::once(first).chain(requests.try_iter());
        Some(waiting.filter_map(Request::if_wanted).take(self.max_faces).collect())
    }

    fn answer(&mut self, batch: Vec<Request>) {
        let (faces, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|request| (request.face, request.answer)).unzip();
        let cpu_before = cpu_time_of_this_thread();
        let run = catch_unwind(AssertUnwindSafe(|| (self.embed)(&faces)));
        let cpu = cpu_time_of_this_thread().saturating_sub(cpu_before);
        self.counts.runs.fetch_add(1, Relaxed);
        self.counts.faces.fetch_add(faces.len() as u64, Relaxed);
        let cpu = cpu.div_f64(faces.len() as f64);
        // The pixels are overwritten before the callers go on.
        drop(faces);
        let run = run.map_err(|_| FaceError::Broken("the embedder panicked".into())).flatten();
        let results = match run {
            Ok(results) => results,
            Err(error) => answers.iter().map(|_| Err(error.clone())).collect(),
        };
        for (answer, embedded) in answers.into_iter().zip(results) {
            // Sending fails when the worker no longer waits.
            let _ = answer.send(Answer { embedded, cpu });
        }
    }
}

/// Counts the end of the thread when it is dropped, also by unwinding.
struct EndedOnDrop(Arc<EmbeddingCounts>);

impl Drop for EndedOnDrop {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Relaxed);
    }
}

#[cfg(test)]
mod tests;
