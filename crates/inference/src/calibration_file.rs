use padan_domain::{Anchor, Calibration};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{digest::FileDigest, model_error::ModelError, model_set::ModelSet};

/// The map from a model set's cosines to percentages, with the measurements behind it. It is bound to the embedder's
/// file. `padan calibrate` makes it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationFile {
    /// Version of this format.
    pub version: u32,
    /// The model set's name.
    pub set: String,
    /// Digest of the measured embedder's canonical file.
    pub embedder_sha256: FileDigest,
    /// The date on which it was made, in Asia/Jakarta.
    pub made_on: String,
    /// The number of impostor pairs. Both photos of a pair have the same source, so each source counts by its pairs.
    /// Pairs share photos, so they are correlated.
    pub impostor_pairs: u64,
    /// The pass mark, with the two cosines that it is chosen from.
    pub pass_mark: PassMark,
    /// The people of the site whose templates were compared; `None` when it was made from labelled photos.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<CalibrationPeople>,
    /// The error rates at 60, 75 and 90 %.
    #[serde(rename = "mark")]
    pub marks: Vec<CalibrationMark>,
    /// The demographic groups of the photos' labels.
    #[serde(default, rename = "group", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<CalibrationGroup>,
    /// The collections of photos.
    #[serde(rename = "source")]
    pub sources: Vec<CalibrationSource>,
    /// The points of the scale in increasing order, linear in between.
    #[serde(rename = "point")]
    pub points: Vec<CalibrationPoint>,
}

/// The pass mark: the larger of two cosines.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PassMark {
    /// The cosine of the pass mark.
    pub cosine: f64,
    /// The cosine that 1 in 10,000 impostor pairs reach.
    pub pooled_at_1_in_10000: f64,
    /// The highest of the groups' cosines that 1 in 1,000 impostor pairs reach; `None` when no group is large enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_group_at_1_in_1000: Option<f64>,
}

/// People of a site who were drawn at random, with one template each. Templates of two people are an impostor pair.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationPeople {
    /// What was compared, such as `portraits with portraits`.
    pub compared: String,
    /// How many people were drawn.
    pub drawn: usize,
    /// The seed of the draw.
    pub seed: u64,
    /// How many of them were left out because they have the face of another one: one of each such people stays.
    pub left_out: usize,
    /// Pairs that are not of strangers: people with two NIKs, photos under two NIKs, twins.
    pub pairs_told_apart: usize,
    /// The cosine from which on pairs were told apart; `None` when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub break_cosine: Option<f64>,
    /// The expected number of strangers among the pairs that were told apart.
    pub expected_strangers: f64,
    /// The calibration whose anchor of 100 % was kept. There were no genuine pairs, so false non-match rates are not known.
    pub anchor_of_100_from: String,
}

/// A rate with its 95 % confidence interval, from a bootstrap over persons.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// The measured value.
    pub value: f64,
    /// The 2.5th percentile of the bootstrap.
    pub low: f64,
    /// The 97.5th percentile.
    pub high: f64,
}

/// The error rates at a percentage.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationMark {
    /// The percentage.
    pub percentage: f64,
    /// Its cosine.
    pub cosine: f64,
    /// Whether the cosine is beyond the data: fewer pairs reach it than a reliable rate requires.
    pub extrapolated: bool,
    /// The false match rate: the share of impostor pairs that reach the cosine.
    pub fmr: Rate,
    /// The highest false match rate among the groups that are large enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worst_group: Option<GroupRate>,
    /// The false non-match rate: the share of genuine pairs that do not reach the cosine, including
    /// pairs with a photo without a face. `None` without genuine pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fnmr: Option<Rate>,
}

/// The false match rate of a group.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRate {
    /// The group's name.
    pub name: String,
    /// The share of its impostor pairs that reach the cosine.
    pub fmr: Rate,
}

/// A demographic group.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationGroup {
    /// Its name in the list of photos.
    pub name: String,
    /// Persons with an embedding.
    pub persons: usize,
    /// Impostor pairs among them.
    pub impostor_pairs: u64,
    /// Whether it is large enough to influence the pass mark: 50 persons and 10,000 pairs.
    pub decides: bool,
    /// The cosine that 1 in 1,000 of its impostor pairs reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cosine_at_1_in_1000: Option<f64>,
    /// The share of its impostor pairs that reach the pass mark.
    pub fmr_at_pass_mark: Rate,
}

/// A collection of photos.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationSource {
    /// Its name.
    pub name: String,
    /// Photos used.
    pub photos: usize,
    /// Persons on these photos.
    pub persons: usize,
    /// Photos without a detected face.
    pub failures_to_acquire: usize,
    /// Genuine pairs.
    pub genuine_pairs: usize,
    /// Impostor pairs.
    pub impostor_pairs: u64,
    /// Photos and pairs that were excluded because their labels are known to be wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// A point of the scale.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationPoint {
    /// The percentage, 0 to 100.
    pub percentage: f64,
    /// Its cosine, -1 to 1.
    pub cosine: f64,
    /// The share of impostor pairs that reach it.
    pub fmr: f64,
    /// Of an anchor that a false match rate defines: the 95 % confidence interval of that rate, from a bootstrap over
    /// persons. Only where people of a site were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fmr_interval: Option<[f64; 2]>,
    /// The share of genuine pairs that do not reach it; `None` without genuine pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fnmr: Option<f64>,
    /// Whether the false match rate is beyond the data and is extrapolated linearly in its logarithm.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extrapolated: bool,
    /// The definition of an anchor in words. `None` for a point between two anchors, which makes the scale linear in
    /// the logarithm of the false match rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
}

impl CalibrationFile {
    /// The supported version of the format.
    pub const VERSION: u32 = 2;

    /// Parses a calibration and checks that it was made for this set. `location` names the file in errors.
    ///
    /// # Errors
    ///
    /// [`ModelError::Calibration`] when the text is not a calibration, its scale is invalid, or it belongs to another
    /// model.
    pub fn parse(location: &str, text: &str, set: &ModelSet) -> Result<Self, ModelError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let invalid = |reason: String| ModelError::Calibration { location: location.to_owned(), reason };
        let Versioned { version } = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        if version != Self::VERSION {
            return Err(invalid(format!("version {version} is not supported; expected {}", Self::VERSION)));
        }
        let file: Self = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        if file.set != set.name() || file.embedder_sha256 != set.embedder.canonical().sha256 {
            return Err(invalid(format!(
                "made for {} with SHA-256 {}, but {} has {}; calibrate this model and use its own file",
                file.set,
                file.embedder_sha256,
                set.name(),
                set.embedder.canonical().sha256
            )));
        }
        file.scale().map_err(|error| invalid(error.to_string()))?;
        let out_of_range = (file.points.iter())
            .flat_map(|point| {
                [point.fmr].into_iter().chain(point.fnmr).chain(point.fmr_interval.into_iter().flatten())
            })
            .find(|rate| !(0.0..=1.0).contains(rate));
        if let Some(rate) = out_of_range {
            return Err(invalid(format!("expected every rate in 0 to 1, found {rate}")));
        }
        Ok(file)
    }

    /// Writes the calibration as TOML.
    ///
    /// # Errors
    ///
    /// [`ModelError::Calibration`] when a value cannot be written.
    pub fn to_toml(&self) -> Result<String, ModelError> {
        const HEAD: &str = "# What the percentages of this model set mean. Made by `padan calibrate`; `padan calibration show` prints it.\n\n";
        toml::to_string(self).map(|text| HEAD.to_owned() + &text).map_err(|error| ModelError::Calibration {
            location: self.set.clone(),
            reason: error.to_string(),
        })
    }

    /// The map from cosine to percentage.
    ///
    /// # Errors
    ///
    /// [`ModelError::Calibration`] when the points do not increase.
    pub fn calibration(&self) -> Result<Calibration, ModelError> {
        // A file that was built in code has not been checked by `parse`.
        self.scale().map_err(|error| ModelError::Calibration {
            location: self.set.clone(),
            reason: error.to_string(),
        })
    }

    /// An id of the scale: 16 hexadecimal digits of a hash over its points.
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
    fn the_built_in_scales_are_consistent_and_survive_a_round_trip() {
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
        assert!(refusal(BUILT_IN, &other).contains("made for sface with SHA-256 0ba9"));
        assert!(refusal(BUILT_IN, &set("mobilefacenet")).contains("made for sface"));
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
        assert_eq!(refusal(&earlier, &set("sface")), "here: version 1 is not supported; expected 2");
    }
}
