use std::path::PathBuf;

use crate::digest::FileDigest;

/// What is wrong with a model, its manifest, its file or its calibration.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A manifest cannot be read, or contradicts itself.
    #[error("{place}: {reason}")]
    Manifest {
        /// The file, or `built in`.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no model set of that name.
    #[error("there is no model set {name:?}; there are: {}", known.join(", "))]
    UnknownSet {
        /// As asked for.
        name: String,
        /// What there is.
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
        /// The file looked for.
        file: String,
        /// The set that it was wanted for.
        set: String,
        /// Where it was looked for.
        folders: Vec<PathBuf>,
    },
    /// A file bears a model's name and is another one.
    #[error(
        "{} has SHA-256 {found}, which the manifest of {model} does not name; \
         run `padan models install {set}` to replace it",
        path.display()
    )]
    WrongDigest {
        /// The manifest's name.
        model: String,
        /// The file.
        path: PathBuf,
        /// What was found.
        found: FileDigest,
        /// The set that it was wanted for.
        set: String,
    },
    /// The file is no ONNX graph, or not one that its preparation fits.
    #[error("the model cannot be prepared: {0}")]
    Graph(String),
    /// A calibration file cannot be read, or belongs to another model.
    #[error("{place}: {reason}")]
    Calibration {
        /// The file, or `built in`.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// A folder or file cannot be read.
    #[error("{}: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
}

fn list(folders: &[PathBuf]) -> String {
    let shown: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
    if shown.is_empty() { "any folder (none is set)".to_owned() } else { shown.join(", ") }
}
