use std::num::NonZeroUsize;

use crate::{
    align::CROP_SIDE,
    embedder::Embedder,
    error::StartError,
    located_model::LocatedModel,
    manifest::{EmbeddingSpec, Manifest, Task},
    runtime::{Batches, Model, PackedWeights, Runtime},
};

/// Builds the embedders of an engine, whose sessions share the weights that the plain CPU kernels keep.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct EmbedderBuilder {
    pub(crate) runtime: Runtime,
    pub(crate) model: LocatedModel,
    /// The most faces of a run.
    pub(crate) max_faces: NonZeroUsize,
    pub(crate) weights: PackedWeights,
}

impl EmbedderBuilder {
    /// A warm embedder whose session computes on this many threads.
    pub(crate) fn build_warm(&self, threads: usize) -> Result<Embedder, StartError> {
        let mut embedder = self.build(threads)?;
        let max = self.max_faces.get();
        let warmed = if max > 1 { embedder.warm_for_batches(max) } else { embedder.warm() };
        warmed.map_err(|error| self.model.refused(&error))?;
        Ok(embedder)
    }

    fn build(&self, threads: usize) -> Result<Embedder, StartError> {
        let LocatedModel { manifest, placement, bytes } = &self.model;
        let spec = embedding_spec(manifest)?;
        let model =
            Model::new(&manifest.name, bytes, *placement, threads).sharing_weights(self.weights.clone());
        let max = self.max_faces.get();
        let model = if max > 1 {
            model.in_batches(Batches { input: &manifest.input.name, side: CROP_SIDE, max })
        } else {
            model
        };
        Ok(Embedder::new(self.runtime.network(&model)?, &manifest.input, spec.output.clone(), spec.length))
    }
}

/// The part of a manifest about embeddings.
pub(crate) fn embedding_spec(embedder: &Manifest) -> Result<&EmbeddingSpec, StartError> {
    match &embedder.task {
        Task::Embedder(embedding) => Ok(embedding),
        Task::Detector(_) | Task::Liveness(_) => Err(StartError::Session {
            model: embedder.name.clone(),
            reason: "expected an embedder".to_owned(),
        }),
    }
}
