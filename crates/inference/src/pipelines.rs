//! Builds the pipelines of an engine's workers: their sessions, warm.

use std::{num::NonZeroUsize, panic, thread};

use fast_image_resize::Resizer;

use crate::{
    align::{ARCFACE_FRAME, AlignedFace},
    config::Config,
    decode::{Bounds, Decoder},
    detector::{Detector, DetectorNetwork},
    embedder_builder::{EmbedderBuilder, embedding_spec},
    embedding_thread::SharedEmbedder,
    error::StartError,
    face_embedder::{FaceEmbedder, OwnEmbedder},
    liveness::{LivenessJudge, LivenessNetwork},
    liveness_set::LivenessSet,
    located_model::LocatedModel,
    manifest::{DetectionSpec, EmbedderFamily, Manifest, Task},
    pipeline::Pipeline,
    prepare::graph_part,
    raster::Raster,
    runtime::{Model, Runtime},
};

/// Pipelines, or embedders, that are built at the same time. Each needs 100 MB more meanwhile than afterwards.
const BUILT_AT_ONCE: usize = 4;

/// A liveness set with its models.
pub(crate) type LocatedLiveness<'a> = (&'a LivenessSet, Vec<LocatedModel>);

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
        (Model::new(&detector.manifest.name, bytes, detector.placement, config.threads_of_a_session()), spec)
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
    config: &Config,
    detectors: Vec<Detector>,
    embedder: &EmbedderBuilder,
    liveness: Option<&LocatedLiveness<'_>>,
) -> Result<Vec<Pipeline>, StartError> {
    let judges = liveness.iter().flat_map(|(_, models)| models).map(|located| model(config, located));
    let mut builder = PipelineBuilder {
        config,
        bounds: Bounds::of(config),
        embedder,
        shared: None,
        liveness,
        judges: judges.collect(),
    };
    if embedder.max_faces() > NonZeroUsize::MIN {
        builder.shared = Some(builder.start_shared()?);
    }
    build_at_once(detectors, |detector| builder.build(detector))
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
    Model::new(&located.manifest.name, &located.bytes, located.placement, config.threads_of_a_session())
}

struct PipelineBuilder<'a> {
    config: &'a Config,
    bounds: Bounds,
    embedder: &'a EmbedderBuilder,
    /// The embedders of all pipelines; `None` if each has its own.
    shared: Option<SharedEmbedder>,
    liveness: Option<&'a LocatedLiveness<'a>>,
    judges: Vec<Model<'a>>,
}

impl PipelineBuilder<'_> {
    fn build(&self, detector: Detector) -> Result<Pipeline, StartError> {
        let Self { config, embedder, liveness, .. } = self;
        let embedding = embedding_spec(&embedder.model().manifest)?;
        Ok(Pipeline {
            decoder: Decoder::new(self.bounds),
            detector,
            embedder: self.face_embedder()?,
            liveness: liveness.map(|(set, models)| self.judge(set, models)).transpose()?,
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
        let embedder = self.embedder.build_warm(self.config.threads_of_a_session())?;
        Ok(FaceEmbedder::Own(OwnEmbedder::new(embedder)))
    }

    /// Starts the threads that embed for all pipelines. Each pipeline has one face in their queue, or two if it did not
    /// wait for the first until its end.
    fn start_shared(&self) -> Result<SharedEmbedder, StartError> {
        let embedders = build_at_once(vec![(); self.config.embedder_count()], |()| {
            let mut embedder = self.embedder.build_warm(self.config.threads_of_a_session())?;
            Ok(move |faces: &[AlignedFace]| {
                let run = embedder.embed_all(faces);
                embedder.wipe();
                run
            })
        })?;
        Ok(SharedEmbedder::start(embedders, self.embedder.max_faces(), 2 * self.config.worker_count())?)
    }

    fn judge(&self, set: &LivenessSet, models: &[LocatedModel]) -> Result<LivenessJudge, StartError> {
        let refused = |reason: String| StartError::Session { model: set.name().to_owned(), reason };
        let networks = models.iter().zip(&self.judges).map(|(located, model)| {
            let Task::Liveness(spec) = &located.manifest.task else {
                return Err(refused("expected liveness models".into()));
            };
            Ok(LivenessNetwork::new(self.embedder.runtime().network(model)?, &located.manifest.input, spec))
        });
        let mut judge = LivenessJudge::new(networks.collect::<Result<_, _>>()?, set.bounds.clone());
        judge.warm().map_err(|error| refused(error.to_string()))?;
        Ok(judge)
    }
}
