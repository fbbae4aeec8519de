use std::path::PathBuf;

use padan_domain::ReasonCode;

use crate::model_error::ModelError;

/// Why a photo gave no embedding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaceError {
    /// The fault is in the photo; another photo may be accepted.
    #[error("{0}")]
    Rejected(PhotoFault),
    /// The queue or the memory budget is full.
    #[error("the inference queue or its memory budget is full")]
    QueueFull,
    /// The deadline passed before the photo was analysed.
    #[error("the deadline passed before the photo was analysed")]
    Expired,
    /// The fault is in the engine, not in the photo.
    #[error("inference failed: {0}")]
    Broken(String),
}

/// A fault of a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PhotoFault {
    /// It cannot be decoded, or is incomplete.
    #[error("the photo cannot be decoded")]
    Unreadable,
    /// It has too many pixels.
    #[error("the photo has too many pixels")]
    TooLarge,
    /// No face was found.
    #[error("no face was found")]
    NoFace,
    /// A part of the face is covered, or lies beyond the photo's edge.
    #[error("the face is covered or cut off")]
    Covered,
    /// A second face is nearly as large as the first.
    #[error("the photo shows a second face nearly as large as the first")]
    SeveralFaces,
    /// The face has too few pixels.
    #[error("the face is too small")]
    TooSmall,
    /// The face is not sharp.
    #[error("the face is too blurred")]
    Blurred,
    /// The face is underexposed.
    #[error("the face is too dark")]
    TooDark,
    /// The face is overexposed.
    #[error("the face is too bright")]
    TooBright,
    /// The face is not frontal.
    #[error("the face is turned too far")]
    Turned,
}

impl PhotoFault {
    /// The API's reason code for this fault.
    pub fn reason(self) -> ReasonCode {
        match self {
            Self::Unreadable => ReasonCode::ImageUnreadable,
            Self::TooLarge => ReasonCode::ImageTooLarge,
            Self::NoFace => ReasonCode::NoFace,
            Self::Covered => ReasonCode::FaceCovered,
            Self::SeveralFaces => ReasonCode::SeveralFaces,
            Self::TooSmall => ReasonCode::FaceTooSmall,
            Self::Blurred => ReasonCode::FaceBlurred,
            Self::TooDark => ReasonCode::FaceTooDark,
            Self::TooBright => ReasonCode::FaceTooBright,
            Self::Turned => ReasonCode::FaceTurned,
        }
    }
}

impl From<PhotoFault> for FaceError {
    fn from(fault: PhotoFault) -> Self {
        Self::Rejected(fault)
    }
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is invalid; the text names its key.
    #[error("{0}")]
    Config(String),
    /// No ONNX Runtime library was found.
    #[error("no ONNX Runtime library found in {}; run `make deps`, or set inference.runtime_library", list(.0))]
    RuntimeMissing(Vec<PathBuf>),
    /// The library was found, but cannot be loaded.
    #[error("cannot load the ONNX Runtime library {}: {reason}", library.display())]
    RuntimeUnusable {
        /// The library.
        library: PathBuf,
        /// The loader's message.
        reason: String,
    },
    /// The configured device, or something that it requires, is missing.
    #[error("inference.device = {device:?} cannot be used: {reason}. {requirements}")]
    Device {
        /// The configured device.
        device: &'static str,
        /// The runtime's message.
        reason: String,
        /// What the device requires, as a sentence.
        requirements: &'static str,
    },
    /// The configured precision is not available.
    #[error("inference.precision = {precision:?} cannot be used on {device}: {reason}")]
    Precision {
        /// The configured precision.
        precision: &'static str,
        /// The device for the embedder.
        device: &'static str,
        /// What is missing.
        reason: String,
    },
    /// A manifest, a model file or a calibration is missing or wrong.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The runtime rejects the model, or the model does not match its manifest.
    #[error("model {model}: {reason}")]
    Session {
        /// The manifest's name.
        model: String,
        /// What is wrong.
        reason: String,
    },
    /// A worker thread could not be started.
    #[error("a worker thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
