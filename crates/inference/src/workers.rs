//! Worker threads behind a bounded queue.
//!
//! A full queue refuses at once. An entry whose time has run out, or whose caller has left, is dropped before work is
//! spent on it. A panic within one job ends that job, not the worker.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use padan_domain::Photo;
use tokio::sync::oneshot;

use crate::{
    analysis::Analysis,
    decode::Decoder,
    error::{FaceError, StartError},
    pipeline::{Pipeline, Role},
    pixel_budget::PixelBudget,
};

/// The queue's entry to the workers. The workers end when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Workers {
    queue: Sender<Job>,
    counts: Arc<Counts>,
    pixels: PixelBudget,
    threads: usize,
}

/// The state of the queue and of the workers behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerFigures {
    /// Worker threads.
    pub workers: usize,
    /// Workers at work.
    pub busy: usize,
    /// Photos that wait.
    pub queued: usize,
    /// Photos that may wait.
    pub queue_length: usize,
    /// Pixels of photos that the workers have decoded.
    pub pixels: u64,
    /// Pixels that they may have decoded at a time.
    pub most_pixels: u64,
    /// Photos refused because the queue, or the budget of pixels, was full, since the start.
    pub refused: u64,
    /// Photos dropped because their time had run out or their caller had left, since the start.
    pub expired: u64,
}

/// What is known of a photo when a worker takes it up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TakenUp {
    /// How long it waited.
    pub waited: Duration,
    /// Whether it is a client's selfie, and no portrait.
    pub is_selfie: bool,
    /// The size of the file.
    pub bytes: usize,
    /// Millions of pixels by its own head; `None` when that cannot be read.
    pub megapixels: Option<f64>,
}

/// Worker threads have ended, although the engine is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{ended} of {workers} worker threads have ended; restart the service")]
pub struct WorkersEnded {
    /// Threads that have ended.
    pub ended: usize,
    /// Threads that were started.
    pub workers: usize,
}

/// Is told of every photo that a worker takes up, on the worker's thread: it must not wait for anything.
pub type Onlooker = Arc<dyn Fn(TakenUp) + Send + Sync>;

#[derive(Default)]
struct Counts {
    busy: AtomicUsize,
    ended: AtomicUsize,
    refused: AtomicU64,
    expired: AtomicU64,
    onlooker: OnceLock<Onlooker>,
}

struct Job {
    photo: Photo,
    role: Role,
    queued_at: Instant,
    deadline: Instant,
    answer: oneshot::Sender<Result<Analysis, FaceError>>,
}

impl Workers {
    pub(crate) fn start(
        pipelines: Vec<Pipeline>,
        queue_length: usize,
        pixels: PixelBudget,
    ) -> Result<Self, StartError> {
        let (queue, jobs) = bounded(queue_length);
        let counts = Arc::new(Counts::default());
        let threads = pipelines.len();
        for (number, pipeline) in pipelines.into_iter().enumerate() {
            let (jobs, counts, pixels) = (jobs.clone(), Arc::clone(&counts), pixels.clone());
            thread::Builder::new()
                .name(format!("face-{number}"))
                .spawn(move || work(pipeline, &jobs, &counts, &pixels))?;
        }
        Ok(Self { queue, counts, pixels, threads })
    }

    pub(crate) async fn analyse(
        &self,
        photo: Photo,
        role: Role,
        deadline: Instant,
    ) -> Result<Analysis, FaceError> {
        let (answer, result) = oneshot::channel();
        let job = Job { photo, role, queued_at: Instant::now(), deadline, answer };
        match self.queue.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.counts.refused.fetch_add(1, Ordering::Relaxed);
                return Err(FaceError::QueueFull);
            }
            Err(TrySendError::Disconnected(_)) => {
                return Err(FaceError::Broken("all workers have ended".into()));
            }
        }
        match tokio::time::timeout_at(deadline.into(), result).await {
            Ok(Ok(analysis)) => analysis,
            Ok(Err(_)) => Err(FaceError::Broken("a worker ended in mid-photo".into())),
            Err(_) => Err(FaceError::Expired),
        }
    }

    /// Tells an onlooker of every photo from now on; the first one stays.
    pub(crate) fn tell(&self, onlooker: Onlooker) {
        let _ = self.counts.onlooker.set(onlooker);
    }

    pub(crate) fn check(&self) -> Result<(), WorkersEnded> {
        match self.counts.ended.load(Ordering::Relaxed) {
            0 => Ok(()),
            ended => Err(WorkersEnded { ended, workers: self.threads }),
        }
    }

    pub(crate) fn figures(&self) -> WorkerFigures {
        WorkerFigures {
            workers: self.threads,
            busy: self.counts.busy.load(Ordering::Relaxed),
            queued: self.queue.len(),
            queue_length: self.queue.capacity().unwrap_or(usize::MAX),
            pixels: self.pixels.held(),
            most_pixels: self.pixels.limit(),
            refused: self.counts.refused.load(Ordering::Relaxed),
            expired: self.counts.expired.load(Ordering::Relaxed),
        }
    }
}

fn work(mut pipeline: Pipeline, jobs: &Receiver<Job>, counts: &Counts, pixels: &PixelBudget) {
    let _ended = CountOnDrop(&counts.ended);
    for job in jobs {
        let Job { photo, role, queued_at, deadline, answer } = job;
        let result = if answer.is_closed() || Instant::now() >= deadline {
            counts.expired.fetch_add(1, Ordering::Relaxed);
            Err(FaceError::Expired)
        } else {
            let waited = queued_at.elapsed();
            let whole_job = || process(&mut pipeline, &photo, (role, deadline, waited), (counts, pixels));
            catch_unwind(AssertUnwindSafe(whole_job))
                .unwrap_or_else(|_| Err(FaceError::Broken("a worker panicked on this photo".into())))
        };
        // The caller may have left; then the answer has no receiver.
        let _ = answer.send(result);
    }
}

fn process(
    pipeline: &mut Pipeline,
    photo: &Photo,
    (role, deadline, waited): (Role, Instant, Duration),
    (counts, pixels): (&Counts, &PixelBudget),
) -> Result<Analysis, FaceError> {
    let _busy = Busy::new(&counts.busy);
    let size = Decoder::declared_size(photo);
    if let Some(onlooker) = counts.onlooker.get() {
        onlooker(TakenUp {
            waited,
            is_selfie: role == Role::Probe,
            bytes: photo.bytes().len(),
            megapixels: size.map(megapixels),
        });
    }
    // What is too large, or has no size, is refused before memory is taken.
    let size = size.filter(|size| pipeline.decoder.takes(*size));
    let held = size.map(|size| pixels.take(size));
    if matches!(held, Some(None)) {
        counts.refused.fetch_add(1, Ordering::Relaxed);
        return Err(FaceError::QueueFull);
    }
    let mut analysis = pipeline.analyse(photo, role, deadline)?;
    analysis.timings.queued = waited;
    Ok(analysis)
}

fn megapixels((width, height): (u32, u32)) -> f64 {
    f64::from(width) * f64::from(height) / 1e6
}

/// Counts a worker as busy until it is dropped, also by a panic.
struct Busy<'a>(&'a AtomicUsize);

impl<'a> Busy<'a> {
    fn new(busy: &'a AtomicUsize) -> Self {
        busy.fetch_add(1, Ordering::Relaxed);
        Self(busy)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts its own end, also by a panic.
struct CountOnDrop<'a>(&'a AtomicUsize);

impl Drop for CountOnDrop<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
