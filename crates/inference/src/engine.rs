use std::{env, fmt, num::NonZeroUsize, path::PathBuf, sync::Arc, thread, time::Instant};

use fast_image_resize::Resizer;
use padan_domain::{Calibration, ModelContractId, Photo};

use crate::{
    align::ARCFACE_FRAME,
    analysis::Analysis,
    catalogue::Catalogue,
    config::{Config, Device},
    detector::Detector,
    embedder::Embedder,
    error::{FaceError, StartError},
    manifest::{EmbedderFamily, Graph, Manifest, Precision, Task},
    model_set::ModelSet,
    pipeline::{Pipeline, Role},
    pixel_budget::PixelBudget,
    runtime::{Model, Runtime},
    runtime_library,
    workers::{Onlooker, WorkerFigures, Workers},
};

/// The face engine: verified model files, warm sessions, worker threads. Clones share them.
#[derive(Clone)]
pub struct Engine {
    workers: Workers,
    identity: Arc<Identity>,
}

/// What an engine computes with.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The model set's name.
    pub model_set: String,
    /// What its embeddings mean.
    pub contract: ModelContractId,
    /// What its similarities mean.
    pub calibration: Calibration,
    /// Tells calibrations apart.
    pub calibration_id: String,
    /// Where the embedder runs.
    pub device: Device,
    /// The numbers that the embedder computes with there; `None` where they are those of its file.
    pub precision: Option<Precision>,
    /// The ONNX Runtime library.
    pub runtime_library: PathBuf,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Engine {
    /// Finds the runtime and the model set, checks every file's digest, builds and warms a session for each worker.
    ///
    /// What is asked for is what runs: a device that is missing is an error, never another device.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let began = Instant::now();
        let (pipelines, identity) = load(config)?;
        let count = pipelines.len();
        let workers = Workers::start(
            pipelines,
            config.queue_length.get(),
            PixelBudget::new(config.limits.max_megapixels_at_once),
        )?;
        tracing::info!(
            model_set = %identity.model_set,
            contract = %identity.contract,
            device = identity.device.name(),
            runtime = %identity.runtime_library.display(),
            workers = count,
            milliseconds = began.elapsed().as_millis() as u64,
            "face engine ready"
        );
        Ok(Self { workers, identity: Arc::new(identity) })
    }

    /// Embeds a selfie. It must show one face, well enough to compare; otherwise the fault says why not.
    ///
    /// Dropping the future, or letting the deadline pass, takes the photo out of the queue.
    pub async fn probe(&self, photo: Photo, deadline: Instant) -> Result<Analysis, FaceError> {
        self.workers.analyse(photo, Role::Probe, deadline).await
    }

    /// Embeds a registry's portrait: its largest and most central face, whatever its quality.
    pub async fn reference(&self, photo: Photo, deadline: Instant) -> Result<Analysis, FaceError> {
        self.workers.analyse(photo, Role::Reference, deadline).await
    }

    /// What it computes with.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What its embeddings mean.
    pub fn contract(&self) -> &ModelContractId {
        &self.identity.contract
    }

    /// What its similarities mean.
    pub fn calibration(&self) -> &Calibration {
        &self.identity.calibration
    }

    /// Tells an onlooker of every photo that a worker takes up from now on; the first onlooker stays.
    pub fn tell(&self, onlooker: Onlooker) {
        self.workers.tell(onlooker);
    }

    /// The state of the queue and the workers.
    pub fn figures(&self) -> WorkerFigures {
        self.workers.figures()
    }
}

/// What [`Engine::start`] does before it starts threads: the warm pipelines, one for each worker, and what they compute
/// with. For measuring and evaluating step by step.
pub fn load(config: &Config) -> Result<(Vec<Pipeline>, Identity), StartError> {
    let wanted = Wanted::find(config)?;
    let calibration = wanted.catalogue.calibration(&wanted.set)?;
    let pipelines = wanted.pipelines(config)?;
    let Wanted { set, runtime_library, .. } = wanted;
    let identity = Identity {
        model_set: config.model_set.clone(),
        contract: set.contract(),
        calibration_id: calibration.id(),
        calibration: calibration.calibration()?,
        device: config.device,
        precision: chosen_precision(&set.embedder, config.device),
        runtime_library,
    };
    Ok((pipelines, identity))
}

/// The same for a model set that has no calibration, such as one that is to be calibrated.
pub fn load_uncalibrated(config: &Config) -> Result<(Vec<Pipeline>, ModelSet), StartError> {
    let wanted = Wanted::find(config)?;
    let pipelines = wanted.pipelines(config)?;
    Ok((pipelines, wanted.set))
}

/// What the settings name.
struct Wanted {
    runtime_library: PathBuf,
    catalogue: Catalogue,
    set: ModelSet,
}

impl Wanted {
    fn find(config: &Config) -> Result<Self, StartError> {
        config.validate()?;
        let runtime_library = runtime_library::find(config.runtime_library.as_deref())?;
        let catalogue = Catalogue::load(&model_folders(config))?;
        let set = catalogue.set(&config.model_set)?;
        Ok(Self { runtime_library, catalogue, set })
    }

    fn pipelines(&self, config: &Config) -> Result<Vec<Pipeline>, StartError> {
        let Self { runtime_library, catalogue, set } = self;
        let graph = embedder_graph(&set.embedder, config.device);
        let files = Files {
            detector: catalogue.locate(set, &set.detector, Graph::Prepared)?.bytes,
            embedder: catalogue.locate(set, &set.embedder, graph)?.bytes,
        };
        let runtime = Runtime::load(runtime_library)?;
        let pipelines = build(&runtime, config, (&set.detector, &set.embedder), &files)?;
        for manifest in [&set.detector, &set.embedder] {
            tracing::info!(model = %manifest.name, licence = %manifest.licence, origin = %manifest.origin, "model loaded");
        }
        Ok(pipelines)
    }
}

/// Where model files are looked for, in order: the configured folder, `$PADAN_MODELS`, `./.deps/models`.
pub fn model_folders(config: &Config) -> Vec<PathBuf> {
    let environment = env::var_os("PADAN_MODELS").filter(|value| !value.is_empty()).map(PathBuf::from);
    let default = PathBuf::from(".deps/models");
    config.model_folder.clone().into_iter().chain(environment).chain([default]).collect()
}

struct Files {
    detector: Vec<u8>,
    embedder: Vec<u8>,
}

fn build(
    runtime: &Runtime,
    config: &Config,
    (detector, embedder): (&Manifest, &Manifest),
    files: &Files,
) -> Result<Vec<Pipeline>, StartError> {
    let session = |model: &str, reason: String| StartError::Session { model: model.into(), reason };
    let (Task::Detector(detection), Task::Embedder(embedding)) = (&detector.task, &embedder.task) else {
        return Err(session(&embedder.name, "the set is not a detector and an embedder".into()));
    };
    let frame = match embedding.family {
        EmbedderFamily::ArcFace112 => ARCFACE_FRAME,
    };
    let detector_model =
        Model::new(&detector.name, &files.detector, detector_device(config.device), precision(detector));
    let embedder_model = Model::new(&embedder.name, &files.embedder, config.device, precision(embedder));
    let workers =
        config.workers.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    (0..workers)
        .map(|_| {
            let network = runtime.network(&detector_model)?;
            let mut finder = Detector::new(network, &detector.input, detection.clone(), config.detection);
            finder.warm().map_err(|error| session(&detector.name, error.to_string()))?;
            let network = runtime.network(&embedder_model)?;
            let mut taker =
                Embedder::new(network, &embedder.input, embedding.output.clone(), embedding.length);
            taker.warm().map_err(|error| session(&embedder.name, error.to_string()))?;
            Ok(Pipeline {
                detector: finder,
                embedder: taker,
                frame,
                limits: config.limits,
                subject: config.subject,
                quality: config.quality,
                retry_budget: config.detection.retry_budget(),
                resizer: Resizer::new(),
            })
        })
        .collect()
}

/// `OpenVINO` is slower than the plain kernels for the small detector, so that stays on them.
fn detector_device(device: Device) -> Device {
    match device {
        Device::OpenVino => Device::Cpu,
        other => other,
    }
}

/// What `OpenVINO` is to compute this model in; the other devices compute in what the file holds.
fn precision(manifest: &Manifest) -> Precision {
    manifest.openvino.as_ref().map_or(Precision::Fp32, |measured| measured.precision)
}

/// What was chosen over the numbers of the file, which only `OpenVINO` does.
fn chosen_precision(manifest: &Manifest, device: Device) -> Option<Precision> {
    (device == Device::OpenVino).then(|| precision(manifest))
}

fn embedder_graph(manifest: &Manifest, device: Device) -> Graph {
    match (device, &manifest.openvino) {
        (Device::OpenVino, Some(measured)) => measured.graph,
        _ => Graph::Prepared,
    }
}
