//! Files in folders and lists of photos that are left out.

use std::collections::BTreeMap;

use serde::Serialize;

/// A file in a folder of photos that is not read, or a copy of another photo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedFile {
    /// Its path.
    pub path: String,
    /// Why it is not read.
    pub reason: SkipReason,
}

/// Why a file is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// It is hidden, or an operating system wrote it beside the photos.
    SystemFile,
    /// It is neither a PNG nor a JPEG, by name and by content.
    NoPhoto,
    /// It is not in a person's folder.
    OutsidePersonsFolder,
    /// It is neither among the bona fide photos nor in the folder of a kind of attack.
    OutsideKind,
    /// It is in a folder within a person's folder.
    DeeperFolder,
    /// A person's folder without photos.
    EmptyFolder,
    /// A link to a folder that is read under another name.
    LinkedFolder,
    /// It cannot be opened or read, such as a link to a file that does not exist.
    Unreadable,
    /// It has the same bytes as another photo of the same person. Unlike the others, such a file may be listed.
    Copy,
}

impl SkipReason {
    /// The reason as part of a sentence.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SystemFile => "hidden or written by an operating system",
            Self::NoPhoto => "neither PNG nor JPEG",
            Self::OutsidePersonsFolder => "not in a person's folder",
            Self::OutsideKind => "neither bona fide nor in the folder of a kind of attack",
            Self::DeeperFolder => "in a folder within a person's folder",
            Self::EmptyFolder => "a folder without photos",
            Self::LinkedFolder => "a link to a folder that is read under another name",
            Self::Unreadable => "unreadable",
            Self::Copy => "a copy of another photo of the same person",
        }
    }
}

impl SkippedFile {
    /// The number of files, and of those with each reason.
    pub fn summary(files: &[Self]) -> String {
        let mut counts: BTreeMap<SkipReason, usize> = BTreeMap::new();
        for file in files {
            *counts.entry(file.reason).or_default() += 1;
        }
        let reasons = counts.iter().map(|(reason, count)| format!("{count} {}", reason.as_str()));
        let all = std::iter::once(format!("{} files", files.len())).chain(reasons);
        all.collect::<Vec<_>>().join(", ")
    }
}
