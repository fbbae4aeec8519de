//! Builds the pipelines of an engine's workers: their sessions, warm.

use std::{num::NonZeroUsize, panic, thread};

use fast_image_resize::Resizer;

use crate::{
    align::{ARCFACE_FRAME, AlignedFace, CROP_SIDE},
    config::Config,
    decode::{Bounds, Decoder},
    detector::{Detector, DetectorNetwork},
    embedder::Embedder,
    embedding_thread::SharedEmbedder,
    error::StartError,
    face_embedder::FaceEmbedder,
    liveness::{LivenessJudge, LivenessNetwork},
    liveness_set::LivenessSet,
    manifest::{DetectionSpec, EmbedderFamily, EmbeddingSpec, Manifest, Task},
    pipeline::Pipeline,
    placement::Placement,
    prepare::graph_part,
    raster::Raster,
    runtime::{Batches, Model, Runtime},
};

/// Pipelines, or embedders, that are built at the same time. Each needs 100 MB more meanwhile than afterwards.
const BUILT_AT_ONCE: usize = 4;

/// A model, its placement, and the content of its file.
pub(crate) struct LocatedModel {
    pub(crate) manifest: Manifest,
    pub(crate) placement: Placement,
    pub(crate) bytes: Vec<u8>,
}

impl LocatedModel {
    fn refused(&self, reason: &dyn ToString) -> StartError {
        StartError::Session { model: self.manifest.name.clone(), reason: reason.to_string() }
    }
}

/// The models of an engine.
pub(crate) struct LocatedModels<'a> {
    pub(crate) detector: LocatedModel,
    pub(crate) embedder: LocatedModel,
    /// A liveness set with its models.
    pub(crate) liveness: Option<(&'a LivenessSet, Vec<LocatedModel>)>,
}

impl LocatedModels<'_> {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &LocatedModel> {
        let judges = self.liveness.iter().flat_map(|(_, models)| models);
        [&self.detector, &self.embedder].into_iter().chain(judges)
    }
}

/// One detector for each worker, warm.
pub(crate) fn build_detectors(
    runtime: &Runtime,
    config: &Config,
    detector: &LocatedModel,
    embedder: &Manifest,
) -> Result<Vec<Detector>, StartError> {
    let Task::Detector(detection) = &detector.manifest.task else {
        return Err(detector.refused(&"expected a detector"));
    };
    let landmarks = embedding_spec(embedder)?.landmarks;
    // The part of the detector that is enough in the window around the subject.
    let window_spec = detection.for_window();
    let window_bytes = window_spec.as_ref().map(|spec| graph_part(&detector.bytes, &spec.output_names()));
    let window_bytes = window_bytes.transpose()?;
    let window = window_spec.zip(window_bytes.as_ref()).map(|(spec, bytes)| {
        (Model::new(&detector.manifest.name, bytes, detector.placement, config.threads.get()), spec)
    });
    let whole = model(config, detector);
    let network = |model: &Model<'_>, outputs: &DetectionSpec| -> Result<_, StartError> {
        Ok(DetectorNetwork { network: runtime.network(model)?, outputs: outputs.clone() })
    };
    build_at_once(vec![(); config.worker_count()], |()| {
        let window = window.as_ref().map(|(model, outputs)| network(model, outputs)).transpose()?;
        let input = &detector.manifest.input;
        let mut built =
            Detector::new(network(&whole, detection)?, window, input, config.detection, landmarks);
        built.warm().map_err(|error| detector.refused(&error))?;
        Ok(built)
    })
}

/// One pipeline for each detector.
pub(crate) fn build_pipelines(
    runtime: &Runtime,
    config: &Config,
    models: &LocatedModels<'_>,
    detectors: Vec<Detector>,
) -> Result<Vec<Pipeline>, StartError> {
    let LocatedModels { embedder, liveness, .. } = models;
    let model = |located| model(config, located);
    let max = config.max_faces_of_a_run();
    let batches = Batches { input: &embedder.manifest.input.name, side: CROP_SIDE, max: max.get() };
    let embedder_model = model(embedder);
    let is_shared = max > NonZeroUsize::MIN;
    let embedder_model = if is_shared { embedder_model.in_batches(batches) } else { embedder_model };
    let mut builder = PipelineBuilder {
        runtime,
        config,
        embedder: (embedder_model, embedding_spec(&embedder.manifest)?),
        shared: None,
        models,
        judges: liveness.iter().flat_map(|(_, models)| models).map(model).collect(),
    };
    if is_shared {
        builder.shared = Some(builder.start_shared(max)?);
    }
    build_at_once(detectors, |detector| builder.build(detector))
}

fn embedding_spec(embedder: &Manifest) -> Result<&EmbeddingSpec, StartError> {
    match &embedder.task {
        Task::Embedder(embedding) => Ok(embedding),
        Task::Detector(_) | Task::Liveness(_) => Err(StartError::Session {
            model: embedder.name.clone(),
            reason: "expected an embedder".to_owned(),
        }),
    }
}

/// Builds one for each part, on several cores: a session is built on one, and sessions take most of a start.
fn build_at_once<P: Send, T: Send>(
    parts: Vec<P>,
    build: impl Fn(P) -> Result<T, StartError> + Sync,
) -> Result<Vec<T>, StartError> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(BUILT_AT_ONCE);
    let (mut all, build) = (Vec::with_capacity(parts.len()), &build);
    let mut parts = parts.into_iter();
    while parts.len() > 0 {
        let built: Result<Vec<_>, _> = thread::scope(|scope| {
            let threads: Vec<_> =
                parts.by_ref().take(cores).map(|part| scope.spawn(move || build(part))).collect();
            let results = threads.into_iter().map(thread::ScopedJoinHandle::join);
            results.map(|result| result.unwrap_or_else(|panic| panic::resume_unwind(panic))).collect()
        });
        all.extend(built?);
    }
    Ok(all)
}

fn model<'a>(config: &Config, located: &'a LocatedModel) -> Model<'a> {
    Model::new(&located.manifest.name, &located.bytes, located.placement, config.threads.get())
}

struct PipelineBuilder<'a> {
    runtime: &'a Runtime,
    config: &'a Config,
    embedder: (Model<'a>, &'a EmbeddingSpec),
    /// The embedders of all pipelines; `None` if each has its own.
    shared: Option<SharedEmbedder>,
    judges: Vec<Model<'a>>,
    models: &'a LocatedModels<'a>,
}

impl PipelineBuilder<'_> {
    fn build(&self, detector: Detector) -> Result<Pipeline, StartError> {
        let Self { config, models, .. } = self;
        let (_, embedding) = self.embedder;
        Ok(Pipeline {
            decoder: Decoder::new(Bounds::of(config)),
            detector,
            embedder: self.face_embedder()?,
            liveness: models.liveness.as_ref().map(|(set, models)| self.judge(set, models)).transpose()?,
            judges_liveness: false,
            frame: match embedding.family {
                EmbedderFamily::ArcFace112 => ARCFACE_FRAME,
            },
            subject: config.subject,
            quality: config.quality,
            retry_budget: config.detection.retry_budget(),
            decoded_side: config.detection.decoded_side,
            resizer: Resizer::new(),
            reduced: Raster::default(),
        })
    }

    fn face_embedder(&self) -> Result<FaceEmbedder, StartError> {
        if let Some(shared) = &self.shared {
            return Ok(FaceEmbedder::Shared(shared.clone()));
        }
        let mut embedder = self.embedder()?;
        embedder.warm().map_err(|error| self.models.embedder.refused(&error))?;
        Ok(FaceEmbedder::Own(embedder))
    }

    fn embedder(&self) -> Result<Embedder, StartError> {
        let (model, spec) = &self.embedder;
        let input = &self.models.embedder.manifest.input;
        Ok(Embedder::new(self.runtime.network(model)?, input, spec.output.clone(), spec.length))
    }

    /// Starts the threads that embed for all pipelines. Each pipeline has one face in their queue, or two if it did not
    /// wait for the first until its end.
    fn start_shared(&self, max_faces: NonZeroUsize) -> Result<SharedEmbedder, StartError> {
        let embedders = build_at_once(vec![(); self.config.embedder_count()], |()| {
            let mut embedder = self.embedder()?;
            let warmed = embedder.warm_for_batches(max_faces.get());
            warmed.map_err(|error| self.models.embedder.refused(&error))?;
            Ok(move |faces: &[AlignedFace]| {
                let run = embedder.embed_all(faces);
                embedder.wipe();
                run
            })
        })?;
        Ok(SharedEmbedder::start(embedders, max_faces, 2 * self.config.worker_count())?)
    }

    fn judge(&self, set: &LivenessSet, models: &[LocatedModel]) -> Result<LivenessJudge, StartError> {
        let refused = |reason: String| StartError::Session { model: set.name().to_owned(), reason };
        let networks = models.iter().zip(&self.judges).map(|(located, model)| {
            let Task::Liveness(spec) = &located.manifest.task else {
                return Err(refused("expected liveness models".into()));
            };
            Ok(LivenessNetwork::new(self.runtime.network(model)?, &located.manifest.input, spec))
        });
        let mut judge = LivenessJudge::new(networks.collect::<Result<_, _>>()?, set.bounds.clone());
        judge.warm().map_err(|error| refused(error.to_string()))?;
        Ok(judge)
    }
}
