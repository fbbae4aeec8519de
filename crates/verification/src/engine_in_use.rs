use std::sync::{Arc, PoisonError, RwLock};

use padan_inference::Engine;

/// The engine that serves now. It can be exchanged while requests are under way: each goes on with the one it began
/// with, and that one ends with its last request.
#[derive(Clone)]
pub struct EngineInUse(Arc<RwLock<Engine>>);

impl EngineInUse {
    /// Begins with an engine.
    pub fn new(engine: Engine) -> Self {
        Self(Arc::new(RwLock::new(engine)))
    }

    /// The engine for a request, from its beginning to its end.
    pub fn current(&self) -> Engine {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets requests that come from now on use another engine.
    pub fn replace(&self, engine: Engine) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = engine;
    }
}

impl From<Engine> for EngineInUse {
    fn from(engine: Engine) -> Self {
        Self::new(engine)
    }
}
