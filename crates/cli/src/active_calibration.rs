use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::Result;
use padan_domain::ScoreTransformation;
use padan_inference::{CalibrationFile, Catalogue, Engine, ModelSet, model_folders};
use padan_store::{ActiveCalibration, Store, StoreError, Templates};
use padan_verification::{EngineInUse, calibration_in_use, open_cohort, parse_active_calibration};

use crate::settings::Settings;

/// The engine with the calibration that is in use for its model set.
pub(crate) async fn with_calibration_in_use(
    settings: &Settings,
    store: &Store,
    engine: &Engine,
) -> Result<Engine> {
    let catalogue = Catalogue::load(&model_folders(&settings.inference))?;
    let set = catalogue.set(&engine.identity().model_set)?;
    let file = calibration_in_use(store, &catalogue, &set).await?;
    with_calibration(&store.templates(), engine, &set, &file).await
}

/// The engine with a calibration, and with the cohort that it names.
async fn with_calibration(
    templates: &Templates,
    engine: &Engine,
    set: &ModelSet,
    file: &CalibrationFile,
) -> Result<Engine> {
    Ok(engine.with_calibration(file, open_cohort(templates, set, file).await?)?)
}

/// How long a cohort is held before it is read again: so long, the face of somebody who was forgotten may still be in it.
const COHORT_LIFETIME: Duration = Duration::from_hours(1);

/// Follows the active calibration of the model set that serves.
#[derive(Default)]
pub(crate) struct FollowedCalibration {
    /// The installed calibration of each model set that served, as it was read first: another one that is installed later
    /// takes effect at the next start.
    installed: HashMap<String, CalibrationFile>,
    /// When a cohort was read last.
    cohort_read: Option<Instant>,
    /// Why the active calibration cannot be used.
    failure: Option<String>,
}

impl FollowedCalibration {
    /// Exchanges the calibration of the engine if another one is active. False when that one cannot be used: then the
    /// former one stays.
    pub(crate) async fn follow(&mut self, settings: &Settings, store: &Store, engine: &EngineInUse) -> bool {
        let current = engine.current();
        let active = match store.active_calibration(&current.identity().model_set).await {
            Ok(active) => Ok(active),
            Err(error @ StoreError::Inconsistent { .. }) => Err(error.into()),
            // An outage of the store is reported by every request, and needs no report here.
            Err(_) => return self.failure.is_none(),
        };
        let wanted = match active {
            Ok(active) => self.wanted(settings, store, active, &current).await,
            Err(error) => Err(error),
        };
        match wanted {
            Ok(changed) => {
                if let Some(changed) = changed {
                    let (before, after) = (current.identity(), changed.identity());
                    if before.calibration_id != after.calibration_id {
                        tracing::info!(
                            set = after.model_set,
                            calibration = after.calibration_id,
                            "serving with the active calibration"
                        );
                    }
                    engine.replace(changed);
                }
                self.failure = None;
                true
            }
            Err(error) => {
                let reason = format!("{error:#}");
                if self.failure.as_ref() != Some(&reason) {
                    let set = &current.identity().model_set;
                    tracing::error!(set, "cannot use the active calibration, the former one stays: {reason}");
                }
                self.failure = Some(reason);
                false
            }
        }
    }

    /// The engine with the calibration that is in use; `None` when it has it already.
    async fn wanted(
        &mut self,
        settings: &Settings,
        store: &Store,
        active: Option<ActiveCalibration>,
        current: &Engine,
    ) -> Result<Option<Engine>> {
        let serving = &current.identity().calibration_id;
        let is_serving = active.as_ref().is_some_and(|active| active.calibration_id == *serving);
        if is_serving && !self.has_old_cohort(current) {
            return Ok(None);
        }
        let catalogue = Catalogue::load(&model_folders(&settings.inference))?;
        let set = catalogue.set(&current.identity().model_set)?;
        let file = match active {
            Some(active) => parse_active_calibration(&active, &set)?,
            None => self.installed(&catalogue, &set)?,
        };
        if file.id() == *serving && file.cohort().is_none() {
            return Ok(None);
        }
        let changed = with_calibration(&store.templates(), current, &set, &file).await?;
        self.cohort_read = Some(Instant::now());
        Ok(Some(changed))
    }

    /// Whether the engine has a cohort that is to be read again.
    fn has_old_cohort(&mut self, current: &Engine) -> bool {
        let has_cohort = matches!(current.calibration().transformation(), ScoreTransformation::Cohort(_));
        has_cohort && self.cohort_read.get_or_insert_with(Instant::now).elapsed() >= COHORT_LIFETIME
    }

    fn installed(&mut self, catalogue: &Catalogue, set: &ModelSet) -> Result<CalibrationFile> {
        if let Some(file) = self.installed.get(set.name()) {
            return Ok(file.clone());
        }
        let file = catalogue.calibration(set)?;
        self.installed.insert(set.name().to_owned(), file.clone());
        Ok(file)
    }
}
