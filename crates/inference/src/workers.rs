//! Worker threads behind a bounded queue.
//!
//! A full queue refuses at once. An entry whose time has run out, or whose caller has left, is dropped before work is
//! spent on it. A panic within one photo ends that photo, not the worker.

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

/// Is told of every photo that a worker takes up, on the worker's thread: it must not wait for anything.
pub type Onlooker = Arc<dyn Fn(TakenUp) + Send + Sync>;

#[derive(Default)]
struct Counts {
    busy: AtomicUsize,
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
    for job in jobs {
        let Job { photo, role, queued_at, deadline, answer } = job;
        if answer.is_closed() || Instant::now() >= deadline {
            counts.expired.fetch_add(1, Ordering::Relaxed);
            // The caller may have left; then nobody is there to be told.
            let _ = answer.send(Err(FaceError::Expired));
            continue;
        }
        let queued = queued_at.elapsed();
        let size = Decoder::declared_size(&photo);
        counts.busy.fetch_add(1, Ordering::Relaxed);
        if let Some(onlooker) = counts.onlooker.get() {
            onlooker(TakenUp {
                waited: queued,
                is_selfie: role == Role::Probe,
                bytes: photo.bytes().len(),
                megapixels: size.map(megapixels),
            });
        }
        // What is too large, or has no size, is refused before memory is taken.
        let size = size.filter(|size| pipeline.decoder.takes(*size));
        let held = size.map(|size| pixels.take(size));
        let result = if matches!(held, Some(None)) {
            counts.refused.fetch_add(1, Ordering::Relaxed);
            Err(FaceError::QueueFull)
        } else {
            analyse(&mut pipeline, &photo, (role, deadline), queued)
        };
        drop(held);
        counts.busy.fetch_sub(1, Ordering::Relaxed);
        let _ = answer.send(result);
    }
}

fn megapixels((width, height): (u32, u32)) -> f64 {
    f64::from(width) * f64::from(height) / 1e6
}

fn analyse(
    pipeline: &mut Pipeline,
    photo: &Photo,
    (role, deadline): (Role, Instant),
    queued: Duration,
) -> Result<Analysis, FaceError> {
    let result = catch_unwind(AssertUnwindSafe(|| pipeline.analyse(photo, role, deadline)));
    let mut analysis =
        result.unwrap_or_else(|_| Err(FaceError::Broken("a panic within one photo".into())))?;
    analysis.timings.queued = queued;
    Ok(analysis)
}
