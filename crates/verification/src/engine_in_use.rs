use std::sync::{
    Arc, OnceLock, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use padan_inference::{Engine, Onlooker};

/// The engine that serves now. It can be exchanged while requests are under way: each goes on with the one it began
/// with, and that one ends with its last request.
#[derive(Clone)]
pub struct EngineInUse {
    engine: Arc<RwLock<Engine>>,
    behind: Arc<AtomicBool>,
    onlooker: Arc<OnceLock<Onlooker>>,
}

impl EngineInUse {
    /// Begins with an engine.
    pub fn new(engine: Engine) -> Self {
        Self { engine: Arc::new(RwLock::new(engine)), behind: Arc::default(), onlooker: Arc::default() }
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

    /// Tells an onlooker of every photo that a worker takes up from now on, whichever engine it belongs to; the first
    /// onlooker stays.
    pub fn tell(&self, onlooker: Onlooker) {
        let onlooker = self.onlooker.get_or_init(|| onlooker);
        self.current().tell(Arc::clone(onlooker));
    }

    /// Lets requests that come from now on use another engine.
    pub fn replace(&self, engine: Engine) {
        if let Some(onlooker) = self.onlooker.get() {
            engine.tell(Arc::clone(onlooker));
        }
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = engine;
    }
}

impl From<Engine> for EngineInUse {
    fn from(engine: Engine) -> Self {
        Self::new(engine)
    }
}
