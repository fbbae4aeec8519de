//! A small interface to ONNX Runtime. The only file that names `ort`.

use std::{path::Path, sync::Arc, time::Duration};

use ndarray::ArrayView4;
use ort::{
    environment::Environment,
    ep::{self, ExecutionProviderDispatch},
    session::{
        Session,
        builder::{GraphOptimizationLevel, PrepackedWeights, SessionBuilder},
    },
    value::TensorRef,
};
use parking_lot::{Mutex, RwLock};

use crate::{
    config::Device,
    error::{FaceError, StartError},
    manifest::Precision,
    placement::Placement,
    stack_position::StackPosition,
    tensor::Tensor,
};

/// The loaded library. All engines of a process share one.
#[derive(Clone)]
pub(crate) struct Runtime {
    library: Arc<Path>,
    environment: Arc<Environment>,
}

/// The library that this process has loaded. ONNX Runtime allows one environment in a process.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

/// Shared by the calls into the library that are in progress, and held exclusively at the end of the process. None of these
/// calls may be within another: it would wait for ever once the end has begun.
static IN_USE: RwLock<()> = RwLock::new(());

/// Waits for the calls into ONNX Runtime that are in progress, at most two seconds, and makes later ones wait until the process
/// ends.
///
/// To be called at the end of a program whose threads may still work: the library would otherwise release what they use.
/// A call that takes longer, such as one that builds a session on a GPU, is not waited for.
pub fn end_inference() {
    const MAX_WAIT: Duration = Duration::from_secs(2);
    std::mem::forget(IN_USE.try_write_for(MAX_WAIT));
}

/// A model whose sessions, one for each worker, share their packed weights.
pub(crate) struct Model<'a> {
    pub(crate) name: &'a str,
    pub(crate) bytes: &'a [u8],
    pub(crate) placement: Placement,
    pub(crate) threads: usize,
    batches: Option<Batches<'a>>,
    weights: PackedWeights,
}

/// Weights in the form that the plain CPU kernels keep, for all sessions of a model.
#[derive(Clone)]
pub(crate) struct PackedWeights(PrepackedWeights);

/// The input of a model that computes several in one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batches<'a> {
    pub(crate) input: &'a str,
    /// Width and height of a picture.
    pub(crate) side: usize,
    /// The most pictures in one run.
    pub(crate) max: usize,
}

/// One session, for one thread.
pub(crate) struct Network {
    /// Empty only while this is dropped.
    session: Option<Session>,
    input: String,
    stack_position: StackPosition,
}

impl Drop for Network {
    fn drop(&mut self) {
        let _in_use = IN_USE.read();
        self.session = None;
    }
}

/// The values of a network's outputs, by name.
pub(crate) struct Outputs<'a>(Vec<(&'a str, &'a [f32])>);

impl Runtime {
    /// Loads the library, or returns the one already loaded. The environment lives as long as the process.
    pub(crate) fn load(library: &Path) -> Result<Self, StartError> {
        let _in_use = IN_USE.read();
        let unusable = |reason: String| StartError::RuntimeUnusable { library: library.into(), reason };
        let mut loaded = LOADED.lock();
        if let Some(loaded) = &*loaded {
            if *loaded.library != *library {
                let other = loaded.library.display();
                return Err(unusable(format!(
                    "this process has loaded {other} already, and cannot load a second one"
                )));
            }
            return Ok(loaded.clone());
        }
        let builder = ort::init_from(library).map_err(|error| unusable(error.to_string()))?;
        let environment = builder
            .with_name("padan")
            .with_telemetry(false)
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        environment.set_log_level(ort::logging::LogLevel::Error);
        let runtime = Self { library: library.into(), environment: Arc::new(environment) };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// Builds a session on the model's device.
    pub(crate) fn network(&self, model: &Model<'_>) -> Result<Network, StartError> {
        let _in_use = IN_USE.read();
        let device = model.placement.device;
        let refused = |reason: String| {
            // OpenVINO compiles the model only here, so a missing requirement is detected only here.
            let reason = if device == Device::OpenVino {
                format!("{reason}. {}", requirements(device))
            } else {
                reason
            };
            StartError::Session { model: model.name.into(), reason }
        };
        let builder = self.options(model).map_err(|error| refused(error.to_string()))?;
        let mut builder = match providers(model) {
            providers if providers.is_empty() => builder,
            providers => builder.with_execution_providers(providers).map_err(|error| StartError::Device {
                device: device.name(),
                reason: error.message().to_owned(),
                requirements: requirements(device),
            })?,
        };
        let session = builder.commit_from_memory(model.bytes).map_err(|error| refused(error.to_string()))?;
        let [input] = session.inputs() else {
            return Err(refused(format!("expected one input, found {}", session.inputs().len())));
        };
        let input = input.name().to_owned();
        Ok(Network { session: Some(session), input, stack_position: StackPosition::default() })
    }

    fn options(&self, model: &Model<'_>) -> Result<SessionBuilder, ort::Error> {
        // The workers provide the parallelism, with one session each. More threads help only while processors are idle
        // (`ParallelEmbedder`).
        let builder = Session::builder(&self.environment)?
            .with_no_environment_execution_providers()?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(model.threads)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_inter_op_spinning(false)?
            .with_prepacked_weights(&model.weights.0)?;
        Ok(builder)
    }
}

fn providers(model: &Model<'_>) -> Vec<ExecutionProviderDispatch> {
    let Model { placement, threads, batches, .. } = model;
    match placement.device {
        Device::Cpu => Vec::new(),
        Device::Cuda => vec![cuda(*batches)],
        Device::TensorRt => vec![tensorrt(*batches), cuda(*batches)],
        Device::OpenVino => {
            // The precision is explicit because the provider would otherwise choose by the processor alone. Pinning is
            // off because it would make all workers' sessions compute on the same core.
            let precision = match placement.precision {
                Precision::Fp32 => "f32",
                // The layers of 8 bits are in the graph. This is about the others.
                Precision::Bf16 | Precision::Int8 => "bf16",
            };
            let settings = format!(
                r#"{{"CPU":{{"INFERENCE_PRECISION_HINT":"{precision}","INFERENCE_NUM_THREADS":"{threads}","ENABLE_CPU_PINNING":"NO"}}}}"#
            );
            let provider = ep::ArbitrarilyConfigurableExecutionProvider::with_arbitrary_config(
                ep::OpenVINO::default().with_device_type("CPU"),
                "load_config",
                settings,
            );
            vec![provider.build().error_on_failure()]
        }
    }
}

fn cuda(batches: Option<Batches<'_>>) -> ExecutionProviderDispatch {
    let provider = ep::CUDA::default();
    // By default the provider tries every algorithm at the first run of each shape, and runs have many.
    let search = ep::cuda::ConvAlgorithmSearch::Heuristic;
    let provider = if batches.is_some() { provider.with_conv_algorithm_search(search) } else { provider };
    provider.build().error_on_failure()
}

fn tensorrt(batches: Option<Batches<'_>>) -> ExecutionProviderDispatch {
    let provider = ep::TensorRT::default();
    let Some(Batches { input, side, max }) = batches else { return provider.build().error_on_failure() };
    let shape = |count: usize| format!("{input}:{count}x3x{side}x{side}");
    // Without the range, the provider would compile the model again whenever a run has more pictures than any before.
    let provider = provider
        .with_profile_min_shapes(shape(1))
        .with_profile_opt_shapes(shape(max))
        .with_profile_max_shapes(shape(max));
    provider.build().error_on_failure()
}

fn requirements(device: Device) -> &'static str {
    match device {
        Device::Cpu => "The CPU requires nothing else",
        Device::Cuda => {
            "It requires an ONNX Runtime built with CUDA, the CUDA and cuDNN libraries and an NVIDIA driver"
        }
        Device::TensorRt => {
            "It requires an ONNX Runtime built with TensorRT, the TensorRT libraries and an NVIDIA driver"
        }
        Device::OpenVino => {
            "It requires the libraries of the onnxruntime-openvino package in the runtime's folder, and permission to map \
             memory as writable and executable. If \"auto\" chose it, set \"cpu\" instead"
        }
    }
}

impl<'a> Model<'a> {
    /// `threads` is the number of threads of each session.
    pub(crate) fn new(name: &'a str, bytes: &'a [u8], placement: Placement, threads: usize) -> Self {
        Self { name, bytes, placement, threads, batches: None, weights: PackedWeights::new() }
    }

    /// The same model, whose sessions share these weights with those of another value.
    pub(crate) fn sharing_weights(self, weights: PackedWeights) -> Self {
        Self { weights, ..self }
    }

    /// The same model, which computes several inputs in one run.
    pub(crate) fn in_batches(self, batches: Batches<'a>) -> Self {
        Self { batches: Some(batches), ..self }
    }
}

impl PackedWeights {
    pub(crate) fn new() -> Self {
        Self(PrepackedWeights::new())
    }
}

impl Network {
    /// Where on the stack the next runs begin.
    pub(crate) fn set_stack_position(&mut self, position: StackPosition) {
        self.stack_position = position;
    }

    /// Runs the network on one input and passes its outputs to `read`.
    pub(crate) fn run<T>(
        &mut self,
        tensor: &Tensor,
        read: impl FnOnce(&Outputs<'_>) -> Result<T, FaceError>,
    ) -> Result<T, FaceError> {
        let view = tensor.view().map_err(|error| FaceError::Broken(error.to_string()))?;
        self.run_on(&view, read)
    }

    /// Runs the network on the pictures of a view, in the order N, C, H, W, and passes its outputs to `read`.
    pub(crate) fn run_on<T>(
        &mut self,
        view: &ArrayView4<'_, f32>,
        read: impl FnOnce(&Outputs<'_>) -> Result<T, FaceError>,
    ) -> Result<T, FaceError> {
        let _in_use = IN_USE.read();
        let broken = |error: ort::Error| FaceError::Broken(error.to_string());
        let input = TensorRef::from_array_view(view.view()).map_err(broken)?;
        let session =
            self.session.as_mut().ok_or_else(|| FaceError::Broken("the session has ended".to_owned()))?;
        let inputs = ort::inputs![self.input.as_str() => input];
        let (mut run, mut outputs) = (Some(|| session.run(inputs)), None);
        self.stack_position.call(&mut || outputs = run.take().map(|run| run()));
        let outputs = outputs.ok_or_else(|| FaceError::Broken("the session was not run".to_owned()))?;
        let outputs = outputs.map_err(broken)?;
        let values: Vec<_> = outputs.iter().collect();
        let mut named = Vec::with_capacity(values.len());
        for (name, value) in &values {
            let (_, data) = value.try_extract_tensor::<f32>().map_err(broken)?;
            named.push((*name, data));
        }
        read(&Outputs(named))
    }
}

impl<'a> Outputs<'a> {
    /// The values of an output, in the order of its shape.
    pub(crate) fn get(&self, name: &str) -> Result<&'a [f32], FaceError> {
        let named = self.0.iter().find(|(known, _)| *known == name);
        named
            .map(|(_, values)| *values)
            .ok_or_else(|| FaceError::Broken(format!("the network has no output {name}")))
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn from_parts(parts: impl IntoIterator<Item = (&'a str, &'a [f32])>) -> Self {
        Self(parts.into_iter().collect())
    }
}
