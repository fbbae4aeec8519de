//! ONNX Runtime behind the few words that the rest needs. The only file that names `ort`.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use ort::{
    environment::Environment,
    ep::{self, ExecutionProviderDispatch},
    session::{
        Session,
        builder::{GraphOptimizationLevel, PrepackedWeights, SessionBuilder},
    },
    value::TensorRef,
};

use crate::{
    config::Device,
    error::{FaceError, StartError},
    manifest::Precision,
    placement::Placement,
    tensor::Tensor,
};

/// The loaded library. One a process, however many engines there are.
#[derive(Clone)]
pub(crate) struct Runtime {
    library: Arc<Path>,
    environment: Arc<Environment>,
}

/// What this process has loaded: a second environment is not allowed.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

/// A model's sessions: made once a worker, with the packed weights shared between them.
pub(crate) struct Model<'a> {
    pub(crate) name: &'a str,
    pub(crate) bytes: &'a [u8],
    pub(crate) placement: Placement,
    pub(crate) threads: usize,
    weights: PrepackedWeights,
}

/// One session. It serves one thread.
pub(crate) struct Network {
    session: Session,
    input: String,
}

/// What a network answered: the values of each output, by its name.
pub(crate) struct Outputs<'a>(Vec<(&'a str, &'a [f32])>);

impl Runtime {
    /// Loads the library, or takes the one that is loaded. The environment lives as long as the process.
    pub(crate) fn load(library: &Path) -> Result<Self, StartError> {
        let unusable = |reason: String| StartError::RuntimeUnusable { library: library.into(), reason };
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = &*loaded {
            if *loaded.library != *library {
                let other = loaded.library.display();
                return Err(unusable(format!("{other} is loaded, and a process has one")));
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

    /// Builds a session on the model's device, or says why that device cannot be used.
    pub(crate) fn network(&self, model: &Model<'_>) -> Result<Network, StartError> {
        let device = model.placement.device;
        let refused = |reason: String| {
            // It makes code of the model only now.
            let reason =
                if device == Device::OpenVino { format!("{reason}. {}", hint(device)) } else { reason };
            StartError::Session { model: model.name.into(), reason }
        };
        let builder = self.options(model).map_err(|error| refused(error.to_string()))?;
        let mut builder = match providers(model.placement, model.threads) {
            providers if providers.is_empty() => builder,
            providers => builder.with_execution_providers(providers).map_err(|error| StartError::Device {
                device: device.name(),
                reason: error.message().to_owned(),
                hint: hint(device),
            })?,
        };
        let session = builder.commit_from_memory(model.bytes).map_err(|error| refused(error.to_string()))?;
        let [input] = session.inputs() else {
            return Err(refused(format!("has {} inputs; one is expected", session.inputs().len())));
        };
        let input = input.name().to_owned();
        Ok(Network { session, input })
    }

    fn options(&self, model: &Model<'_>) -> Result<SessionBuilder, ort::Error> {
        // Parallelism comes from the workers, one session each; more threads only help while processors are idle.
        let builder = Session::builder(&self.environment)?
            .with_no_environment_execution_providers()?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(model.threads)?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_inter_op_spinning(false)?
            .with_prepacked_weights(&model.weights)?;
        Ok(builder)
    }
}

fn providers(placement: Placement, threads: usize) -> Vec<ExecutionProviderDispatch> {
    match placement.device {
        Device::Cpu => Vec::new(),
        Device::Cuda => vec![ep::CUDA::default().build().error_on_failure()],
        Device::TensorRt => {
            vec![
                ep::TensorRT::default().build().error_on_failure(),
                ep::CUDA::default().build().error_on_failure(),
            ]
        }
        Device::OpenVino => {
            // The precision is named, since the provider would otherwise choose one by the processor alone. Without pinning
            // off, all workers' sessions compute on the same core.
            let hint = match placement.precision {
                Precision::Fp32 => "f32",
                Precision::Bf16 => "bf16",
            };
            let settings = format!(
                r#"{{"CPU":{{"INFERENCE_PRECISION_HINT":"{hint}","INFERENCE_NUM_THREADS":"{threads}","ENABLE_CPU_PINNING":"NO"}}}}"#
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

fn hint(device: Device) -> &'static str {
    match device {
        Device::Cpu => "The CPU needs nothing",
        Device::Cuda => {
            "It needs an ONNX Runtime built with CUDA, the CUDA and cuDNN libraries and an NVIDIA driver"
        }
        Device::TensorRt => {
            "It needs an ONNX Runtime built with TensorRT, the TensorRT libraries and an NVIDIA driver"
        }
        Device::OpenVino => {
            "It needs the libraries of the onnxruntime-openvino package in the runtime's folder, and memory that is written and \
             executed; where \"auto\" chose it, \"cpu\" does without"
        }
    }
}

impl<'a> Model<'a> {
    /// `threads` is how many each session computes with.
    pub(crate) fn new(name: &'a str, bytes: &'a [u8], placement: Placement, threads: usize) -> Self {
        Self { name, bytes, placement, threads, weights: PrepackedWeights::new() }
    }
}

impl Network {
    /// Runs the network on one tensor (pictures, colours, rows, columns) and reads what it answers.
    pub(crate) fn run<T>(
        &mut self,
        tensor: &Tensor,
        read: impl FnOnce(&Outputs<'_>) -> Result<T, FaceError>,
    ) -> Result<T, FaceError> {
        let broken = |error: ort::Error| FaceError::Broken(error.to_string());
        let view = tensor.view().map_err(|error| FaceError::Broken(error.to_string()))?;
        let input = TensorRef::from_array_view(view).map_err(broken)?;
        let outputs = self.session.run(ort::inputs![self.input.as_str() => input]).map_err(broken)?;
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
    /// The values of the output of this name, in the order of its shape.
    pub(crate) fn get(&self, name: &str) -> Result<&'a [f32], FaceError> {
        let named = self.0.iter().find(|(known, _)| *known == name);
        named
            .map(|(_, values)| *values)
            .ok_or_else(|| FaceError::Broken(format!("the network has no output {name}")))
    }

    #[cfg(test)]
    pub(crate) fn from_parts(parts: impl IntoIterator<Item = (&'a str, &'a [f32])>) -> Self {
        Self(parts.into_iter().collect())
    }
}
