use std::{sync::Arc, time::Duration};

use crate::{
    align::AlignedFace,
    demand::Demand,
    embedder::{Embedded, Embedder},
    embedding_thread::{EmbeddingCounts, SharedEmbedder},
    error::FaceError,
};

/// Embeds the faces of one pipeline.
pub(crate) enum FaceEmbedder {
    /// By a session of its own.
    Own(Embedder),
    /// By the session that all pipelines of an engine share.
    Shared(SharedEmbedder),
}

impl FaceEmbedder {
    /// Sets how long the next embeddings are wanted. A session of its own does not wait, so it has no use for this.
    pub(crate) fn set_demand(&mut self, demand: Demand) {
        if let Self::Shared(shared) = self {
            shared.set_demand(demand);
        }
    }

    /// The embedding with the length of the network's output.
    pub(crate) fn embed(&mut self, face: &AlignedFace) -> Result<Embedded, FaceError> {
        match self {
            Self::Own(embedder) => embedder.embed(face),
            Self::Shared(shared) => shared.embed(face),
        }
    }

    /// The processor time that other threads have spent on the faces since the last call.
    pub(crate) fn take_cpu_elsewhere(&mut self) -> Duration {
        match self {
            Self::Own(_) => Duration::ZERO,
            Self::Shared(shared) => shared.take_cpu(),
        }
    }

    /// The figures of the thread with the shared session; `None` without one.
    pub(crate) fn shared_counts(&self) -> Option<Arc<EmbeddingCounts>> {
        match self {
            Self::Own(_) => None,
            Self::Shared(shared) => Some(shared.counts()),
        }
    }

    /// Overwrites the pixels of the last face. The thread with a shared session does so itself.
    pub(crate) fn wipe(&mut self) {
        if let Self::Own(embedder) = self {
            embedder.wipe();
        }
    }

    #[cfg(test)]
    pub(crate) fn is_wiped(&self) -> bool {
        match self {
            Self::Own(embedder) => embedder.is_wiped(),
            Self::Shared(_) => true,
        }
    }
}
