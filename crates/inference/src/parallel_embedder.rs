//! An embedder on two threads, for the faces that are embedded while a processor is idle.
//!
//! With one photo at a time, the other processors would wait for its worker. Where all processors have work, a second
//! thread only takes time from another worker, and both threads wait for each other after each layer.

use std::{
    sync::{Arc, OnceLock},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    align::AlignedFace,
    embedder::{Embedded, Embedder},
    embedder_builder::EmbedderBuilder,
    error::StartError,
    occupancy::Occupancy,
    thread_time::cpu_time_of_this_thread,
};

/// Threads of the session.
const THREADS: usize = 2;

/// One session for all workers, which embeds one face at a time.
pub(crate) struct ParallelEmbedder {
    /// Without a value until it is built, and `None` after it has failed.
    embedder: OnceLock<Mutex<Option<Embedder>>>,
    occupancy: Arc<Occupancy>,
}

impl ParallelEmbedder {
    /// Without a session yet.
    pub(crate) fn new(occupancy: Arc<Occupancy>) -> Self {
        Self { embedder: OnceLock::new(), occupancy }
    }

    /// The embedding of a face and the processor time of the other thread, if a processor is idle and no other worker
    /// uses the session. The time is an estimate: as much as that of this thread. A session that fails is not used again.
    pub(crate) fn embed_if_idle(&self, face: &AlignedFace) -> Option<(Embedded, Duration)> {
        if !self.occupancy.has_idle_processor() {
            return None;
        }
        let mut session = self.embedder.get()?.try_lock()?;
        let embedder = session.as_mut()?;
        let cpu_before = cpu_time_of_this_thread();
        let embedded = embedder.embed(face);
        let cpu = cpu_time_of_this_thread().saturating_sub(cpu_before);
        embedder.wipe();
        match embedded {
            Ok(embedded) => Some((embedded, cpu * (THREADS - 1) as u32)),
            Err(error) => {
                tracing::warn!("each face is embedded on one thread from now on: {error}");
                *session = None;
                None
            }
        }
    }

    /// Starts a thread that builds the session, and returns it. If the session cannot be built, the log says so, and each
    /// worker embeds by itself.
    pub(crate) fn start_building(self: Arc<Self>, builder: EmbedderBuilder) -> Option<JoinHandle<()>> {
        let build = move || {
            let began = Instant::now();
            match self.build(&builder) {
                Ok(()) => tracing::info!(
                    threads = THREADS,
                    milliseconds = began.elapsed().as_millis() as u64,
                    "embedder for idle processors ready"
                ),
                Err(error) => warn_of_one_thread(&error),
            }
        };
        // ONNX Runtime's threads of the session get this name too.
        let started = thread::Builder::new().name("idle-embedder".to_owned()).spawn(build);
        started.inspect_err(|error| warn_of_one_thread(error)).ok()
    }

    fn build(&self, builder: &EmbedderBuilder) -> Result<(), StartError> {
        let embedder = builder.build_equal(THREADS)?;
        let _ = self.embedder.set(Mutex::new(Some(embedder)));
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn is_built(&self) -> bool {
        self.embedder.get().is_some()
    }

    #[cfg(test)]
    pub(crate) fn is_wiped(&self) -> bool {
        self.embedder.get().unwrap().lock().as_ref().unwrap().is_wiped()
    }
}

fn warn_of_one_thread(reason: &dyn std::fmt::Display) {
    tracing::warn!(
        "each face is embedded on one thread, because the embedder for idle processors cannot be built: {reason}"
    );
}
