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
    error::{FaceError, StartError},
    occupancy::Occupancy,
    thread_time::cpu_time_of_this_thread,
};

/// Threads of the session.
const THREADS: usize = 2;

/// One session for all workers, which embeds one face at a time.
pub(crate) struct ParallelEmbedder {
    /// Empty until it is built.
    embedder: OnceLock<Mutex<Embedder>>,
    occupancy: Arc<Occupancy>,
}

impl ParallelEmbedder {
    /// Without a session yet.
    pub(crate) fn new(occupancy: Arc<Occupancy>) -> Self {
        Self { embedder: OnceLock::new(), occupancy }
    }

    /// The embedding of a face and the processor time of the other thread, if a processor is idle and no other worker
    /// uses the session. The time is estimated: the session divides its work evenly.
    pub(crate) fn embed_if_idle(
        &self,
        face: &AlignedFace,
    ) -> Option<(Result<Embedded, FaceError>, Duration)> {
        if !self.occupancy.has_idle_processor() {
            return None;
        }
        let mut embedder = self.embedder.get()?.try_lock()?;
        let cpu_before = cpu_time_of_this_thread();
        let embedded = embedder.embed(face);
        embedder.wipe();
        let cpu = cpu_time_of_this_thread().saturating_sub(cpu_before);
        Some((embedded, cpu * (THREADS - 1) as u32))
    }

    /// Starts a thread that builds the session. If it cannot be built, the log says so, and each worker embeds by itself.
    pub(crate) fn start_building(
        self: Arc<Self>,
        builder: EmbedderBuilder,
    ) -> Result<JoinHandle<()>, StartError> {
        let build = move || {
            let began = Instant::now();
            match self.build(&builder) {
                Ok(()) => tracing::info!(
                    threads = THREADS,
                    milliseconds = began.elapsed().as_millis() as u64,
                    "embedder for idle processors ready"
                ),
                Err(error) => tracing::warn!(
                    "each face is embedded on one thread, because the embedder for idle processors cannot be built: {error}"
                ),
            }
        };
        Ok(thread::Builder::new().name("idle-embedder".to_owned()).spawn(build)?)
    }

    #[cfg(test)]
    pub(crate) fn is_built(&self) -> bool {
        self.embedder.get().is_some()
    }

    fn build(&self, builder: &EmbedderBuilder) -> Result<(), StartError> {
        let embedder = builder.build_warm(THREADS)?;
        let _ = self.embedder.set(Mutex::new(embedder));
        Ok(())
    }
}
