use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use padan_domain::ModelContractId;
use padan_inference::Engine;
use padan_store::{ActiveModel, Store};
use padan_verification::EngineInUse;
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    active_calibration::{FollowedCalibration, with_calibration_in_use},
    engine::start_engine_of,
    settings::Settings,
};

/// How often the service reads which model is active: a look-up of one row.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// How long after a failure the same model is tried again: its files may have been installed in the meantime.
pub(crate) const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// A model that could not be loaded, why, and when.
pub(crate) struct FailedLoad<M> {
    model: M,
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
    let mut failed: Option<FailedLoad<ActiveModel>> = None;
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
                let now = FailedLoad::now(active.clone(), &error);
                let is_new = failed.as_ref().is_none_or(|before| !now.repeats(before));
                if engine.set_outdated(true) || is_new {
                    tracing::error!(
                        set = active.model_set,
                        "cannot load the active model, serving with the former one and retrying every {} s: {}",
                        RETRY_INTERVAL.as_secs(),
                        now.reason()
                    );
                }
                failed = Some(now);
            }
        }
    }
}

impl<M: PartialEq> FailedLoad<M> {
    pub(crate) fn now(model: M, error: &anyhow::Error) -> Self {
        Self { model, reason: format!("{error:#}"), at: Instant::now() }
    }

    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether the same model failed before for the same reason.
    pub(crate) fn repeats(&self, before: &Self) -> bool {
        before.model == self.model && before.reason == self.reason
    }

    /// Returns whether this model failed so recently that it is not tried again yet.
    pub(crate) fn is_recent(&self, model: &M) -> bool {
        self.model == *model && self.at.elapsed() < RETRY_INTERVAL
    }
}

async fn load(settings: &Settings, store: &Store, active: &ActiveModel) -> Result<Engine> {
    let engine = start_engine_of(&active.model_set, settings).await?;
    let engine = with_contract(settings, store, &engine, &active.contract).await?;
    engine.embed_on_idle_processors();
    Ok(engine)
}

/// The engine with the calibration that is in use for its model set, if it has this contract.
pub(crate) async fn with_contract(
    settings: &Settings,
    store: &Store,
    engine: &Engine,
    contract: &ModelContractId,
) -> Result<Engine> {
    if engine.contract() != contract {
        bail!(
            "model set {} has the contract {} on this machine, but {contract} was chosen: install the same models",
            engine.identity().model_set,
            engine.contract(),
        );
    }
    with_calibration_in_use(settings, store, engine).await
}
