//! Computes a face embedding from a photo: decoding, face detection, choice of the subject, alignment, quality,
//! embedding.
//!
//! Start at [`Engine::start`], then [`Engine::probe`] for a selfie, [`Engine::reference`] for a registry's
//! portrait, and [`Engine::judge_liveness`]. A [`Manifest`] describes a model, a [`Catalogue`] finds its file, and [`prepare()`] rewrites a published
//! file into one that runs faster.
//!
//! **Architecture Invariant:** this is the only crate that names `ort`, and it does so in one file, `runtime.rs`.
//!
//! **Architecture Invariant:** this crate uses no database and no HTTP, and it does not know whose photo it processes.
//! The [`Caller`] of a photo is a number without a meaning here.
//!
//! **Architecture Invariant:** pixels are processed on the engine's own worker threads and on those of their sessions only, never
//! on the caller's.
//!
//! **Architecture Invariant:** an embedding depends on the photo and the model contract alone, not on the worker, on
//! other photos or on time. A session on two threads that would change a bit of it is
//! left out. A shared embedder may round differently with the number of faces in a run; it is refused at the start if it gives
//! a face another embedding beside others.

mod align;
mod analysis;
mod calibration_file;
mod calibration_rate;
mod calibration_transformation;
mod caller;
mod catalogue;
mod completeness;
mod config;
mod current_folder;
mod decode;
mod demand;
mod detector;
mod digest;
mod embedder;
mod embedder_builder;
mod embedding_thread;
mod engine;
mod error;
mod face_crop;
mod face_embedder;
mod faces;
mod fair_queue;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod geometry;
mod job;
mod liveness;
mod liveness_set;
mod located_model;
mod manifest;
mod manifest_file;
mod memory_budget;
mod memory_limit;
mod model_error;
mod model_set;
mod normalisation;
mod occupancy;
mod onnx;
mod orientation;
mod parallel_embedder;
mod photo_reader;
mod pipeline;
mod pipelines;
mod placement;
mod preparation_step;
mod prepare;
mod quality;
mod raster;
mod retry_budget;
mod runtime;
mod runtime_library;
mod stack_position;
mod subject;
mod tensor;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;
mod thread_time;
mod wipe;
mod worker;
mod workers;

pub use align::AlignedFace;
pub use analysis::{Analysis, Face, Timings};
pub use calibration_file::{
    CalibrationFile, CalibrationGroup, CalibrationMark, CalibrationPeople, CalibrationPoint,
    CalibrationSource, GroupRate, PassMark,
};
pub use calibration_rate::Rate;
pub use calibration_transformation::{
    BeforeAndAfter, CalibrationCentre, CalibrationCohort, CalibrationTransformation, GroupCheck,
    InvalidTransformation, TransformationCheck,
};
pub use caller::Caller;
pub use catalogue::{Catalogue, ModelFile};
pub use config::{
    Config, DetectionConfig, Device, DeviceChoice, Limits, PrecisionChoice, QualityConfig, SubjectConfig,
};
pub use current_folder::CurrentFolder;
pub use decode::{DECODER_VERSION, Picture};
pub use digest::{FileDigest, InvalidDigest};
pub use engine::{Engine, Identity, UncalibratedModels, load, load_uncalibrated, model_folders};
pub use error::{FaceError, PhotoFault, StartError};
pub use face_crop::FaceCrop;
pub use faces::Faces;
pub use geometry::{Point, Rectangle};
pub use job::{JobEnded, JobEvent, JobObserver, JobStarted};
pub use liveness::{Liveness, SpoofRisk};
pub use liveness_set::LivenessSet;
pub use manifest::{
    ColourOrder, DetectionSpec, DetectorFamily, Ecosystem, EightBitLayer, EmbedderFamily, EmbeddingSpec,
    Export, Graph, InputSize, InputSpec, LandmarkWindow, Level, LivenessFamily, LivenessSetSpec,
    LivenessSpec, Manifest, OpenVino, Package, Precision, Source, Task,
};
pub use memory_limit::memory_limit;
pub use model_error::ModelError;
pub use model_set::ModelSet;
pub use photo_reader::PhotoReader;
pub use pipeline::Pipeline;
pub use placement::Placement;
pub use preparation_step::PreparationStep;
pub use prepare::prepare;
pub use quality::Quality;
pub use retry_budget::RetryBudget;
pub use runtime::end_inference;
pub use runtime_library::find as find_runtime_library;
pub use subject::Subject;
pub use workers::{WorkerFigures, WorkersEnded};
