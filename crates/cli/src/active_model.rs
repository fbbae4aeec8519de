use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use padan_inference::Engine;
use padan_store::{ActiveModel, Store};
use padan_verification::EngineInUse;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    active_calibration::{FollowedCalibration, with_calibration_in_use},
    settings::Settings,
};

/// How often the service reads which model is active: a look-up of one row.
const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// How long after a failure the same model is tried again: its files may have been installed in the meantime.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// A model that could not be loaded, why, and when.
struct FailedLoad {
    model: ActiveModel,
    reason: String,
    at: Instant,
}

/// Follows the active model and its active calibration, and does not end.
///
/// When another model becomes active, it is loaded and warmed up while the current one serves; then requests use it.
/// If it cannot be loaded, the current model stays in use and the load is retried.
pub(crate) async fn follow_active_model(settings: Settings, store: Store, engine: EngineInUse) {
    let mut polls = interval(POLL_INTERVAL);
    polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failed: Option<FailedLoad> = None;
    let mut calibration = FollowedCalibration::default();
    loop {
        polls.tick().await;
        // An outage of the store is reported by every request, and needs no report here.
        let Ok(active) = store.active_model().await else { continue };
        let Some(active) = active.filter(|active| *engine.current().contract() != active.contract) else {
            failed = None;
            let is_outdated = !calibration.follow(&settings, &store, &engine).await;
            if engine.set_outdated(is_outdated) && !is_outdated {
                tracing::info!("the serving model and calibration are the active ones again");
            }
            continue;
        };
        if failed.as_ref().is_some_and(|failed| failed.is_recent(&active)) {
            continue;
        }
        match load(&settings, &store, &active).await {
            Ok(loaded) => {
                engine.replace(loaded);
                engine.set_outdated(false);
                failed = None;
                tracing::info!(set = active.model_set, contract = %active.contract, "serving with the active model");
            }
            Err(error) => {
                let reason = format!("{error:#}");
                let is_new =
                    failed.as_ref().is_none_or(|before| before.model != active || before.reason != reason);
                if engine.set_outdated(true) || is_new {
                    tracing::error!(
                        set = active.model_set,
                        "cannot load the active model, serving with the former one and retrying every {} s: {reason}",
                        RETRY_INTERVAL.as_secs()
                    );
                }
                failed = Some(FailedLoad { model: active, reason, at: Instant::now() });
            }
        }
    }
}

impl FailedLoad {
    /// Returns whether this model failed so recently that it is not tried again yet.
    fn is_recent(&self, active: &ActiveModel) -> bool {
        self.model == *active && self.at.elapsed() < RETRY_INTERVAL
    }
}

async fn load(settings: &Settings, store: &Store, active: &ActiveModel) -> Result<Engine> {
    let mut config = settings.inference.clone();
    config.model_set.clone_from(&active.model_set);
    let engine = tokio::task::spawn_blocking(move || Engine::start(&config)).await??;
    if *engine.contract() != active.contract {
        bail!(
            "model set {} has the contract {} on this machine, but {} was activated: install the same models",
            active.model_set,
            engine.contract(),
            active.contract
        );
    }
    with_calibration_in_use(settings, store, &engine).await
}
