use std::{sync::Arc, time::Duration};

use crate::{
    align::AlignedFace,
    demand::Demand,
    embedder::{Embedded, Embedder},
    embedding_thread::{EmbeddingCounts, SharedEmbedder},
    error::FaceError,
    parallel_embedder::ParallelEmbedder,
};

/// Embeds the faces of one pipeline.
pub(crate) enum FaceEmbedder {
    /// By a session of its own.
    Own(OwnEmbedder),
    /// By the sessions that all pipelines of an engine share.
    Shared(SharedEmbedder),
}

/// A pipeline's own session, instead of which one on several threads may embed while a processor is idle.
pub(crate) struct OwnEmbedder {
    embedder: Embedder,
    parallel: Option<Arc<ParallelEmbedder>>,
    cpu_elsewhere: Duration,
}

impl OwnEmbedder {
    pub(crate) fn new(embedder: Embedder) -> Self {
        Self { embedder, parallel: None, cpu_elsewhere: Duration::ZERO }
    }

    fn embed(&mut self, face: &AlignedFace) -> Result<Embedded, FaceError> {
        if let Some(parallel) = &self.parallel
            && let Some((embedded, cpu)) = parallel.embed_if_idle(face)
        {
            self.cpu_elsewhere += cpu;
            return Ok(embedded);
        }
        self.embedder.embed(face)
    }
}

impl FaceEmbedder {
    /// Lets this embed while a processor is idle. A session that the pipelines share stays as it is.
    pub(crate) fn set_parallel(&mut self, parallel: &Arc<ParallelEmbedder>) {
        if let Self::Own(own) = self {
            own.parallel = Some(Arc::clone(parallel));
        }
    }

    /// Sets how long the next embeddings are wanted. A session of its own does not wait, so it has no use for this.
    pub(crate) fn set_demand(&mut self, demand: Demand) {
        if let Self::Shared(shared) = self {
            shared.set_demand(demand);
        }
    }

    /// The embedding with the length of the network's output.
    pub(crate) fn embed(&mut self, face: &AlignedFace) -> Result<Embedded, FaceError> {
        match self {
            Self::Own(own) => own.embed(face),
            Self::Shared(shared) => shared.embed(face),
        }
    }

    /// The processor time that other threads have spent on the faces since the last call.
    pub(crate) fn take_cpu_elsewhere(&mut self) -> Duration {
        match self {
            Self::Own(own) => std::mem::take(&mut own.cpu_elsewhere),
            Self::Shared(shared) => shared.take_cpu(),
        }
    }

    /// What the threads with the shared sessions have done; `None` without them.
    pub(crate) fn shared_counts(&self) -> Option<Arc<EmbeddingCounts>> {
        match self {
            Self::Own(_) => None,
            Self::Shared(shared) => Some(shared.counts()),
        }
    }

    /// Overwrites the pixels of the last face. Sessions that are not this pipeline's own do so themselves.
    pub(crate) fn wipe(&mut self) {
        if let Self::Own(own) = self {
            own.embedder.wipe();
        }
    }

    #[cfg(test)]
    pub(crate) fn is_wiped(&self) -> bool {
        match self {
            Self::Own(own) => own.embedder.is_wiped(),
            Self::Shared(_) => true,
        }
    }
}
