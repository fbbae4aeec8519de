use padan_domain::{Anchor, Calibration};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{digest::FileDigest, manifest::ModelError, model_set::ModelSet};

/// What a model set's cosines mean in per cent, and how that is known. Bound to the embedder's file.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationFile {
    /// Of this format; 1.
    pub version: u32,
    /// The model set.
    pub set: String,
    /// The canonical file of the embedder that was measured.
    pub embedder_sha256: FileDigest,
    /// What was measured, on which photos; which points stand until they are measured.
    pub provenance: String,
    /// The points of the scale, in increasing order.
    #[serde(rename = "anchor")]
    pub anchors: Vec<MeasuredAnchor>,
}

/// A point of the scale and where it comes from.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredAnchor {
    /// The cosine, -1 to 1.
    pub cosine: f64,
    /// The percentage there, 0 to 100.
    pub percentage: f64,
    /// The share of comparisons of two persons that reach the cosine, where the point is defined by it.
    pub fmr: Option<f64>,
    /// Lies beyond the data.
    #[serde(default)]
    pub extrapolated: bool,
    /// Stands until it is measured.
    #[serde(default)]
    pub interim: bool,
    /// Where the number comes from.
    pub source: String,
}

impl CalibrationFile {
    /// Reads a calibration and checks that it was made for this set. `place` is where it was found, for the
    /// error.
    pub fn parse(place: &str, text: &str, set: &ModelSet) -> Result<Self, ModelError> {
        let wrong = |reason: String| ModelError::Calibration { place: place.to_owned(), reason };
        let file: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if file.version != 1 {
            return Err(wrong(format!("version {} is not known here; 1 is", file.version)));
        }
        if file.set != set.name() || file.embedder_sha256 != set.embedder.canonical().sha256 {
            return Err(wrong(format!(
                "it was made for {} with SHA-256 {}, and {} has {}; \
                 calibrate that model and use its own file",
                file.set,
                file.embedder_sha256,
                set.name(),
                set.embedder.canonical().sha256
            )));
        }
        file.scale().map_err(|error| wrong(error.to_string()))?;
        if file.anchors.iter().filter_map(|a| a.fmr).any(|fmr| !(fmr > 0.0 && fmr <= 1.0)) {
            return Err(wrong("an fmr lies outside 0 to 1".to_owned()));
        }
        Ok(file)
    }

    /// The map from cosine to percentage.
    pub fn calibration(&self) -> Result<Calibration, ModelError> {
        // Parsing has checked this; a file made by hand in code has not been parsed.
        self.scale()
            .map_err(|error| ModelError::Calibration { place: self.set.clone(), reason: error.to_string() })
    }

    /// Tells calibrations apart: 16 hexadecimal digits of a hash over the points of the scale.
    pub fn id(&self) -> String {
        let points = self.anchors.iter().flat_map(|anchor| [anchor.cosine, anchor.percentage]);
        let hash = points.fold(Sha256::new().chain_update(b"padan calibration 1\0"), |hash, number| {
            hash.chain_update(number.to_bits().to_be_bytes())
        });
        hex::encode(&hash.finalize()[..8])
    }

    fn scale(&self) -> Result<Calibration, padan_domain::InvalidCalibration> {
        let anchor = |a: &MeasuredAnchor| Anchor { cosine: a.cosine, percentage: a.percentage };
        Calibration::new(self.anchors.iter().map(anchor).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    const BUILT_IN: &str = include_str!("../../../models/sface.calibration.toml");

    fn set(name: &str) -> ModelSet {
        Catalogue::load(&[]).unwrap().set(name).unwrap()
    }

    fn refusal(text: &str, set: &ModelSet) -> String {
        CalibrationFile::parse("here", text, set).unwrap_err().to_string()
    }

    #[test]
    fn the_pass_mark_of_sface_is_where_it_was_put() {
        let file = CalibrationFile::parse("here", BUILT_IN, &set("sface")).unwrap();
        assert!((file.calibration().unwrap().pass_cosine() - 0.44).abs() < 1e-12);
    }

    #[test]
    fn another_models_calibration_is_refused() {
        let mut other = set("sface");
        other.embedder.exports[0].sha256 = FileDigest::of(b"another file");
        assert!(refusal(BUILT_IN, &other).contains("it was made for sface with SHA-256 0ba9"));
        assert!(refusal(BUILT_IN, &set("mobilefacenet")).contains("it was made for sface"));
    }

    #[test]
    fn a_scale_that_does_not_increase_is_refused() {
        let swapped = BUILT_IN.replace("cosine = 0.44", "cosine = 0.2");
        assert_eq!(refusal(&swapped, &set("sface")), "here: the anchors do not increase");
    }

    #[test]
    fn an_unknown_key_and_a_later_version_are_refused() {
        let unknown = BUILT_IN.replacen("version = 1", "version = 1\nmark = 3", 1);
        assert!(refusal(&unknown, &set("sface")).contains("unknown field `mark`"));
        let later = BUILT_IN.replacen("version = 1", "version = 2", 1);
        assert_eq!(refusal(&later, &set("sface")), "here: version 2 is not known here; 1 is");
    }
}
