use std::{env, fmt, num::NonZeroUsize, panic, path::PathBuf, sync::Arc, thread, time::Instant};

use padan_domain::{Calibration, Cohort, ModelContractId, Photo};
use parking_lot::Mutex;

use crate::{
    analysis::Analysis,
    calibration_file::{CalibrationFile, CalibrationPoint},
    caller::Caller,
    catalogue::Catalogue,
    config::Config,
    embedder_builder::EmbedderBuilder,
    error::{FaceError, StartError},
    face_crop::FaceCrop,
    job::JobObserver,
    liveness::Liveness,
    liveness_set::LivenessSet,
    located_model::LocatedModel,
    manifest::{Graph, Manifest, Precision},
    memory_budget::MemoryBudget,
    memory_limit::memory_limit,
    model_error::ModelError,
    model_set::ModelSet,
    pipeline::{Pipeline, Role},
    pipelines::{build_detectors, build_pipelines},
    placement::{self, Machine, Placement},
    prepare::{take_weights_out_of_inputs, with_batches, with_eight_bit_layers},
    runtime::Runtime,
    runtime_library,
    workers::{WorkerFigures, Workers, WorkersEnded},
};

/// The face engine: verified model files, warm sessions and worker threads, shared by its clones.
#[derive(Clone)]
pub struct Engine {
    workers: Workers,
    identity: Arc<Identity>,
    caller: Caller,
    /// Builds the embedder for idle processors; `None` once it is used, or without such an embedder.
    embedder: Arc<Mutex<Option<EmbedderBuilder>>>,
}

/// The models, the calibration and the device of an engine.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The model set's name.
    pub model_set: String,
    /// The model contract of its embeddings.
    pub contract: ModelContractId,
    /// The liveness set's name; `None` without one.
    pub liveness_set: Option<String>,
    /// The map from cosines to percentages.
    pub calibration: Calibration,
    /// The id of that map.
    pub calibration_id: String,
    /// What its cosines are ([`CalibrationFile::score`]).
    pub score: String,
    /// The points of the map, with the false match rates that they stand for.
    pub points: Vec<CalibrationPoint>,
    /// The embedder's device and precision.
    pub placement: Placement,
    /// The ONNX Runtime library.
    pub runtime_library: PathBuf,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Engine {
    /// Finds the runtime and the model set, checks every file's digest, and builds and warms the sessions of each
    /// worker.
    ///
    /// # Errors
    ///
    /// [`StartError`] when a setting is invalid, a file is missing or wrong, or the configured device or precision is
    /// not available. There is no fallback to another device.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        Self::start_with(config, None)
    }

    /// The same, for a service: [`Engine::embed_on_idle_processors`] has an effect, unless `config` names the number of threads,
    /// shares embedders or uses a GPU, or there is one processor.
    ///
    /// # Errors
    ///
    /// As [`Engine::start`].
    pub fn start_for_service(config: &Config) -> Result<Self, StartError> {
        Self::start_with(config, config.processors_for_parallel())
    }

    /// With `processors`, faces are embedded on two threads while one of them is idle.
    fn start_with(config: &Config, processors: Option<usize>) -> Result<Self, StartError> {
        let began = Instant::now();
        let (Loaded { pipelines, embedder }, identity) = load_all(config)?;
        let count = pipelines.len();
        let workers = Workers::start(
            pipelines,
            config.queue_length.get(),
            MemoryBudget::new(config.limits.in_force(memory_limit()).bytes_at_once()),
            processors,
        )?;
        tracing::info!(
            model_set = %identity.model_set,
            contract = %identity.contract,
            device = identity.placement.device.name(),
            precision = identity.placement.precision.name(),
            runtime = %identity.runtime_library.display(),
            workers = count,
            milliseconds = began.elapsed().as_millis() as u64,
            "face engine ready"
        );
        let embedder = workers.parallel().map(|_| embedder);
        Ok(Self {
            workers,
            identity: Arc::new(identity),
            caller: Caller::default(),
            embedder: Arc::new(Mutex::new(embedder)),
        })
    }

    /// Builds the session on two threads in the background, once. As soon as it is built, a face is embedded by it while a
    /// processor is idle. Has an effect only on an engine of [`Engine::start_for_service`].
    pub fn embed_on_idle_processors(&self) {
        if let (Some(parallel), Some(embedder)) = (self.workers.parallel(), self.embedder.lock().take()) {
            Arc::clone(parallel).start_building(embedder);
        }
    }

    /// The same engine, which processes photos on behalf of a caller. Callers share the workers' time equally.
    #[must_use]
    pub fn on_behalf_of(self, caller: Caller) -> Self {
        Self { caller, ..self }
    }

    /// The same engine, whose cosines have other percentages. Engines that were cloned before keep theirs.
    ///
    /// # Errors
    ///
    /// [`ModelError::Calibration`] when the points of the calibration do not increase, its transformation is invalid, or it
    /// needs a cohort that is not given.
    pub fn with_calibration(
        &self,
        calibration: &CalibrationFile,
        cohort: Option<Arc<Cohort>>,
    ) -> Result<Self, ModelError> {
        let identity = Identity {
            calibration: calibration.calibration_with(cohort)?,
            calibration_id: calibration.id(),
            score: calibration.score(),
            points: calibration.points.clone(),
            ..(*self.identity).clone()
        };
        Ok(Self { identity: Arc::new(identity), ..self.clone() })
    }

    /// Embeds a selfie. It must show one face, in good quality.
    ///
    /// A worker skips the queued photo when this future was dropped or the deadline has passed.
    ///
    /// # Errors
    ///
    /// [`FaceError`] when the photo is rejected, the queue is full, the deadline has passed, or the engine fails.
    pub async fn probe(&self, photo: Photo, deadline: Instant) -> Result<Analysis, FaceError> {
        self.workers.analyse(self.caller, photo, Role::Probe, deadline).await
    }

    /// Embeds a selfie as [`Engine::probe`] does, and judges the face that was found for liveness.
    ///
    /// # Errors
    ///
    /// As [`Engine::probe`]. [`FaceError::Broken`] without a liveness set.
    pub async fn judged_probe(&self, photo: Photo, deadline: Instant) -> Result<Analysis, FaceError> {
        self.workers.analyse(self.caller, photo, Role::JudgedProbe, deadline).await
    }

    /// Embeds a registry's portrait: its largest and most central face, whatever its quality.
    ///
    /// # Errors
    ///
    /// As [`Engine::probe`], without the rules for selfies.
    pub async fn reference(&self, photo: Photo, deadline: Instant) -> Result<Analysis, FaceError> {
        self.workers.analyse(self.caller, photo, Role::Reference, deadline).await
    }

    /// Judges whether the face in a photo is that of a living person. The photo must show one face.
    ///
    /// # Errors
    ///
    /// As [`Engine::probe`], without the rules for quality. [`FaceError::Broken`] without a liveness set.
    pub async fn judge_liveness(&self, photo: Photo, deadline: Instant) -> Result<Liveness, FaceError> {
        self.workers.judge_liveness(self.caller, photo, deadline).await
    }

    /// The aligned crop of the face in a photo, to be shown to an operator: of its largest and most central face, whatever
    /// its quality.
    ///
    /// # Errors
    ///
    /// As [`Engine::reference`].
    pub async fn crop(&self, photo: Photo, deadline: Instant) -> Result<FaceCrop, FaceError> {
        self.workers.crop(self.caller, photo, deadline).await
    }

    /// Its models, calibration and device.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The model contract of its embeddings.
    pub fn contract(&self) -> &ModelContractId {
        &self.identity.contract
    }

    /// The map from cosines to percentages.
    pub fn calibration(&self) -> &Calibration {
        &self.identity.calibration
    }

    /// Sets the observer that is called when a worker starts on a photo and when it has finished. Later calls change
    /// nothing.
    pub fn observe_jobs(&self, observer: JobObserver) {
        self.workers.observe_jobs(observer);
    }

    /// Checks that every worker thread still runs.
    ///
    /// # Errors
    ///
    /// [`WorkersEnded`] when at least one has ended. This should not happen, because a job's panic is caught.
    pub fn check(&self) -> Result<(), WorkersEnded> {
        self.workers.check()
    }

    /// Whether the embedder for idle processors has its session.
    #[cfg(test)]
    pub(crate) fn has_parallel_embedder(&self) -> bool {
        self.workers.parallel().is_some_and(|parallel| parallel.is_built())
    }

    /// The state of the queue and the workers.
    pub fn figures(&self) -> WorkerFigures {
        self.workers.figures()
    }
}

/// Loads warm pipelines, one for each worker, without starting threads. For benchmarks and evaluation.
///
/// # Errors
///
/// As [`Engine::start`].
pub fn load(config: &Config) -> Result<(Vec<Pipeline>, Identity), StartError> {
    load_all(config).map(|(loaded, identity)| (loaded.pipelines, identity))
}

fn load_all(config: &Config) -> Result<(Loaded, Identity), StartError> {
    let selection = Selection::find(config)?;
    let calibration = selection.catalogue.calibration(&selection.set)?;
    let loaded = selection.load(config)?;
    let Selection { set, runtime_library, .. } = selection;
    let identity = Identity {
        model_set: config.model_set.clone(),
        contract: set.contract(),
        liveness_set: config.liveness_set.clone(),
        calibration_id: calibration.id(),
        score: calibration.score(),
        calibration: calibration.calibration()?,
        points: calibration.points,
        placement: loaded.embedder.model().placement,
        runtime_library,
    };
    Ok((loaded, identity))
}

/// Loads warm pipelines for a model set that may have no calibration, such as one that is to be calibrated.
///
/// # Errors
///
/// As [`Engine::start`].
pub fn load_uncalibrated(config: &Config) -> Result<UncalibratedModels, StartError> {
    let selection = Selection::find(config)?;
    let Loaded { pipelines, embedder } = selection.load(config)?;
    Ok(UncalibratedModels { pipelines, set: selection.set, placement: embedder.model().placement })
}

/// Warm pipelines of a model set whose calibration was not loaded.
pub struct UncalibratedModels {
    /// One pipeline for each worker.
    pub pipelines: Vec<Pipeline>,
    /// The model set.
    pub set: ModelSet,
    /// The embedder's device and precision.
    pub placement: Placement,
}

/// Warm pipelines, and what builds further embedders for them.
struct Loaded {
    pipelines: Vec<Pipeline>,
    embedder: EmbedderBuilder,
}

/// The runtime library and the model set that the settings name.
struct Selection {
    runtime_library: PathBuf,
    catalogue: Catalogue,
    set: ModelSet,
    liveness: Option<LivenessSet>,
}

impl Selection {
    fn find(config: &Config) -> Result<Self, StartError> {
        config.validate()?;
        let runtime_library = runtime_library::find(config)?;
        let catalogue = Catalogue::load(&model_folders(config))?;
        let set = catalogue.set(&config.model_set)?;
        let liveness = config.liveness_set.as_deref().map(|name| catalogue.liveness_set(name)).transpose()?;
        Ok(Self { runtime_library, catalogue, set, liveness })
    }

    fn load(&self, config: &Config) -> Result<Loaded, StartError> {
        let Self { runtime_library, catalogue, set, liveness } = self;
        let machine = Machine::of(runtime_library);
        let placement = placement::place(&set.embedder, config.device, config.precision, machine)?;
        let detector = placement::detector_placement(placement);
        let locate =
            |set: &str, manifest: &Manifest, placement: Placement| -> Result<LocatedModel, StartError> {
                let graph = placement::graph_for(manifest, placement);
                let bytes = loadable(catalogue.locate(&set, manifest, graph)?.bytes, manifest, placement)?;
                Ok(LocatedModel { manifest: manifest.clone(), placement, bytes })
            };
        // The networks of liveness sets are as small as the detector.
        let judges = |liveness: &LivenessSet| -> Result<Vec<_>, StartError> {
            liveness.models.iter().map(|model| locate(liveness.name(), model, detector)).collect()
        };
        let liveness = liveness.as_ref().map(|set| judges(set).map(|models| (set, models))).transpose()?;
        let detector = locate(set.name(), &set.detector, detector)?;
        // The embedder is prepared while the detectors are built: on one core each, both take about as long.
        let (embedder_model, detectors) = thread::scope(|scope| {
            let embedder = scope.spawn(|| -> Result<_, StartError> {
                let mut model = locate(set.name(), &set.embedder, placement)?;
                if config.max_faces_of_a_run() > NonZeroUsize::MIN {
                    // Only in memory: the file and the model contract stay the same.
                    model.bytes = with_batches(model.bytes)?;
                }
                Ok(model)
            });
            let detectors = Runtime::load(runtime_library).and_then(|runtime| {
                let detectors = build_detectors(&runtime, config, &detector, &set.embedder)?;
                Ok((runtime, detectors))
            });
            (embedder.join().unwrap_or_else(|panic| panic::resume_unwind(panic)), detectors)
        });
        let (runtime, detectors) = detectors?;
        let embedder = EmbedderBuilder::new(runtime, embedder_model?, config.max_faces_of_a_run());
        let pipelines = build_pipelines(config, detectors, &embedder, liveness.as_ref())?;
        let judges = liveness.iter().flat_map(|(_, models)| models);
        for LocatedModel { manifest, placement, .. } in
            [&detector, embedder.model()].into_iter().chain(judges)
        {
            tracing::info!(
                model = %manifest.name,
                licence = %manifest.licence,
                origin = %manifest.origin,
                device = placement.device.name(),
                precision = placement.precision.name(),
                "model loaded"
            );
        }
        Ok(Loaded { pipelines, embedder })
    }
}

/// The content of a model's file as the runtime gets it with a placement.
pub(crate) fn loadable(
    bytes: Vec<u8>,
    manifest: &Manifest,
    placement: Placement,
) -> Result<Vec<u8>, ModelError> {
    if let (Precision::Int8, Some(openvino)) = (placement.precision, &manifest.openvino) {
        return with_eight_bit_layers(bytes, &openvino.int8);
    }
    match placement::graph_for(manifest, placement) {
        Graph::Prepared => Ok(bytes),
        // Weights that are inputs could change in each run. ONNX Runtime would keep them in each session, beside
        // OpenVINO's.
        Graph::Original => take_weights_out_of_inputs(bytes),
    }
}

/// The folders that are searched for model files, in order: the configured folder, `$PADAN_MODELS`, and `./.deps/models`
/// if `config.current_folder` allows it.
pub fn model_folders(config: &Config) -> Vec<PathBuf> {
    let environment = env::var_os("PADAN_MODELS").filter(|value| !value.is_empty()).map(PathBuf::from);
    let in_checkout = config.current_folder.part("models");
    config.model_folder.clone().into_iter().chain(environment).chain(in_checkout).collect()
}
