use std::fmt::Write as _;

use padan_domain::ModelContractId;
use sha2::{Digest as _, Sha256};

use crate::{
    manifest::{
        ColourOrder, DetectionSpec, DetectorFamily, EmbedderFamily, EmbeddingSpec, InputSize, InputSpec,
        Manifest, Task,
    },
    model_error::ModelError,
};

/// The version of this crate's own steps (choice of the subject, alignment, resampling). It increases with each change
/// after which embeddings cannot be compared with earlier ones. Every site then embeds its portraits again.
const PIPELINE: u32 = 2;

/// A detector and an embedder that are used together, named after the embedder.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelSet {
    /// The detector's manifest.
    pub detector: Manifest,
    /// The detector's outputs, from its manifest.
    pub detection: DetectionSpec,
    /// The embedder's manifest.
    pub embedder: Manifest,
    /// The embedder's output, from its manifest.
    pub embedding: EmbeddingSpec,
}

impl ModelSet {
    /// Combines an embedder with the detector that it names.
    pub(crate) fn new(embedder: &Manifest, detector: &Manifest) -> Result<Self, ModelError> {
        let (Task::Embedder(embedding), Task::Detector(detection)) = (&embedder.task, &detector.task) else {
            return Err(ModelError::Manifest {
                location: embedder.name.clone(),
                reason: format!(
                    "expected a detector, found another task in the manifest of {}",
                    detector.name
                ),
            });
        };
        Ok(Self {
            detector: detector.clone(),
            detection: detection.clone(),
            embedder: embedder.clone(),
            embedding: embedding.clone(),
        })
    }

    /// The set's name, which is its embedder's.
    pub fn name(&self) -> &str {
        &self.embedder.name
    }

    /// The detector, then the embedder.
    pub fn models(&self) -> [&Manifest; 2] {
        [&self.detector, &self.embedder]
    }

    /// The id of the model contract. Two sets have the same id exactly if their embeddings can be compared.
    pub fn contract(&self) -> ModelContractId {
        ModelContractId::from_digest(&Sha256::digest(self.contract_text()).into())
    }

    /// All properties that change an embedding's meaning, one on each line. Titles, licences, sources and the window
    /// for landmarks do not change it. Nor does the choice among equivalent exports, so only the canonical one is
    /// named.
    fn contract_text(&self) -> String {
        let family = match self.embedding.family {
            EmbedderFamily::ArcFace112 => "arcface-112",
        };
        let decoding = match self.detection.family {
            DetectorFamily::YuNet => "yunet",
            DetectorFamily::Scrfd => "scrfd",
        };
        let mut text = format!("padan model contract\npipeline {PIPELINE}\n");
        line(&mut text, "embedder", self.embedder.canonical().sha256);
        input(&mut text, "embedder", &self.embedder.input);
        line(&mut text, "embedder family", family);
        line(&mut text, "embedder output", &self.embedding.output);
        line(&mut text, "embedder length", self.embedding.length);
        line(&mut text, "detector", self.detector.canonical().sha256);
        input(&mut text, "detector", &self.detector.input);
        line(&mut text, "detector family", decoding);
        line(&mut text, "detector anchors", self.detection.anchors_per_cell);
        for level in &self.detection.levels {
            let objectness = level.objectness.as_deref().unwrap_or("-");
            let names = [&level.scores, objectness, &level.boxes, &level.landmarks].join(" ");
            line(&mut text, "detector level", format_args!("{} {names}", level.stride));
        }
        text
    }
}

impl AsRef<str> for ModelSet {
    fn as_ref(&self) -> &str {
        self.name()
    }
}

fn input(text: &mut String, model: &str, input: &InputSpec) {
    let colour = match input.colour {
        ColourOrder::Rgb => "rgb",
        ColourOrder::Bgr => "bgr",
    };
    let size = match input.size {
        InputSize::Fixed { width, height } => format!("{width} x {height}"),
        InputSize::MultipleOf(multiple) => format!("multiples of {multiple}"),
    };
    line(text, model, format_args!("colour {colour}"));
    line(text, model, format_args!("mean {:?}", input.mean));
    line(text, model, format_args!("std {:?}", input.std));
    line(text, model, format_args!("size {size}"));
}

fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{name} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue::Catalogue, digest::FileDigest, manifest::Source};

    fn set() -> ModelSet {
        Catalogue::load(&[]).unwrap().set("sface").unwrap()
    }

    /// The name of a change, and the change.
    type Change = (&'static str, fn(&mut ModelSet));

    #[test]
    fn a_change_of_an_embeddings_meaning_changes_the_contract() {
        let changes: [Change; 14] = [
            ("embedder file", |s| s.embedder.exports[0].sha256 = FileDigest::of(b"another")),
            ("detector file", |s| s.detector.exports[0].sha256 = FileDigest::of(b"another")),
            ("embedder colour", |s| s.embedder.input.colour = ColourOrder::Bgr),
            ("embedder mean", |s| s.embedder.input.mean[1] = 127.5),
            ("embedder std", |s| s.embedder.input.std[2] = 128.0),
            ("embedder size", |s| s.embedder.input.size = InputSize::Fixed { width: 112, height: 96 }),
            ("embedding output", |s| s.embedding.output = "pre_fc1".to_owned()),
            ("embedding length", |s| s.embedding.length = 512),
            ("detector colour", |s| s.detector.input.colour = ColourOrder::Rgb),
            ("detector mean", |s| s.detector.input.mean[0] = 1.0),
            ("detector std", |s| s.detector.input.std[0] = 2.0),
            ("detector family", |s| s.detection.family = DetectorFamily::Scrfd),
            ("anchors", |s| s.detection.anchors_per_cell = 2),
            ("levels", |s| s.detection.levels[0].landmarks.push('x')),
        ];
        let original = set().contract();
        let mut seen = vec![original];
        for (name, change) in changes {
            let mut changed = set();
            change(&mut changed);
            assert!(!seen.contains(&changed.contract()), "{name} does not change the contract");
            seen.push(changed.contract());
        }
    }

    #[test]
    fn a_change_after_which_embeddings_stay_comparable_keeps_the_contract() {
        let changes: [Change; 9] = [
            ("name", |s| s.embedder.name = "other".to_owned()),
            ("title", |s| s.embedder.title.push('x')),
            ("licence", |s| s.embedder.licence = "MIT".to_owned()),
            ("licence note", |s| s.detector.licence_note.push('x')),
            ("origin", |s| s.embedder.origin.push('x')),
            ("sources", |s| {
                s.embedder.exports[0].sources.push(Source::Url("https://example.org".to_owned()));
            }),
            ("further export", |s| {
                let again = s.embedder.exports[0].clone();
                s.embedder.exports.push(again);
            }),
            ("openvino", |s| s.embedder.openvino = None),
            ("landmarks", |s| s.embedding.landmarks.window = 288),
        ];
        for (name, change) in changes {
            let mut changed = set();
            change(&mut changed);
            assert_eq!(changed.contract(), set().contract(), "{name} changes the contract");
        }
    }

    #[test]
    fn the_built_in_contracts_do_not_change() {
        // A change of these values makes every site embed all its portraits again, so it must be intended.
        let catalogue = Catalogue::load(&[]).unwrap();
        let contracts: Vec<_> =
            catalogue.sets().map(|set| format!("{} {}", set.name(), set.contract())).collect();
        assert_eq!(contracts, ["mobilefacenet a6e04098bad74489", "sface 9a587b2a612ecff6"]);
    }
}
