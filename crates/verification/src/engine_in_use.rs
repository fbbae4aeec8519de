use std::sync::{
    Arc, OnceLock, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use padan_inference::{Engine, JobObserver};

/// The engine that serves new requests. It can be replaced while requests are in flight: each of them keeps the engine
/// it began with, which ends with its last request.
#[derive(Clone)]
pub struct EngineInUse {
    engine: Arc<RwLock<Engine>>,
    is_outdated: Arc<AtomicBool>,
    job_observer: Arc<OnceLock<JobObserver>>,
}

impl EngineInUse {
    /// Begins with an engine.
    pub fn new(engine: Engine) -> Self {
        Self {
            engine: Arc::new(RwLock::new(engine)),
            is_outdated: Arc::default(),
            job_observer: Arc::default(),
        }
    }

    /// The engine for a new request, which keeps it to its end.
    pub fn current(&self) -> Engine {
        self.engine.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets whether another model than this one is active and cannot be used. Returns whether that has changed.
    pub fn set_outdated(&self, is_outdated: bool) -> bool {
        self.is_outdated.swap(is_outdated, Ordering::Relaxed) != is_outdated
    }

    /// Whether another model than this one is active and cannot be used.
    pub fn is_outdated(&self) -> bool {
        self.is_outdated.load(Ordering::Relaxed)
    }

    /// Sets the observer that is called for every photo that a worker starts on, in this engine and in those that
    /// replace it. Later calls change nothing.
    pub fn observe_jobs(&self, observer: JobObserver) {
        let observer = self.job_observer.get_or_init(|| observer);
        self.current().observe_jobs(Arc::clone(observer));
    }

    /// Replaces the engine for new requests.
    pub fn replace(&self, engine: Engine) {
        if let Some(observer) = self.job_observer.get() {
            engine.observe_jobs(Arc::clone(observer));
        }
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = engine;
    }
}

impl From<Engine> for EngineInUse {
    fn from(engine: Engine) -> Self {
        Self::new(engine)
    }
}
