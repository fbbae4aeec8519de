use std::sync::Arc;

use padan_domain::{Anchor, Calibration, Cohort};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    calibration_rate::Rate,
    calibration_transformation::{CalibrationCohort, CalibrationTransformation},
    digest::FileDigest,
    model_error::ModelError,
    model_set::ModelSet,
};

#[cfg(test)]
mod tests;

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
    /// What is done to embeddings before they are compared; `None` if their cosine is taken as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transformation: Option<CalibrationTransformation>,
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
    /// The version of a file with a cohort.
    const WITH_COHORT: u32 = 4;
    /// The version of a file with a centre.
    const WITH_CENTRE: u32 = 3;
    /// The version of a file without one, which earlier releases of the program read too.
    const WITHOUT_TRANSFORMATION: u32 = 2;

    /// The version of the format in which a file with or without a transformation is written.
    pub fn version_of(transformation: Option<&CalibrationTransformation>) -> u32 {
        match transformation {
            Some(CalibrationTransformation::Centre(_)) => Self::WITH_CENTRE,
            Some(_) => Self::WITH_COHORT,
            None => Self::WITHOUT_TRANSFORMATION,
        }
    }

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
        let supported = [Self::WITHOUT_TRANSFORMATION, Self::WITH_CENTRE, Self::WITH_COHORT];
        if !supported.contains(&version) {
            return Err(invalid(format!("version {version} is not supported; expected 2, 3 or 4")));
        }
        let file: Self = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        let expected = Self::version_of(file.transformation.as_ref());
        if version != expected {
            let with = match &file.transformation {
                None => "without a transformation",
                Some(CalibrationTransformation::Centre(_)) => "with a centre",
                Some(_) => "with a cohort",
            };
            return Err(invalid(format!(
                "version {version} is not that of a file {with}; expected {expected}"
            )));
        }
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
        // NaN differs from itself.
        if file.clone() != file {
            return Err(invalid("a number is NaN".to_owned()));
        }
        if let Some(transformation) = &file.transformation {
            let checked = transformation.check(set.embedding.length);
            checked.map_err(|error| invalid(error.to_string()))?;
        }
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

    /// The transformation of embeddings and the map from cosine to percentage, of a scale without a cohort.
    ///
    /// # Errors
    ///
    /// [`ModelError::Calibration`] when the points do not increase, the transformation is invalid, or it needs a cohort.
    pub fn calibration(&self) -> Result<Calibration, ModelError> {
        self.calibration_with(None)
    }

    /// The transformation of embeddings and the map from cosine to percentage. The cohort is that which the file names.
    ///
    /// # Errors
    ///
    /// As [`CalibrationFile::calibration`].
    pub fn calibration_with(&self, cohort: Option<Arc<Cohort>>) -> Result<Calibration, ModelError> {
        let map = self.map()?;
        match &self.transformation {
            None => Ok(map),
            Some(table) => {
                table.transformation(cohort).map(|it| map.with(it)).map_err(|error| self.invalid(&error))
            }
        }
    }

    /// The map from cosine to percentage alone, which compares no faces.
    ///
    /// # Errors
    ///
    /// [`ModelError::Calibration`] when the points do not increase: a file that was built in code has not been checked by
    /// `parse`.
    pub fn map(&self) -> Result<Calibration, ModelError> {
        self.scale().map_err(|error| self.invalid(&error))
    }

    /// The cohort that comparisons need, if any.
    pub fn cohort(&self) -> Option<&CalibrationCohort> {
        self.transformation.as_ref()?.cohort()
    }

    fn invalid(&self, error: &dyn std::error::Error) -> ModelError {
        ModelError::Calibration { location: self.set.clone(), reason: error.to_string() }
    }

    /// An id of the scale: 16 hexadecimal digits of a hash over its points and its transformation.
    pub fn id(&self) -> String {
        let points = self.points.iter().flat_map(|point| [point.cosine, point.percentage]);
        let hash = points.fold(Sha256::new().chain_update(b"padan calibration 1\0"), |hash, number| {
            hash.chain_update(number.to_bits().to_be_bytes())
        });
        let hash = match &self.transformation {
            Some(transformation) => transformation.add_to(hash),
            None => hash,
        };
        hex::encode(&hash.finalize()[..8])
    }

    /// What the cosines of its points are: `cosine`, or a name of the transformation under which they were measured. Only
    /// cosines of one name are comparable.
    pub fn score(&self) -> String {
        self.transformation.as_ref().map_or_else(|| "cosine".to_owned(), CalibrationTransformation::name)
    }

    fn scale(&self) -> Result<Calibration, padan_domain::InvalidCalibration> {
        let anchor = |point: &CalibrationPoint| Anchor { cosine: point.cosine, percentage: point.percentage };
        Calibration::new(self.points.iter().map(anchor).collect())
    }
}
