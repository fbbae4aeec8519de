use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{error::StartError, manifest::Precision};

/// The `[inference]` section. Defaults and the reasons for them stand in `config/default.toml`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The model set, by name. An unknown name, or one whose files are missing, stops the start.
    pub model_set: String,
    /// Where the models run. A device that is named and not there stops the start; nothing falls back.
    pub device: DeviceChoice,
    /// The numbers that the embedder computes with. A precision that is named and cannot be had stops the start.
    pub precision: PrecisionChoice,
    /// The ONNX Runtime library. Without it: `$ORT_DYLIB_PATH`, `./.deps/onnxruntime`, the folder of the binary,
    /// the system's libraries.
    pub runtime_library: Option<PathBuf>,
    /// A folder with model files, searched before `$PADAN_MODELS` and `./.deps/models`.
    pub model_folder: Option<PathBuf>,
    /// Worker threads, each with its own sessions. Without it: one for each processor that the container's quota
    /// allows. More than that only adds memory.
    pub workers: Option<NonZeroUsize>,
    /// Threads that each session computes with. More answer sooner while processors are idle, and slower once all workers
    /// are busy.
    pub threads: NonZeroUsize,
    /// Photos that may wait for a worker. Too short refuses bursts, too long lets answers come late.
    pub queue_length: NonZeroUsize,
    /// What a photo may be before it is decoded.
    pub limits: Limits,
    /// How faces are looked for.
    pub detection: DetectionConfig,
    /// Which face is meant.
    pub subject: SubjectConfig,
    /// Which faces are good enough to compare.
    pub quality: QualityConfig,
}

/// Where the models are to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// The fastest that the processor has, of those that the embedder's manifest names as measured: `OpenVINO`, or the plain
    /// CPU kernels. Never a GPU.
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

/// The numbers that the embedder is to compute with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionChoice {
    /// The fastest that the processor has, of those that the embedder's manifest names as measured.
    Auto,
    /// [`Precision::Fp32`].
    Fp32,
    /// [`Precision::Bf16`], with `OpenVINO` on processors with `avx512_bf16`.
    Bf16,
}

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// ONNX Runtime's own CPU kernels.
    Cpu,
    /// NVIDIA, through CUDA.
    Cuda,
    /// NVIDIA, through TensorRT.
    TensorRt,
    /// Intel's OpenVINO, on the CPU. The detector stays on the plain CPU kernels, which are faster for it.
    OpenVino,
}

impl DeviceChoice {
    /// `None` when it is left to the program.
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
    /// `None` when it is left to the program.
    pub(crate) fn named(self) -> Option<Precision> {
        match self {
            Self::Auto => None,
            Self::Fp32 => Some(Precision::Fp32),
            Self::Bf16 => Some(Precision::Bf16),
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

/// What a photo may be. Checked on the header, before memory for pixels is taken.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Width times height, in millions.
    pub max_megapixels: f64,
    /// Pixels a side.
    pub max_side: u32,
    /// Width times height of all photos that the workers have decoded at a time, in millions. A photo beyond it is
    /// refused as when the queue is full. Less than `max_megapixels` would refuse the largest photos for ever.
    pub max_megapixels_at_once: f64,
}

/// How faces are looked for. Sides are in pixels.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DetectionConfig {
    /// The long side that a JPEG is decoded to at least, by powers of two. A face that is small there is decoded again, to
    /// as many pixels as its crop can use.
    pub decoded_side: u32,
    /// The long side to which a photo is scaled for the first look, which is enough for a selfie. From `side` on there is no
    /// such look.
    pub quick_side: u32,
    /// The size of the subject's box in that look, in pixels, from which on it is enough: the root of its area. Others that
    /// would matter beside a face so large are seen there too.
    pub quick_face: u32,
    /// The long side to which a photo is scaled for the next look. Larger finds smaller faces and costs time with its square.
    pub side: u32,
    /// The long side, within a frame of twice that, for a face too close for the first look.
    pub close_up_side: u32,
    /// The long side for a look at small faces in a large photo, when nothing else found one.
    pub fine_side: u32,
    /// The score from which on something is a face, 0 to 1. Lower finds more, some of which are no faces.
    pub min_score: f32,
    /// The score from which on a face looked at closely is surely upright, 0 to 1. Below it the photo is looked at in
    /// each other turn as well, which takes up to nine more runs of the network.
    pub sure_score: f32,
    /// The overlap (intersection over union) from which on two boxes are one face.
    pub max_overlap: f32,
    /// The time, in milliseconds, that further looks at a selfie may take: those after a first one that found nobody,
    /// and those in other turns. The one that is under way when it ends is finished. Portraits of the registry have
    /// all the time they need, since what comes of them is kept.
    pub retry_budget_ms: u64,
}

impl DetectionConfig {
    pub(crate) fn retry_budget(&self) -> Duration {
        Duration::from_millis(self.retry_budget_ms)
    }
}

impl Config {
    /// Refuses settings that cannot work, or would switch a rule off without saying so.
    pub fn validate(&self) -> Result<(), StartError> {
        const MOST_MEGAPIXELS: f64 = 1000.0;
        const LARGEST_SIDE: u32 = 4096;
        let (limits, detection, quality) = (&self.limits, &self.detection, &self.quality);
        let numbers = [
            ("limits.max_megapixels", limits.max_megapixels, 0.01..=MOST_MEGAPIXELS),
            ("limits.max_megapixels_at_once", limits.max_megapixels_at_once, limits.max_megapixels..=1e6),
            ("limits.max_side", limits.max_side.into(), 1.0..=65_535.0),
            ("detection.min_score", detection.min_score.into(), 0.0..=1.0),
            ("detection.sure_score", detection.sure_score.into(), 0.0..=1.0),
            ("detection.max_overlap", detection.max_overlap.into(), 0.0..=1.0),
            ("detection.decoded_side", detection.decoded_side.into(), 32.0..=65_535.0),
            ("detection.quick_side", detection.quick_side.into(), 32.0..=LARGEST_SIDE.into()),
            ("detection.quick_face", detection.quick_face.into(), 8.0..=LARGEST_SIDE.into()),
            ("detection.side", detection.side.into(), 32.0..=LARGEST_SIDE.into()),
            ("detection.close_up_side", detection.close_up_side.into(), 16.0..=f64::from(LARGEST_SIDE / 2)),
            ("detection.fine_side", detection.fine_side.into(), 32.0..=LARGEST_SIDE.into()),
            ("subject.max_second_share", self.subject.max_second_share, 0.0..=1.0),
            ("quality.min_eye_distance", quality.min_eye_distance, 0.0..=10_000.0),
            ("quality.min_sharpness", quality.min_sharpness, 0.0..=10.0),
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
            let text = format!("inference.model_folder: {} is no folder", folder.display());
            return Err(StartError::Config(text));
        }
        let most_threads = 64;
        if self.threads.get() > most_threads {
            return Err(StartError::Config(format!(
                "inference.threads is {}: it must lie in 1 to {most_threads}",
                self.threads
            )));
        }
        // What is not a number lies in no range.
        for (key, value, range) in numbers {
            if !range.contains(&value) {
                let (least, most) = (range.start(), range.end());
                return Err(StartError::Config(format!(
                    "inference.{key} is {value}: it must lie in {least} to {most}"
                )));
            }
        }
        Ok(())
    }
}

/// Which face is meant.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectConfig {
    /// The share of the subject's area from which on a second face makes a selfie ambiguous. 1 accepts any company
    /// that is not larger, 0 none.
    pub max_second_share: f64,
}

/// Which faces are good enough to compare. What each figure means is said at [`Quality`](crate::quality::Quality).
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QualityConfig {
    /// Photo pixels between the eyes. Lower accepts faces that carry too little to tell people apart.
    pub min_eye_distance: f64,
    /// Detail of the face. Lower accepts blur, in which similarities fall.
    pub min_sharpness: f64,
    /// Mean luma of the face, 0 to 255. Lower accepts faces of which a camera's noise is the larger part.
    pub min_brightness: f64,
    /// Share of the face's pixels that may be white, 0 to 1.
    pub max_overexposed: f64,
    /// How far the face may be turned to a side.
    pub max_yaw: f64,
    /// How far up the nose may lie between eyes and mouth: a raised head.
    pub min_pitch: f64,
    /// How far down the nose may lie between eyes and mouth: a lowered head.
    pub max_pitch: f64,
    /// Degrees by which the head may lean.
    pub max_roll: f64,
}
