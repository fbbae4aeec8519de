use std::path::PathBuf;

use padan_domain::ReasonCode;

use crate::model_error::ModelError;

/// Why a photo gave no embedding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaceError {
    /// The photo itself is the reason; another one may do.
    #[error("{0}")]
    Rejected(PhotoFault),
    /// Too many photos wait already, or are decoded; this one was not taken.
    #[error("the inference queue, or its budget of pixels, is full")]
    QueueFull,
    /// Its time had run out before a worker came to it.
    #[error("the photo waited longer than its deadline")]
    Expired,
    /// Something is wrong with the engine, not with the photo.
    #[error("inference failed: {0}")]
    Broken(String),
}

/// What is wrong with a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PhotoFault {
    /// It cannot be decoded, or ends too early.
    #[error("the photo cannot be decoded")]
    Unreadable,
    /// It has more pixels than are allowed.
    #[error("the photo has too many pixels")]
    TooLarge,
    /// No face was found.
    #[error("no face was found")]
    NoFace,
    /// A second face is nearly as large as the first.
    #[error("more than one face could be meant")]
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
    /// The word by which the API tells it.
    pub fn reason(self) -> ReasonCode {
        match self {
            Self::Unreadable => ReasonCode::ImageUnreadable,
            Self::TooLarge => ReasonCode::ImageTooLarge,
            Self::NoFace => ReasonCode::NoFace,
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
    /// A setting cannot work; the text names the key.
    #[error("{0}")]
    Config(String),
    /// No ONNX Runtime library was found.
    #[error("no ONNX Runtime library found in {}; run `make deps`, or set inference.runtime_library", list(.0))]
    RuntimeMissing(Vec<PathBuf>),
    /// The library was found and does not load.
    #[error("ONNX Runtime library {} does not load: {reason}", library.display())]
    RuntimeUnusable {
        /// The library.
        library: PathBuf,
        /// What the loader said.
        reason: String,
    },
    /// The device asked for is not there, or lacks something.
    #[error("inference.device = {device:?} cannot be used: {reason}. {hint}")]
    Device {
        /// As configured.
        device: &'static str,
        /// What the runtime said.
        reason: String,
        /// What that device needs.
        hint: &'static str,
    },
    /// The precision asked for cannot be had.
    #[error("inference.precision = {precision:?} cannot be used on {device}: {reason}")]
    Precision {
        /// As configured.
        precision: &'static str,
        /// Where the embedder was to run.
        device: &'static str,
        /// What is missing.
        reason: String,
    },
    /// A manifest, a model file or a calibration is missing or wrong.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The runtime refuses the model, or the model does not do what its manifest says.
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
