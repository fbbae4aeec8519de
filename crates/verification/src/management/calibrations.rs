use padan_inference::{Catalogue, ModelError};

use super::mandate::Mandate;
use crate::calibration_activation::{CalibrationActivation, CalibrationActivationError, ScaleChange};

/// The calibration that an operator wants.
#[derive(Debug)]
pub enum WantedCalibration {
    /// The text of a file.
    File(String),
    /// The installed calibration of this model set.
    Installed(String),
}

/// What errors call a file that was sent.
const SENT: &str = "the calibration file";

impl Mandate {
    /// Tells what the activation of a calibration would change.
    ///
    /// # Errors
    ///
    /// [`CalibrationActivationError`] when it cannot be activated.
    pub async fn preview_calibration(
        &self,
        wanted: WantedCalibration,
    ) -> Result<ScaleChange, CalibrationActivationError> {
        self.read(wanted).await?.compare(&self.management.store).await
    }

    /// Activates a calibration for all services, and tells what changed.
    ///
    /// # Errors
    ///
    /// [`CalibrationActivationError`] when nothing was activated.
    pub async fn activate_calibration(
        &self,
        wanted: WantedCalibration,
    ) -> Result<ScaleChange, CalibrationActivationError> {
        let activation = self.read(wanted).await?;
        let change = activation.compare(&self.management.store).await?;
        let is_change = activation.activate(&self.administration).await?;
        Ok(ScaleChange { is_change, ..change })
    }

    /// Reads a calibration beside the requests, since the files of the catalogue are read too.
    async fn read(
        &self,
        wanted: WantedCalibration,
    ) -> Result<CalibrationActivation, CalibrationActivationError> {
        let folders = self.management.model_folders.clone();
        let read = tokio::task::spawn_blocking(move || {
            let catalogue = Catalogue::load(&folders)?;
            match wanted {
                WantedCalibration::File(text) => CalibrationActivation::of_file(SENT, text, &catalogue),
                WantedCalibration::Installed(set) => {
                    Ok(CalibrationActivation::of_installed(&set, &catalogue)?)
                }
            }
        });
        read.await.unwrap_or_else(|error| Err(ModelError::Graph(error.to_string()).into()))
    }
}
