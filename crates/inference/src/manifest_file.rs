//! The file format of manifests, and the checks that turn a file into a [`Manifest`].

use std::collections::HashSet;

use serde::Deserialize;

use crate::{
    digest::FileDigest,
    manifest::{
        ColourOrder, DetectionSpec, DetectorFamily, EightBitLayer, EmbedderFamily, EmbeddingSpec, Export,
        InputSize, InputSpec, LandmarkWindow, Level, LivenessFamily, LivenessSpec, Manifest, OpenVino,
        Package, Precision, Source, Task,
    },
    model_error::ModelError,
    preparation_step::PreparationStep,
};

/// The side of an aligned crop, in pixels.
const CROP_SIDE: u32 = 112;
/// The side of the crop for a network of family minifasnet, in pixels.
const MINIFASNET_SIDE: u32 = 80;

impl Manifest {
    /// Parses a manifest. `location` names the file in errors.
    ///
    /// # Errors
    ///
    /// [`ModelError::Manifest`] when the text is not a manifest, or contradicts itself.
    ///
    /// ```
    /// # use padan_inference::Manifest;
    /// let error = Manifest::parse("a.toml", "name = 'A b'").unwrap_err();
    /// assert!(error.to_string().starts_with("a.toml: "));
    /// ```
    pub fn parse(location: &str, text: &str) -> Result<Self, ModelError> {
        parse(text).map_err(|reason| ModelError::Manifest { location: location.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<Manifest, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    if file.version != 1 {
        return Err(format!("manifest version {} is not supported; expected 1", file.version));
    }
    check_name(&file.name)?;
    let task = match (file.task, file.detection, file.embedding, file.liveness) {
        (TaskName::Detector, Some(detection), None, None) => Task::Detector(detection.check()?),
        (TaskName::Embedder, None, Some(embedding), None) => Task::Embedder(check_embedding(embedding)?),
        (TaskName::Liveness, None, None, Some(liveness)) => Task::Liveness(check_liveness(liveness)?),
        (TaskName::Detector, ..) => {
            return Err("expected a [detection] table and no table of another task for a detector".to_owned());
        }
        (TaskName::Embedder, ..) => {
            return Err(
                "expected an [embedding] table and no table of another task for an embedder".to_owned()
            );
        }
        (TaskName::Liveness, ..) => {
            return Err("expected a [liveness] table and no table of another task for liveness".to_owned());
        }
    };
    let input = file.input.check(&task)?;
    if file.exports.is_empty() {
        return Err("expected at least one [[export]], found none".to_owned());
    }
    Ok(Manifest {
        name: file.name,
        title: file.title,
        licence: file.licence,
        licence_note: file.licence_note,
        origin: file.origin,
        exports: file.exports.into_iter().map(RawExport::check).collect::<Result<_, _>>()?,
        input,
        task,
        openvino: file.openvino.map(check_openvino).transpose()?,
    })
}

/// Names become file names and command line arguments, so few characters are allowed.
fn check_name(name: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > 40 || name.starts_with('-') || !name.bytes().all(plain) {
        return Err(format!("name {name:?}: use up to 40 lower-case letters, digits and hyphens"));
    }
    Ok(())
}

fn check_embedding(embedding: EmbeddingSpec) -> Result<EmbeddingSpec, String> {
    check_name(&embedding.detector)?;
    check_value_name("output", &embedding.output)?;
    if !(16..=4096).contains(&embedding.length) {
        return Err(format!("length is {}: expected 16 to 4096", embedding.length));
    }
    let LandmarkWindow { face, agreement, overlap, .. } = embedding.landmarks;
    let (width, window) = embedding.landmarks.size();
    if ![width, window].iter().all(|side| (32..=4096).contains(side)) || !(16..=window).contains(&face) {
        return Err(
            "landmarks: expected a window of 32 to 4096 pixels and a face of 16 up to the window".to_owned()
        );
    }
    if !(0.0..=1.0).contains(&agreement) {
        return Err(format!("landmarks: agreement is {agreement}: expected 0 to 1 eye distances"));
    }
    if !(0.3..=1.0).contains(&overlap) {
        return Err(format!("landmarks: overlap is {overlap}: expected 0.3 to 1"));
    }
    if !is_plain_file(&embedding.calibration) || !embedding.calibration.ends_with(".calibration.toml") {
        return Err(format!(
            "calibration is {:?}: expected the name of a .calibration.toml file without a folder",
            embedding.calibration
        ));
    }
    Ok(embedding)
}

fn check_openvino(openvino: OpenVino) -> Result<OpenVino, String> {
    if openvino.precisions.contains(&Precision::Int8) && openvino.int8.is_empty() {
        return Err("[openvino]: precision int8 needs a list int8 of layers".to_owned());
    }
    let mut names = HashSet::new();
    for EightBitLayer { layer, from, to } in &openvino.int8 {
        if !names.insert(layer) {
            return Err(format!("[openvino]: layer {layer:?} is listed twice"));
        }
        let is_range = from.is_finite() && to.is_finite() && *from <= 0.0 && *to > 0.0;
        if !is_range {
            return Err(format!("[openvino]: layer {layer:?}: expected a range with from <= 0 < to"));
        }
    }
    Ok(openvino)
}

fn check_liveness(liveness: LivenessSpec) -> Result<LivenessSpec, String> {
    check_value_name("output", &liveness.output)?;
    if !(1.0..=10.0).contains(&liveness.scale) {
        return Err(format!("scale is {}: expected 1 to 10", liveness.scale));
    }
    if let Some(set) = &liveness.set {
        set.with.iter().try_for_each(|name| check_name(name))?;
        let ordered = 0.0 < set.moderate_from && set.moderate_from < set.high_from && set.high_from < 1.0;
        if !ordered {
            return Err("[liveness.set]: expected 0 < moderate_from < high_from < 1".to_owned());
        }
    }
    Ok(liveness)
}

fn is_plain_file(name: &str) -> bool {
    let is_special = |c: char| c.is_control() || matches!(c, '/' | '\\');
    !name.is_empty() && !name.starts_with('.') && !name.contains(is_special)
}

/// Checks the name of an input or output of a network. The model contract lists such names, separated by blanks and line
/// ends.
fn check_value_name(key: &str, name: &str) -> Result<(), String> {
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(format!("{key} is {name:?}: expected a name without blanks"));
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    name: String,
    title: String,
    task: TaskName,
    licence: String,
    licence_note: String,
    origin: String,
    input: RawInput,
    detection: Option<RawDetection>,
    embedding: Option<EmbeddingSpec>,
    liveness: Option<LivenessSpec>,
    openvino: Option<OpenVino>,
    #[serde(rename = "export")]
    exports: Vec<RawExport>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum TaskName {
    Detector,
    Embedder,
    Liveness,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInput {
    name: String,
    width: Option<u32>,
    height: Option<u32>,
    multiple_of: Option<u32>,
    colour: ColourOrder,
    mean: [f32; 3],
    std: [f32; 3],
}

impl RawInput {
    fn check(self, task: &Task) -> Result<InputSpec, String> {
        let size = match (self.width, self.height, self.multiple_of) {
            (Some(width), Some(height), None) => InputSize::Fixed { width, height },
            (None, None, Some(multiple)) => InputSize::MultipleOf(multiple),
            _ => return Err("[input]: expected either width and height or multiple_of".to_owned()),
        };
        match (task, size) {
            (Task::Embedder(EmbeddingSpec { family: EmbedderFamily::ArcFace112, .. }), size)
                if size != (InputSize::Fixed { width: CROP_SIDE, height: CROP_SIDE }) =>
            {
                return Err("expected an input of 112 x 112 for an embedder of family arcface-112".to_owned());
            }
            (Task::Detector(detection), size) => {
                let coarsest = detection.levels.iter().map(|level| level.stride).max().unwrap_or(1);
                let (a, b) = match size {
                    InputSize::Fixed { width, height } => (width, height),
                    InputSize::MultipleOf(multiple) => (multiple, multiple),
                };
                if [a, b].iter().any(|side| *side == 0 || *side > 8192 || side % coarsest != 0) {
                    return Err(format!(
                        "the input's sides: expected multiples of {coarsest}, the largest stride"
                    ));
                }
            }
            (Task::Liveness(LivenessSpec { family: LivenessFamily::MiniFasNet, .. }), size)
                if size != (InputSize::Fixed { width: MINIFASNET_SIDE, height: MINIFASNET_SIDE }) =>
            {
                return Err("expected an input of 80 x 80 for liveness of family minifasnet".to_owned());
            }
            (Task::Embedder(_) | Task::Liveness(_), _) => {}
        }
        check_value_name("name", &self.name)?;
        if self.mean.iter().any(|mean| !mean.is_finite()) {
            return Err("mean: expected three finite numbers".to_owned());
        }
        if self.std.iter().any(|std| !std.is_finite() || *std <= 0.0) {
            return Err("std: expected three numbers above zero".to_owned());
        }
        Ok(InputSpec { name: self.name, size, colour: self.colour, mean: self.mean, std: self.std })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDetection {
    family: DetectorFamily,
    #[serde(default = "one")]
    anchors_per_cell: u32,
    window_stride: Option<u32>,
    #[serde(rename = "level")]
    levels: Vec<Level>,
}

fn one() -> u32 {
    1
}

impl RawDetection {
    fn check(self) -> Result<DetectionSpec, String> {
        if self.levels.is_empty() {
            return Err("expected at least one [[detection.level]], found none".to_owned());
        }
        if !(1..=8).contains(&self.anchors_per_cell) {
            return Err("anchors_per_cell: expected 1 to 8".to_owned());
        }
        if !self.levels.windows(2).all(|pair| pair[0].stride < pair[1].stride) || self.levels[0].stride == 0 {
            return Err("[[detection.level]]: expected strides in increasing order".to_owned());
        }
        if self.window_stride.is_some_and(|stride| self.levels.iter().all(|level| level.stride != stride)) {
            return Err("window_stride: expected the stride of a [[detection.level]]".to_owned());
        }
        for level in &self.levels {
            check_value_name("scores", &level.scores)?;
            check_value_name("boxes", &level.boxes)?;
            check_value_name("landmarks", &level.landmarks)?;
            level.objectness.as_ref().map_or(Ok(()), |name| check_value_name("objectness", name))?;
        }
        let with_objectness = self.levels.iter().filter(|level| level.objectness.is_some()).count();
        let expected = match self.family {
            DetectorFamily::YuNet => self.levels.len(),
            DetectorFamily::Scrfd => 0,
        };
        if with_objectness != expected {
            return Err(
                "objectness: expected at each level of a yunet detector, and at none of another family"
                    .to_owned(),
            );
        }
        Ok(DetectionSpec {
            family: self.family,
            anchors_per_cell: self.anchors_per_cell,
            window_stride: self.window_stride,
            levels: self.levels,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExport {
    file: String,
    sha256: FileDigest,
    #[serde(default)]
    prepare: Vec<PreparationStep>,
    prepared_sha256: Option<FileDigest>,
    #[serde(default, rename = "source")]
    sources: Vec<RawSource>,
}

impl RawExport {
    fn check(self) -> Result<Export, String> {
        if !is_plain_file(&self.file) {
            return Err(format!("file is {:?}: expected a file name without a folder", self.file));
        }
        let prepared_sha256 = match (self.prepared_sha256, self.prepare.is_empty()) {
            (Some(digest), false) => digest,
            (None, true) => self.sha256,
            (None, false) => return Err(format!("{}: prepare requires prepared_sha256", self.file)),
            (Some(_), true) => return Err(format!("{}: prepared_sha256 requires prepare", self.file)),
        };
        Ok(Export {
            file: self.file,
            sha256: self.sha256,
            prepare: self.prepare,
            prepared_sha256,
            sources: self.sources.into_iter().map(RawSource::check).collect::<Result<_, _>>()?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSource {
    url: Option<String>,
    package: Option<Package>,
}

impl RawSource {
    fn check(self) -> Result<Source, String> {
        match (self.url, self.package) {
            (Some(url), None) if url.starts_with("https://") || url.starts_with("http://") => {
                Ok(Source::Url(url))
            }
            (Some(url), None) => Err(format!("source {url:?}: expected an http or https URL")),
            (None, Some(package)) => {
                // Names become command line arguments, so they must not look like options or paths.
                let plain = |text: &str| {
                    !text.is_empty()
                        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-@/+".contains(&b))
                        && !text.starts_with(['-', '.', '/'])
                };
                if plain(&package.name) && plain(&package.version) {
                    Ok(Source::Package(package))
                } else {
                    Err(format!(
                        "package {:?} {:?}: expected a plain name and version",
                        package.name, package.version
                    ))
                }
            }
            _ => Err("[[export.source]]: expected either a url or a package".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
