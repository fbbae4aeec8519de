use std::path::PathBuf;

use crate::digest::FileDigest;

/// A fault of a model, its manifest, its file or its calibration.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A manifest cannot be read, or contradicts itself.
    #[error("{location}: {reason}")]
    Manifest {
        /// The file, or `built in`.
        location: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no model set with this name.
    #[error("there is no model set {name:?}; known are: {}", known.join(", "))]
    UnknownSet {
        /// The requested name.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// A model's file is in none of the folders.
    #[error(
        "model {model} is not installed: no {file} in {}; run `padan models install {set}` (or `make deps`)",
        list(folders)
    )]
    Missing {
        /// The manifest's name.
        model: String,
        /// The expected file.
        file: String,
        /// The model set that needs it.
        set: String,
        /// The folders that were searched.
        folders: Vec<PathBuf>,
    },
    /// A file has a model's file name, but other content.
    #[error(
        "{} has SHA-256 {found}, which is not in the manifest of {model}; \
         run `padan models install {set}` to replace it",
        path.display()
    )]
    WrongDigest {
        /// The manifest's name.
        model: String,
        /// The file.
        path: PathBuf,
        /// The digest of its content.
        found: FileDigest,
        /// The model set that needs it.
        set: String,
    },
    /// The file is not an ONNX graph, or a preparation step cannot be applied to it.
    #[error("the model cannot be prepared: {0}")]
    Graph(String),
    /// A calibration file cannot be read, or belongs to another model.
    #[error("{location}: {reason}")]
    Calibration {
        /// The file, or `built in`.
        location: String,
        /// What is wrong.
        reason: String,
    },
    /// A folder or file cannot be read.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// The folder or file.
        path: PathBuf,
        /// The error of the operating system.
        reason: std::io::Error,
    },
}

fn list(folders: &[PathBuf]) -> String {
    let shown: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    if shown.is_empty() { "any folder (none is set)".to_owned() } else { shown.join(", ") }
}
