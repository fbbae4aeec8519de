//! The work on one photo, and what is observed of it.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use padan_domain::Photo;
use tokio::sync::oneshot;

use crate::{
    analysis::Analysis, caller::Caller, demand::Demand, error::FaceError, face_crop::FaceCrop,
    liveness::Liveness, pipeline::Role,
};

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
    /// Whether it is a selfie that is verified, matched or judged, rather than a portrait or a crop for display.
    pub is_selfie: bool,
    /// Size of the file.
    pub bytes: usize,
    /// Millions of pixels according to its header; `None` when the header cannot be read.
    pub megapixels: Option<f64>,
}

/// A callback for the start and the end of each job. It runs on the worker's thread, so it must not block.
pub type JobObserver = Arc<dyn Fn(JobEvent) + Send + Sync>;

pub(crate) struct Job {
    pub(crate) photo: Photo,
    pub(crate) work: Work,
    pub(crate) queued_at: Instant,
    pub(crate) deadline: Instant,
    /// Held by the caller while it waits.
    pub(crate) waiter: Weak<()>,
    pub(crate) answer: oneshot::Sender<Result<Finding, FaceError>>,
}

impl Job {
    pub(crate) fn demand(&self) -> Demand {
        Demand { deadline: Some(self.deadline), waiter: Some(self.waiter.clone()) }
    }
}

/// What is done with a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// The face is embedded.
    Analyse(Role),
    /// The face is judged for liveness.
    JudgeLiveness,
    /// The aligned crop of the face is made for display.
    Crop,
}

/// The result of a job.
pub(crate) enum Finding {
    Face(Box<Analysis>),
    Liveness(Liveness),
    Crop(FaceCrop),
}
