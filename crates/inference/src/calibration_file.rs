use padan_domain::{Anchor, Calibration};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{digest::FileDigest, model_error::ModelError, model_set::ModelSet};

/// What a model set's cosines mean in per cent, and how that is known. Bound to the embedder's file. Made by
/// `padan calibrate`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationFile {
    /// Of this format.
    pub version: u32,
    /// The model set.
    pub set: String,
    /// The canonical file of the embedder that was measured.
    pub embedder_sha256: FileDigest,
    /// The day, in Asia/Jakarta.
    pub made_on: String,
    /// Pairs of two persons, all from within one source: the sources weigh by their pairs. They share photos with each
    /// other, so they are correlated.
    pub impostor_pairs: u64,
    /// Where the pass mark stands, and why.
    pub pass_mark: PassMark,
    /// What was measured at 60, 75 and 90 %.
    #[serde(rename = "mark")]
    pub marks: Vec<CalibrationMark>,
    /// The groups of people that the photos tell apart.
    #[serde(default, rename = "group", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<CalibrationGroup>,
    /// The collections of photos.
    #[serde(rename = "source")]
    pub sources: Vec<CalibrationSource>,
    /// The points of the scale, in increasing order, straight lines between them.
    #[serde(rename = "point")]
    pub points: Vec<CalibrationPoint>,
}

/// Where the pass mark stands: at the larger of two cosines.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PassMark {
    /// The larger.
    pub cosine: f64,
    /// The cosine that 1 in 10,000 pairs of two persons reach.
    pub pooled_at_1_in_10000: f64,
    /// The cosine that 1 in 1,000 such pairs reach in the group in which it is highest; none when no group is large enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_group_at_1_in_1000: Option<f64>,
}

/// A rate with its interval of 95 %, by drawing persons anew.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// As measured.
    pub value: f64,
    /// The 2.5th percentile of the draws.
    pub low: f64,
    /// The 97.5th.
    pub high: f64,
}

/// The rates at a percentage.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationMark {
    /// The percentage.
    pub percentage: f64,
    /// The cosine there.
    pub cosine: f64,
    /// Lies beyond the data: the rate is that of the few pairs that happened to reach it.
    pub extrapolated: bool,
    /// The share of pairs of two persons that reach it.
    pub fmr: Rate,
    /// The same in the group in which it is highest, among those large enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_group: Option<GroupRate>,
    /// The share of pairs of one person that do not reach it; photos without a face count.
    pub fnmr: Rate,
}

/// The rate of a group.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRate {
    /// The group.
    pub name: String,
    /// The share of its pairs of two persons that reach the cosine.
    pub fmr: Rate,
}

/// A group of people.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationGroup {
    /// As the photos' list calls it.
    pub name: String,
    /// Persons with an embedding.
    pub persons: usize,
    /// Pairs of two of them.
    pub impostor_pairs: u64,
    /// Whether it is large enough to have a say in where the pass mark stands: 50 persons and 10,000 pairs.
    pub decides: bool,
    /// The cosine that 1 in 1,000 of those reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cosine_at_1_in_1000: Option<f64>,
    /// The share of those that reach the pass mark.
    pub fmr_at_pass_mark: Rate,
}

/// A collection of photos.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationSource {
    /// Its name.
    pub name: String,
    /// Photos that were used.
    pub photos: usize,
    /// Persons on them.
    pub persons: usize,
    /// Photos in which no face was found.
    pub failures_to_acquire: usize,
    /// Pairs of one person.
    pub genuine_pairs: usize,
    /// Pairs of two persons.
    pub impostor_pairs: u64,
    /// Photos and pairs that were left out because their labels are known to be wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// A point of the scale.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationPoint {
    /// The percentage, 0 to 100.
    pub percentage: f64,
    /// The cosine there, -1 to 1.
    pub cosine: f64,
    /// The share of pairs of two persons that reach it.
    pub fmr: f64,
    /// The share of pairs of one person that do not.
    pub fnmr: f64,
    /// The rate of pairs of two persons lies beyond the data, and is a straight line of its logarithm.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extrapolated: bool,
    /// What the point is defined by; none when it lies between two that are, so that the scale is straight in the logarithm of
    /// the rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
}

impl CalibrationFile {
    /// The format that is read and written.
    pub const VERSION: u32 = 2;

    /// Reads a calibration and checks that it was made for this set. `place` is where it was found, for the
    /// error.
    pub fn parse(place: &str, text: &str, set: &ModelSet) -> Result<Self, ModelError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let wrong = |reason: String| ModelError::Calibration { place: place.to_owned(), reason };
        let Versioned { version } = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if version != Self::VERSION {
            return Err(wrong(format!("version {version} is not known here; {} is", Self::VERSION)));
        }
        let file: Self = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
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
        let rates = file.points.iter().flat_map(|point| [point.fmr, point.fnmr]);
        if rates.into_iter().any(|rate| !(0.0..=1.0).contains(&rate)) {
            return Err(wrong("a rate lies outside 0 to 1".to_owned()));
        }
        Ok(file)
    }

    /// The text of the file.
    pub fn to_toml(&self) -> Result<String, ModelError> {
        const HEAD: &str = "# What the percentages of this model set mean. Made by `padan calibrate`; `padan calibration show` prints it.\n\n";
        toml::to_string(self)
            .map(|text| HEAD.to_owned() + &text)
            .map_err(|error| ModelError::Calibration { place: self.set.clone(), reason: error.to_string() })
    }

    /// The map from cosine to percentage.
    pub fn calibration(&self) -> Result<Calibration, ModelError> {
        // Parsing has checked this; a file made by hand in code has not been parsed.
        self.scale()
            .map_err(|error| ModelError::Calibration { place: self.set.clone(), reason: error.to_string() })
    }

    /// Tells calibrations apart: 16 hexadecimal digits of a hash over the points of the scale.
    pub fn id(&self) -> String {
        let points = self.points.iter().flat_map(|point| [point.cosine, point.percentage]);
        let hash = points.fold(Sha256::new().chain_update(b"padan calibration 1\0"), |hash, number| {
            hash.chain_update(number.to_bits().to_be_bytes())
        });
        hex::encode(&hash.finalize()[..8])
    }

    fn scale(&self) -> Result<Calibration, padan_domain::InvalidCalibration> {
        let anchor = |point: &CalibrationPoint| Anchor { cosine: point.cosine, percentage: point.percentage };
        Calibration::new(self.points.iter().map(anchor).collect())
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
    fn the_built_in_scales_pass_where_they_say_and_come_back_from_their_text() {
        for name in ["sface", "mobilefacenet"] {
            let set = set(name);
            let file = Catalogue::load(&[]).unwrap().calibration(&set).unwrap();
            assert_eq!(file.calibration().unwrap().pass_cosine(), file.pass_mark.cosine);
            assert_eq!(CalibrationFile::parse("here", &file.to_toml().unwrap(), &set).unwrap(), file);
        }
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
        let mut file = CalibrationFile::parse("here", BUILT_IN, &set("sface")).unwrap();
        file.points[1].cosine = 0.9;
        assert_eq!(refusal(&file.to_toml().unwrap(), &set("sface")), "here: the anchors do not increase");
    }

    #[test]
    fn an_unknown_key_and_another_version_are_refused() {
        let unknown = BUILT_IN.replacen("version = 2", "version = 2\nmark_up = 3", 1);
        assert!(refusal(&unknown, &set("sface")).contains("unknown field `mark_up`"));
        let earlier = BUILT_IN.replacen("version = 2", "version = 1", 1);
        assert_eq!(refusal(&earlier, &set("sface")), "here: version 1 is not known here; 2 is");
    }
}
