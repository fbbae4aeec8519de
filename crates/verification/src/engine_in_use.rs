use std::sync::{
    Arc, OnceLock, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use padan_inference::{Engine, JobObserver};

/// The engine that serves now. It can be exchanged while requests are under way: each goes on with the one it began
/// with, and that one ends with its last request.
#[derive(Clone)]
pub struct EngineInUse {
    engine: Arc<RwLock<Engine>>,
    behind: Arc<AtomicBool>,
    job_observer: Arc<OnceLock<JobObserver>>,
}

impl EngineInUse {
    /// Begins with an engine.
    pub fn new(engine: Engine) -> Self {
        Self { engine: Arc::new(RwLock::new(engine)), behind: Arc::default(), job_observer: Arc::default() }
    }

    /// The engine for a request, from its beginning to its end.
    pub fn current(&self) -> Engine {
        self.engine.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes whether another model than this one should serve, and cannot. Returns whether that is news.
    pub fn set_behind(&self, behind: bool) -> bool {
        self.behind.swap(behind, Ordering::Relaxed) != behind
    }

    /// Whether another model than this one should serve, and cannot.
    pub fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed)
    }

    /// Sets the observer that is called for every photo that a worker starts on, in this engine and in those that replace
    /// it. Later calls change nothing.
    pub fn observe_jobs(&self, observer: JobObserver) {
        let observer = self.job_observer.get_or_init(|| observer);
        self.current().observe_jobs(Arc::clone(observer));
    }

    /// Lets requests that come from now on use another engine.
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
