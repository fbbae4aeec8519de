//! Cohorts of scales: people with whom both faces of a comparison are compared too, sealed in the store.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use padan_domain::Cohort;
use padan_inference::{CalibrationFile, ModelSet};
use padan_store::{CohortState, Store};

/// Decrypts the cohort that a calibration names; `None` if it names none.
///
/// # Errors
///
/// When it is not there, is another one, or too many of its people were forgotten: no scale is used without its cohort.
pub(crate) async fn open_cohort(
    store: &Store,
    set: &ModelSet,
    file: &CalibrationFile,
) -> Result<Option<Arc<Cohort>>> {
    let Some(table) = file.cohort() else { return Ok(None) };
    let opened = store.cohort(&table.cohort, &set.contract()).await.with_context(|| {
        format!("the cohort {} of calibration {} cannot be used", table.cohort, file.id())
    })?;
    let Some(opened) = opened else { bail!(missing(file, &table.cohort)) };
    check_state(file, &table.cohort, opened.state)?;
    Ok(Some(Arc::new(Cohort::new(&opened.embeddings)?)))
}

/// How much of the cohort is there that a calibration names; `None` if it names none.
///
/// # Errors
///
/// As [`open_cohort`].
pub(crate) async fn check_cohort(store: &Store, file: &CalibrationFile) -> Result<Option<CohortState>> {
    let Some(table) = file.cohort() else { return Ok(None) };
    let state = store.cohort_state(&table.cohort).await.with_context(|| {
        format!("the cohort {} of calibration {} cannot be used", table.cohort, file.id())
    })?;
    let Some(state) = state else { bail!(missing(file, &table.cohort)) };
    check_state(file, &table.cohort, state)?;
    Ok(Some(state))
}

fn missing(file: &CalibrationFile, cohort: &str) -> String {
    format!(
        "the store has no cohort {cohort}, which calibration {} needs: make the calibration again with `padan calibrate \
         --cohort`, or activate another one",
        file.id()
    )
}

fn check_state(file: &CalibrationFile, cohort: &str, state: CohortState) -> Result<()> {
    let CohortState { members, forgotten } = state;
    let stated = file.cohort().map_or(0, |table| table.persons);
    ensure!(
        stated == members as u64,
        "the cohort {cohort} has {members} people, and calibration {} says {stated}",
        file.id()
    );
    ensure!(
        !state.is_worn_out(),
        "{forgotten} of the {members} people of cohort {cohort} were forgotten since calibration {} was made: make it again \
         with `padan calibrate --cohort`",
        file.id()
    );
    Ok(())
}
