use std::{num::NonZeroUsize, path::PathBuf, thread, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{current_folder::CurrentFolder, error::StartError, manifest::Precision};

/// The `[inference]` section. `config/default.toml` has the defaults and the reasons for them.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The model set, by name. The start fails when the set is unknown or its files are missing.
    pub model_set: String,
    /// The liveness set, by name. When unset, faces are not judged for liveness. The start fails when the set is unknown or
    /// its files are missing.
    #[serde(default)]
    pub liveness_set: Option<String>,
    /// Where the models run. The start fails when a device configured by name is missing; there is no fallback.
    pub device: DeviceChoice,
    /// The precision of the embedder. The start fails when a precision configured by name is not available.
    pub precision: PrecisionChoice,
    /// The ONNX Runtime library. When unset: `$ORT_DYLIB_PATH`, `./.deps/onnxruntime` as far as
    /// [`current_folder`](Self::current_folder) allows it, the folder of the program, the system's folders.
    pub runtime_library: Option<PathBuf>,
    /// A folder with model files, searched before `$PADAN_MODELS` and, as far as
    /// [`current_folder`](Self::current_folder) allows it, `./.deps/models`.
    pub model_folder: Option<PathBuf>,
    /// Whether the current folder is searched. The program decides this, not a setting.
    #[serde(skip)]
    pub current_folder: CurrentFolder,
    /// Worker threads, each with its own sessions. When unset: one for each processor that the container's quota
    /// allows, and if the embedder is shared, as many more as faces are embedded at once. More workers only use more memory.
    pub workers: Option<NonZeroUsize>,
    /// The most faces that one run of the embedder computes. Above 1, the workers share embedders: one on a GPU, else
    /// one for two processors. When unset: 16 on `cuda` and `tensorrt`, else 1.
    pub embedding_batch: Option<NonZeroUsize>,
    /// Threads of each session. More threads shorten response times while processors are idle, and lengthen them once
    /// all workers are busy. When unset: one, and a service embeds a face on two while a processor is idle.
    pub threads: Option<NonZeroUsize>,
    /// Photos that may wait for a worker. A short queue refuses bursts; a long queue delays answers.
    pub queue_length: NonZeroUsize,
    /// Limits of a photo's size.
    pub limits: Limits,
    /// How faces are detected.
    pub detection: DetectionConfig,
    /// Which face is the subject.
    pub subject: SubjectConfig,
    /// Which faces are good enough for comparison.
    pub quality: QualityConfig,
}

/// The configured device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// The fastest available of those that the embedder's manifest lists as measured: `OpenVINO` or the plain CPU
    /// kernels. Never a GPU.
    Auto,
    /// [`Device::Cpu`].
    Cpu,
    /// [`Device::Cuda`].
    Cuda,
    /// [`Device::TensorRt`].
    TensorRt,
    /// [`Device::OpenVino`].
    OpenVino,
}

/// The configured precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionChoice {
    /// The fastest available of those that the embedder's manifest lists as measured.
    Auto,
    /// [`Precision::Fp32`].
    Fp32,
    /// [`Precision::Bf16`], with `OpenVINO` on processors with `avx512_bf16`.
    Bf16,
    /// [`Precision::Int8`], with `OpenVINO` on processors with `avx512_bf16` and `avx512_vnni`.
    Int8,
}

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// ONNX Runtime's own CPU kernels.
    Cpu,
    /// NVIDIA GPUs, through CUDA.
    Cuda,
    /// NVIDIA GPUs, through TensorRT.
    TensorRt,
    /// Intel's OpenVINO, on the CPU. The detector stays on the plain CPU kernels, which are faster for it.
    OpenVino,
}

impl DeviceChoice {
    /// The device that is configured by name; `None` for `auto`.
    pub(crate) fn named(self) -> Option<Device> {
        match self {
            Self::Auto => None,
            Self::Cpu => Some(Device::Cpu),
            Self::Cuda => Some(Device::Cuda),
            Self::TensorRt => Some(Device::TensorRt),
            Self::OpenVino => Some(Device::OpenVino),
        }
    }
}

impl PrecisionChoice {
    /// The name used in the configuration.
    pub fn name(self) -> &'static str {
        self.named().map_or("auto", Precision::name)
    }

    /// The precision that is configured by name; `None` for `auto`.
    pub(crate) fn named(self) -> Option<Precision> {
        match self {
            Self::Auto => None,
            Self::Fp32 => Some(Precision::Fp32),
            Self::Bf16 => Some(Precision::Bf16),
            Self::Int8 => Some(Precision::Int8),
        }
    }
}

impl Device {
    /// The name used in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
            Self::OpenVino => "openvino",
        }
    }
}

/// Limits of a photo's size and cost, checked on its headers before memory for pixels is allocated.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Limit for width times height, in millions of pixels.
    pub max_megapixels: f64,
    /// Limit for each side, in pixels.
    pub max_side: u32,
    /// Limit for the memory that a photo takes while it is decoded, in bytes. A JPEG that would take more is decoded to
    /// fewer pixels, if that is enough.
    pub max_photo_bytes: u64,
    /// Limit for the work of decoding: millions of samples, each counted in every scan of a JPEG that codes it. For a
    /// PNG, millions of bytes before compression.
    pub max_coded_megasamples: f64,
    /// Limit for the memory of all photos that are decoded at the same time, in millions of pixels of three bytes. A
    /// photo beyond it is refused as if the queue were full. When unset, it follows from the memory that the process may
    /// take.
    pub max_megapixels_at_once: Option<f64>,
}

/// The memory of a decoded pixel.
pub(crate) const BYTES_PER_PIXEL: u64 = 3;

impl Limits {
    /// These limits, with `max_megapixels_at_once` computed if it is unset: half of the memory is for photos, and at most what
    /// 320 megapixels take.
    #[must_use]
    pub fn in_force(self, memory_limit: Option<u64>) -> Self {
        const MAX_MEGAPIXELS: f64 = 320.0;
        let half = memory_limit.map(|bytes| (bytes / 2 / BYTES_PER_PIXEL) as f64 / 1e6);
        let derived = half.map_or(MAX_MEGAPIXELS, |half| half.min(MAX_MEGAPIXELS));
        Self { max_megapixels_at_once: Some(self.max_megapixels_at_once.unwrap_or(derived)), ..self }
    }

    /// The memory that all photos may take together.
    pub fn bytes_at_once(&self) -> u64 {
        self.max_megapixels_at_once
            .map_or(u64::MAX, |megapixels| ((megapixels * 1e6) as u64).saturating_mul(BYTES_PER_PIXEL))
    }

    /// The memory that one photo may take.
    pub fn max_bytes(&self) -> u64 {
        self.max_photo_bytes.min(self.bytes_at_once())
    }
}

/// How faces are detected. Sides are in pixels.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DetectionConfig {
    /// The minimum long side of a decoded JPEG, which is reduced by powers of two. A photo with a small face is decoded
    /// again, to as many pixels as the crop can use.
    pub decoded_side: u32,
    /// The long side of the photo in the first detector run (the quick pass), which is enough for a selfie. The run is
    /// skipped if this is not below `side`.
    pub quick_side: u32,
    /// The minimum size of the subject's box in the quick pass, in pixels (the square root of its area), for the quick
    /// pass to be enough. Such a pass also finds every other face of a relevant size.
    pub quick_face: u32,
    /// The long side of the photo in the usual run. A larger side finds smaller faces, and its time grows with the
    /// square.
    pub side: u32,
    /// The long side of the photo, within a black frame of twice that side, in a run for faces that fill the photo.
    pub close_up_side: u32,
    /// The long side of a large photo in a run for small faces, when no other run has found a face.
    pub fine_side: u32,
    /// The minimum score of a face, 0 to 1. A lower value finds more faces, and more false detections.
    pub min_score: f32,
    /// The minimum score, 0 to 1, at which the subject counts as upright. Below it, the other rotations of the photo
    /// are tried too, which requires up to eleven more runs of the network.
    pub sure_score: f32,
    /// Two boxes that overlap more than this (intersection over union) are one face.
    pub max_overlap: f32,
    /// The time, in milliseconds, that optional detector runs on a selfie may take: those after the first runs found no
    /// face, and those in other rotations. A run that has started is finished. Portraits of the registry have no such
    /// limit, since their result is stored.
    pub retry_budget_ms: u64,
}

impl DetectionConfig {
    pub(crate) fn retry_budget(&self) -> Duration {
        Duration::from_millis(self.retry_budget_ms)
    }
}

/// Processors that the container's quota allows.
fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

impl Config {
    /// The most faces of `inference.embedding_batch`. A run on more lengthens the wait of each, and wins little.
    const MAX_BATCH: usize = 64;
    /// The default on a GPU.
    const BATCH_OF_GPU: NonZeroUsize = NonZeroUsize::new(16).unwrap();

    /// Worker threads: as many as configured, else one for each processor that the container's quota allows. A worker
    /// that waits for a shared embedder uses no processor, so there are more of them then: as many as faces can be in work.
    pub fn worker_count(&self) -> usize {
        let waiting = match self.max_faces_of_a_run().get() {
            1 => 0,
            faces => faces * self.shared_embedders(),
        };
        self.workers.map_or_else(|| processors() + waiting, NonZeroUsize::get)
    }

    /// Embedders that the workers share, at most one for each worker.
    pub fn embedder_count(&self) -> usize {
        self.shared_embedders().min(self.worker_count())
    }

    /// One on a GPU. Else one for two processors, since about half of the work on a photo is its embedding.
    fn shared_embedders(&self) -> usize {
        match self.device {
            DeviceChoice::Cuda | DeviceChoice::TensorRt => 1,
            DeviceChoice::Auto | DeviceChoice::Cpu | DeviceChoice::OpenVino => (processors() / 2).max(1),
        }
    }

    /// The most faces that one run of the embedder computes. With more than one, the workers share embedders.
    pub fn max_faces_of_a_run(&self) -> NonZeroUsize {
        let default = match self.device {
            DeviceChoice::Cuda | DeviceChoice::TensorRt => Self::BATCH_OF_GPU,
            // `auto` chooses no GPU.
            DeviceChoice::Auto | DeviceChoice::Cpu | DeviceChoice::OpenVino => NonZeroUsize::MIN,
        };
        self.embedding_batch.unwrap_or(default)
    }

    /// Threads of each session, except that of a [`ParallelEmbedder`](crate::parallel_embedder::ParallelEmbedder).
    pub(crate) fn threads_of_a_session(&self) -> usize {
        self.threads.map_or(1, NonZeroUsize::get)
    }

    /// Whether a service keeps one more embedder for idle processors.
    pub fn embeds_in_parallel(&self) -> bool {
        self.processors_for_parallel().is_some()
    }

    /// The processors that a [`ParallelEmbedder`](crate::parallel_embedder::ParallelEmbedder) may use; `None` if the
    /// number of threads is configured, if there is one processor, on a GPU, or if workers share embedders.
    pub(crate) fn processors_for_parallel(&self) -> Option<usize> {
        // `auto` chooses no GPU.
        let is_gpu = matches!(self.device, DeviceChoice::Cuda | DeviceChoice::TensorRt);
        let adapts = self.threads.is_none() && !is_gpu && self.max_faces_of_a_run() == NonZeroUsize::MIN;
        Some(processors()).filter(|processors| adapts && *processors > 1)
    }

    /// Checks that every setting is in its range.
    ///
    /// # Errors
    ///
    /// [`StartError::Config`], with the key, for a setting that cannot work or would silently disable a rule.
    pub fn validate(&self) -> Result<(), StartError> {
        const MAX_MEGAPIXELS: f64 = 1000.0;
        const MAX_SIDE: u32 = 4096;
        /// Enough for one photo of the usual phones. Larger ones are decoded to fewer pixels.
        const REFERENCE_MEGAPIXELS: f64 = 40.0;
        let (limits, detection, quality) = (&self.limits, &self.detection, &self.quality);
        let at_once = limits.max_megapixels_at_once.unwrap_or(REFERENCE_MEGAPIXELS);
        let numbers = [
            ("limits.max_megapixels", limits.max_megapixels, 0.01..=MAX_MEGAPIXELS),
            ("limits.max_megapixels_at_once", at_once, limits.max_megapixels.min(REFERENCE_MEGAPIXELS)..=1e6),
            ("limits.max_photo_bytes", limits.max_photo_bytes as f64, 1e6..=1e12),
            ("limits.max_coded_megasamples", limits.max_coded_megasamples, 0.01..=1e6),
            ("limits.max_side", limits.max_side.into(), 1.0..=65_535.0),
            ("detection.min_score", detection.min_score.into(), 0.0..=1.0),
            ("detection.sure_score", detection.sure_score.into(), 0.0..=1.0),
            ("detection.max_overlap", detection.max_overlap.into(), 0.0..=1.0),
            ("detection.decoded_side", detection.decoded_side.into(), 32.0..=65_535.0),
            ("detection.quick_side", detection.quick_side.into(), 32.0..=MAX_SIDE.into()),
            ("detection.quick_face", detection.quick_face.into(), 8.0..=MAX_SIDE.into()),
            ("detection.side", detection.side.into(), 32.0..=MAX_SIDE.into()),
            ("detection.close_up_side", detection.close_up_side.into(), 16.0..=f64::from(MAX_SIDE / 2)),
            ("detection.fine_side", detection.fine_side.into(), 32.0..=MAX_SIDE.into()),
            ("subject.max_second_share", self.subject.max_second_share, 0.0..=1.0),
            ("quality.min_eye_distance", quality.min_eye_distance, 0.0..=10_000.0),
            ("quality.max_outside", quality.max_outside, 0.0..=1.0),
            ("quality.min_sharpness", quality.min_sharpness, 0.0..=10.0),
            ("quality.min_lower_detail", quality.min_lower_detail, 0.0..=1.0),
            ("quality.min_brightness", quality.min_brightness, 0.0..=255.0),
            ("quality.max_overexposed", quality.max_overexposed, 0.0..=1.0),
            ("quality.max_yaw", quality.max_yaw, 0.0..=10.0),
            ("quality.min_pitch", quality.min_pitch, -10.0..=10.0),
            ("quality.max_pitch", quality.max_pitch, -10.0..=10.0),
            ("quality.max_roll", quality.max_roll, 0.0..=180.0),
        ];
        if let Some(folder) = &self.model_folder
            && !folder.is_dir()
        {
            let text =
                format!("inference.model_folder: expected a folder, found none at {}", folder.display());
            return Err(StartError::Config(text));
        }
        let batch = self.max_faces_of_a_run();
        if batch.get() > Self::MAX_BATCH {
            return Err(StartError::Config(format!(
                "inference.embedding_batch is {batch}: expected 1 to {}",
                Self::MAX_BATCH
            )));
        }
        let max_threads = 64;
        if let Some(threads) = self.threads
            && threads.get() > max_threads
        {
            return Err(StartError::Config(format!(
                "inference.threads is {threads}: expected 1 to {max_threads}"
            )));
        }
        // NaN is in no range.
        for (key, value, range) in numbers {
            if !range.contains(&value) {
                let (min, max) = (range.start(), range.end());
                return Err(StartError::Config(format!(
                    "inference.{key} is {value}: expected {min} to {max}"
                )));
            }
        }
        Ok(())
    }
}

/// Which face is the subject.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectConfig {
    /// The maximum area of a second face, as a share of the subject's, in an accepted selfie. 1 accepts any other face
    /// that is not larger; 0 accepts none.
    pub max_second_share: f64,
}

/// Which faces are good enough for comparison. [`Quality`](crate::quality::Quality) defines the measures.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QualityConfig {
    /// Minimum distance between the eyes, in pixels of the photo. A lower value accepts faces with too little detail to
    /// distinguish people.
    pub min_eye_distance: f64,
    /// Maximum share of the face that lies beyond the photo's edge, 0 to 1. A higher value accepts faces of which a
    /// part is missing.
    pub max_outside: f64,
    /// Minimum sharpness. A lower value accepts blur, which lowers similarities.
    pub min_sharpness: f64,
    /// Minimum share of the face's detail in its lower half, 0 to 1. A lower value accepts faces behind a mask.
    pub min_lower_detail: f64,
    /// Minimum mean luma of the face, 0 to 255. A lower value accepts faces that are mostly camera noise.
    pub min_brightness: f64,
    /// Maximum share of white pixels in the face, 0 to 1.
    pub max_overexposed: f64,
    /// Maximum turn of the face to a side.
    pub max_yaw: f64,
    /// Minimum position of the nose between eyes (0) and mouth (1). A raised head has a lower value.
    pub min_pitch: f64,
    /// Maximum position of the nose between eyes (0) and mouth (1). A lowered head has a higher value.
    pub max_pitch: f64,
    /// Maximum roll of the head, in degrees.
    pub max_roll: f64,
}
