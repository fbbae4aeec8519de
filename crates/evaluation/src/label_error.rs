use std::{io, path::PathBuf};

use crate::skipped::SkippedFile;

/// Why labels cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// A list or folder cannot be read.
    #[error("{} cannot be read: {source}", location.display())]
    Unreadable {
        /// The list or folder.
        location: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A list lacks a column, or has an invalid value.
    #[error("{}: {reason}", location.display())]
    Malformed {
        /// The list.
        location: PathBuf,
        /// What is wrong, with its line.
        reason: String,
    },
    /// There are fewer than two photos to compare.
    #[error(
        "{} has fewer than two photos to compare; expected {expected}{}",
        location.display(),
        if skipped.is_empty() { String::new() } else { format!("; skipped: {}", SkippedFile::summary(skipped)) }
    )]
    NothingToCompare {
        /// The list or folder.
        location: PathBuf,
        /// The expected content.
        expected: &'static str,
        /// The files that were found, but not read.
        skipped: Vec<SkippedFile>,
    },
}
