use padan_inference::{CalibrationFile, Catalogue, ModelError, ModelSet};
use padan_store::{ActiveCalibration, Store, StoreError};

/// Why the calibration that services use for a model set is not known.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationInUseError {
    /// The active calibration was made for other models, or its file is invalid.
    #[error("the active calibration cannot be used with the installed models")]
    Unusable(#[source] ModelError),
    /// The id in the store is not that of the file.
    #[error("the active calibration has another id than its file")]
    OtherId,
    /// There is no installed calibration.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The store failed, or the active calibration is not signed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The calibration that services use for a model set: the active one, or else the installed one.
///
/// # Errors
///
/// When the store fails, or the active one is not signed or was not made for this model set.
pub async fn calibration_in_use(
    store: &Store,
    catalogue: &Catalogue,
    set: &ModelSet,
) -> Result<CalibrationFile, CalibrationInUseError> {
    match store.active_calibration(set.name()).await? {
        Some(active) => parse_active_calibration(&active, set),
        None => Ok(catalogue.calibration(set)?),
    }
}

/// The file of an active calibration.
///
/// # Errors
///
/// When it was not made for this model set, or its id is not that of the store.
pub fn parse_active_calibration(
    active: &ActiveCalibration,
    set: &ModelSet,
) -> Result<CalibrationFile, CalibrationInUseError> {
    let file = CalibrationFile::parse("the active calibration", &active.file, set)
        .map_err(CalibrationInUseError::Unusable)?;
    if file.id() != active.calibration_id {
        return Err(CalibrationInUseError::OtherId);
    }
    Ok(file)
}
