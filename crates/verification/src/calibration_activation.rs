//! Activates a calibration for all services.

use chrono::{SubsecRound as _, Utc};
use padan_domain::{Calibration, Similarity};
use padan_inference::{CalibrationFile, Catalogue, ModelError, ModelSet};
use padan_store::{ActiveCalibration, Administration, Store, StoreError};
use serde::Deserialize;

use crate::{
    calibration_in_use::parse_active_calibration,
    cohorts::{CohortError, check_cohort},
};

/// The size of the longest file, as the store limits it.
const MAX_BYTES: u64 = 1_000_000;

/// Why a calibration was not activated or cannot be.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationActivationError {
    /// The file is longer than the store permits.
    #[error("{location} has {bytes} bytes, which no calibration has")]
    TooLong {
        /// The file.
        location: String,
        /// Its size.
        bytes: u64,
    },
    /// The file names no model set.
    #[error("{location} is no calibration")]
    NoCalibration {
        /// The file.
        location: String,
        /// What is wrong.
        #[source]
        error: toml::de::Error,
    },
    /// The pass mark and the points contradict each other.
    #[error(
        "{location} was changed after it was made: its pass mark is cosine {stated}, and its point at 75 % has {found}. Make \
         it again with `padan calibrate`"
    )]
    Changed {
        /// The file.
        location: String,
        /// The pass mark that it states.
        stated: f64,
        /// That of its points.
        found: f64,
    },
    /// The set is not known, or the calibration is not one of its.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The cohort that the calibration names cannot be used.
    #[error(transparent)]
    Cohort(#[from] CohortError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The calibration that a model set gets.
#[derive(Debug)]
pub struct CalibrationActivation {
    set: ModelSet,
    calibration: CalibrationFile,
    /// The text of the file; `None` for the installed calibration.
    file: Option<String>,
    /// The installed calibration, if it can be read.
    installed: Option<CalibrationFile>,
}

/// A scale, as far as operators compare it with another one.
#[derive(Debug)]
pub struct Scale {
    /// The id of the calibration.
    pub calibration: String,
    /// The pass mark.
    pub pass_cosine: f64,
    /// What the cosines are. Only those of one score are comparable.
    pub score: String,
}

/// What an activation changes.
#[derive(Debug)]
pub struct ScaleChange {
    /// The model set.
    pub model_set: String,
    /// The scale in use before; `None` when it cannot be read, and is replaced like any other.
    pub before: Option<Scale>,
    /// The scale afterwards.
    pub after: Scale,
    /// What becomes of the pass mark; `None` when the scale before is not known or is of another score.
    pub pass_mark: Option<MovedPassMark>,
    /// False when the installed calibration is in use already, so that there is nothing to change.
    pub is_change: bool,
}

/// Percentages that tell how the pass mark of 75 % moves.
#[derive(Debug)]
pub struct MovedPassMark {
    /// What was 75 % is now so much.
    pub former_is_now: f64,
    /// What is 75 % now was so much.
    pub present_was: f64,
}

impl CalibrationActivation {
    /// Reads and checks a file. `location` names it in errors.
    ///
    /// # Errors
    ///
    /// [`CalibrationActivationError`] when the text is not a calibration of a set of the catalogue, as it was made.
    pub fn of_file(
        location: &str,
        text: String,
        catalogue: &Catalogue,
    ) -> Result<Self, CalibrationActivationError> {
        #[derive(Deserialize)]
        struct Named {
            set: String,
        }
        check_calibration_size(location, text.len() as u64)?;
        let named = toml::from_str(&text);
        let named: Named = named.map_err(|error| CalibrationActivationError::NoCalibration {
            location: location.to_owned(),
            error,
        })?;
        let set = catalogue.set(&named.set)?;
        let calibration = CalibrationFile::parse(location, &text, &set)?;
        let (stated, found) = (calibration.pass_mark.cosine, calibration.map()?.pass_cosine());
        if stated != found {
            let location = location.to_owned();
            return Err(CalibrationActivationError::Changed { location, stated, found });
        }
        let installed = catalogue.calibration(&set).ok();
        Ok(Self { set, calibration, file: Some(text), installed })
    }

    /// Returns to the calibration of this model set that is installed on each machine.
    ///
    /// # Errors
    ///
    /// When the set is not known, or its calibration cannot be read.
    pub fn of_installed(model_set: &str, catalogue: &Catalogue) -> Result<Self, ModelError> {
        let set = catalogue.set(model_set)?;
        let calibration = catalogue.calibration(&set)?;
        Ok(Self { set, installed: Some(calibration.clone()), calibration, file: None })
    }

    /// Checks that the store has the cohort that the calibration names, and tells what the activation changes.
    ///
    /// # Errors
    ///
    /// [`CalibrationActivationError`] when the calibration cannot be activated.
    pub async fn compare(&self, store: &Store) -> Result<ScaleChange, CalibrationActivationError> {
        check_cohort(&store.templates(), &self.calibration).await?;
        let (former, is_active) = match store.active_calibration(self.set.name()).await {
            Ok(Some(active)) => (parse_active_calibration(&active, &self.set).ok(), true),
            Ok(None) => (self.installed.clone(), false),
            // A row that Padan did not sign is replaced like any other.
            Err(StoreError::Inconsistent { .. } | StoreError::UnknownKey(_)) => (None, true),
            Err(error) => return Err(error.into()),
        };
        let (before, pass_mark) = match &former {
            Some(former) => (Some(Scale::of(former)?), MovedPassMark::between(former, &self.calibration)?),
            None => (None, None),
        };
        Ok(ScaleChange {
            model_set: self.set.name().to_owned(),
            before,
            after: Scale::of(&self.calibration)?,
            pass_mark,
            is_change: is_active || self.file.is_some(),
        })
    }

    /// Activates the calibration for all services. False when the installed one is in use already.
    ///
    /// # Errors
    ///
    /// When nothing was activated.
    pub async fn activate(&self, administration: &Administration) -> Result<bool, StoreError> {
        let model_set = self.set.name().to_owned();
        let Some(file) = self.file.clone() else {
            return administration.use_installed_calibration(&model_set).await;
        };
        let (calibration_id, activated_at) = (self.calibration.id(), Utc::now().trunc_subsecs(6));
        let active = ActiveCalibration { model_set, calibration_id, file, activated_at };
        administration.activate_calibration(active).await?;
        Ok(true)
    }
}

/// Checks that a file is not longer than the store permits.
///
/// # Errors
///
/// [`CalibrationActivationError::TooLong`] when it is.
pub fn check_calibration_size(location: &str, bytes: u64) -> Result<(), CalibrationActivationError> {
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    Err(CalibrationActivationError::TooLong { location: location.to_owned(), bytes })
}

impl Scale {
    fn of(file: &CalibrationFile) -> Result<Self, ModelError> {
        Ok(Self { calibration: file.id(), pass_cosine: file.map()?.pass_cosine(), score: file.score() })
    }
}

impl MovedPassMark {
    fn between(former: &CalibrationFile, present: &CalibrationFile) -> Result<Option<Self>, ModelError> {
        if former.score() != present.score() {
            return Ok(None);
        }
        let (old, new) = (former.map()?, present.map()?);
        Ok(Some(Self {
            former_is_now: percentage(&new, old.pass_cosine()),
            present_was: percentage(&old, new.pass_cosine()),
        }))
    }
}

fn percentage(scale: &Calibration, cosine: f64) -> f64 {
    scale.percentage(Similarity::from_cosine(cosine)).value()
}
