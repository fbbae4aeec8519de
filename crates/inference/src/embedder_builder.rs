use std::{num::NonZeroUsize, sync::OnceLock};

use padan_domain::Embedding;

use crate::{
    align::CROP_SIDE,
    config::Device,
    embedder::Embedder,
    error::StartError,
    located_model::LocatedModel,
    manifest::{EmbeddingSpec, Manifest, Task},
    runtime::{Batches, Model, PackedWeights, Runtime},
};

/// Builds the embedders of an engine, whose sessions share the weights that the plain CPU kernels keep.
pub(crate) struct EmbedderBuilder {
    runtime: Runtime,
    model: LocatedModel,
    /// The most faces of a run.
    max_faces: NonZeroUsize,
    weights: PackedWeights,
    /// The embedding of a crop with stripes by the first embedder.
    of_stripes: OnceLock<Embedding>,
}

impl EmbedderBuilder {
    pub(crate) fn new(runtime: Runtime, model: LocatedModel, max_faces: NonZeroUsize) -> Self {
        Self { runtime, model, max_faces, weights: PackedWeights::new(), of_stripes: OnceLock::new() }
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(crate) fn model(&self) -> &LocatedModel {
        &self.model
    }

    pub(crate) fn max_faces(&self) -> NonZeroUsize {
        self.max_faces
    }

    /// A warm embedder whose session computes on this many threads.
    pub(crate) fn build_warm(&self, threads: usize) -> Result<Embedder, StartError> {
        let mut embedder = self.build(threads)?;
        let max = self.max_faces.get();
        if max > 1 {
            embedder.warm_for_batches(max).map_err(|error| self.model.refused(&error))?;
        } else {
            let embedding = embedder.warm().map_err(|error| self.model.refused(&error))?;
            self.of_stripes.get_or_init(|| embedding);
        }
        self.choose_stack_position(&mut embedder)?;
        Ok(embedder)
    }

    /// The same, for one face in a run. Refused if it embeds a face otherwise than the first embedder that was built, in any
    /// bit: which of the two a face gets must not matter.
    pub(crate) fn build_equal(&self, threads: usize) -> Result<Embedder, StartError> {
        let mut embedder = self.build(threads)?;
        let embedding = embedder.warm().map_err(|error| self.model.refused(&error))?;
        if self.of_stripes.get().is_some_and(|first| first.as_slice() != embedding.as_slice()) {
            return Err(self
                .model
                .refused(&format!("on {threads} threads it gives a face another embedding")));
        }
        self.choose_stack_position(&mut embedder)?;
        Ok(embedder)
    }

    /// Only OpenVINO's kernels depend on it.
    fn choose_stack_position(&self, embedder: &mut Embedder) -> Result<(), StartError> {
        match self.model.placement.device {
            Device::OpenVino => embedder.choose_stack_position().map_err(|error| self.model.refused(&error)),
            Device::Cpu | Device::Cuda | Device::TensorRt => Ok(()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{DeviceChoice, PrecisionChoice},
        test_support::embedder_builder,
    };

    #[test]
    fn an_embedder_that_embeds_otherwise_than_the_first_is_refused() {
        let builder = embedder_builder("sface", DeviceChoice::Cpu, PrecisionChoice::Auto).unwrap();
        let mut components = vec![0.0; 128];
        components[0] = 1.0;
        builder.of_stripes.set(Embedding::from_unit(components).unwrap()).unwrap();
        builder.build_warm(1).unwrap();
        let error = builder.build_equal(2).err().unwrap().to_string();
        assert!(error.contains("on 2 threads it gives a face another embedding"), "{error}");
    }
}
