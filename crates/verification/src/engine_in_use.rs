use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use padan_inference::{Engine, JobObserver};
use parking_lot::RwLock;

/// The engine that serves new requests. It can be replaced while requests are in flight: each request uses one engine
/// until it ends, and a replaced engine is dropped with its last request.
#[derive(Clone)]
pub struct EngineInUse {
    engine: Arc<RwLock<Engine>>,
    is_outdated: Arc<AtomicBool>,
    job_observer: Arc<OnceLock<JobObserver>>,
}

impl EngineInUse {
    /// Serves requests with this engine until it is replaced.
    pub fn new(engine: Engine) -> Self {
        Self {
            engine: Arc::new(RwLock::new(engine)),
            is_outdated: Arc::default(),
            job_observer: Arc::default(),
        }
    }

    /// The engine for a new request. The request uses it until it ends.
    pub fn current(&self) -> Engine {
        self.engine.read().clone()
    }

    /// Sets whether another model is active that this process cannot use. Returns whether the value has changed.
    pub fn set_outdated(&self, is_outdated: bool) -> bool {
        self.is_outdated.swap(is_outdated, Ordering::Relaxed) != is_outdated
    }

    /// Whether another model is active that this process cannot use.
    pub fn is_outdated(&self) -> bool {
        self.is_outdated.load(Ordering::Relaxed)
    }

    /// Sets the observer that is called when a worker starts on a photo and when it has finished, in this engine and in
    /// those that replace it. Later calls change nothing.
    pub fn observe_jobs(&self, observer: JobObserver) {
        let observer = self.job_observer.get_or_init(|| observer);
        self.current().observe_jobs(Arc::clone(observer));
    }

    /// Replaces the engine for new requests.
    pub fn replace(&self, engine: Engine) {
        if let Some(observer) = self.job_observer.get() {
            engine.observe_jobs(Arc::clone(observer));
        }
        *self.engine.write() = engine;
    }
}

impl From<Engine> for EngineInUse {
    fn from(engine: Engine) -> Self {
        Self::new(engine)
    }
}
