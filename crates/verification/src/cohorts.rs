//! Cohorts of scales: people with whom both faces of a comparison are compared too, sealed in the store.

use std::sync::Arc;

use padan_domain::Cohort;
use padan_inference::{CalibrationFile, ModelSet};
use padan_store::{CohortState, StoreError, Templates};

/// Why the cohort of a calibration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CohortError {
    /// The store has another one of this id, or failed.
    #[error("the cohort {cohort} of calibration {calibration} cannot be used")]
    Unusable {
        /// The cohort.
        cohort: String,
        /// The id of the calibration.
        calibration: String,
        /// What the store says.
        #[source]
        error: StoreError,
    },
    /// The store has no such cohort.
    #[error(
        "the store has no cohort {cohort}, which calibration {calibration} needs: make the calibration again with `padan \
         calibrate --cohort`, or activate another one"
    )]
    Missing {
        /// The cohort.
        cohort: String,
        /// The id of the calibration.
        calibration: String,
    },
    /// The cohort has not as many people as the calibration says.
    #[error("the cohort {cohort} has {members} people, and calibration {calibration} says {stated}")]
    OtherSize {
        /// The cohort.
        cohort: String,
        /// The id of the calibration.
        calibration: String,
        /// Its people, with those who were forgotten.
        members: usize,
        /// Its people by the calibration.
        stated: u64,
    },
    /// Too many of its people were forgotten.
    #[error(
        "{forgotten} of the {members} people of cohort {cohort} were forgotten since calibration {calibration} was made: make \
         it again with `padan calibrate --cohort`"
    )]
    WornOut {
        /// The cohort.
        cohort: String,
        /// The id of the calibration.
        calibration: String,
        /// Its people, with those who were forgotten.
        members: usize,
        /// Those who were forgotten.
        forgotten: usize,
    },
    /// Its faces are no cohort.
    #[error(transparent)]
    Invalid(#[from] padan_domain::InvalidCohort),
}

/// Decrypts the cohort that a calibration names; `None` if it names none.
///
/// # Errors
///
/// When it is not there, is another one, or too many of its people were forgotten: no scale is used without its cohort.
pub async fn open_cohort(
    templates: &Templates,
    set: &ModelSet,
    file: &CalibrationFile,
) -> Result<Option<Arc<Cohort>>, CohortError> {
    let Some(table) = file.cohort() else { return Ok(None) };
    let opened = templates.cohort(&table.cohort, &set.contract()).await;
    let Some(opened) = opened.map_err(|error| unusable(file, &table.cohort, error))? else {
        return Err(missing(file, &table.cohort));
    };
    check_state(file, &table.cohort, opened.state)?;
    Ok(Some(Arc::new(Cohort::new(&opened.embeddings)?)))
}

/// How much of the cohort is there that a calibration names; `None` if it names none.
///
/// # Errors
///
/// As [`open_cohort`].
pub async fn check_cohort(
    templates: &Templates,
    file: &CalibrationFile,
) -> Result<Option<CohortState>, CohortError> {
    let Some(table) = file.cohort() else { return Ok(None) };
    let state = templates.cohort_state(&table.cohort).await;
    let Some(state) = state.map_err(|error| unusable(file, &table.cohort, error))? else {
        return Err(missing(file, &table.cohort));
    };
    check_state(file, &table.cohort, state)?;
    Ok(Some(state))
}

fn unusable(file: &CalibrationFile, cohort: &str, error: StoreError) -> CohortError {
    CohortError::Unusable { cohort: cohort.to_owned(), calibration: file.id(), error }
}

fn missing(file: &CalibrationFile, cohort: &str) -> CohortError {
    CohortError::Missing { cohort: cohort.to_owned(), calibration: file.id() }
}

fn check_state(file: &CalibrationFile, cohort: &str, state: CohortState) -> Result<(), CohortError> {
    let CohortState { members, forgotten } = state;
    let (cohort, calibration) = (cohort.to_owned(), file.id());
    let stated = file.cohort().map_or(0, |table| table.persons);
    if stated != members as u64 {
        return Err(CohortError::OtherSize { cohort, calibration, members, stated });
    }
    if state.is_worn_out() {
        return Err(CohortError::WornOut { cohort, calibration, members, forgotten });
    }
    Ok(())
}
