use std::time::Duration;

use anyhow::{Result, bail};
use padan_inference::Engine;
use padan_store::{ActiveModel, Store};
use padan_verification::EngineInUse;
use tokio::time::{MissedTickBehavior, interval};

use crate::settings::Settings;

/// How often a service looks which model is active: one look-up of one row.
const APART: Duration = Duration::from_secs(2);

/// Follows the active model for as long as the runtime lives: loads and warms another one beside the one that serves,
/// then lets requests use it.
pub(crate) fn follow_active_model(settings: &Settings, store: Store, engine: EngineInUse) {
    let settings = settings.clone();
    tokio::spawn(async move {
        let mut looks = interval(APART);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut refused = None;
        loop {
            looks.tick().await;
            // A store that is down is told by every request; what is active is seen when it is back.
            let Ok(Some(active)) = store.active_model().await else { continue };
            if *engine.current().contract() == active.contract || refused.as_ref() == Some(&active) {
                continue;
            }
            match load(&settings, &active).await {
                Ok(loaded) => {
                    engine.replace(loaded);
                    tracing::info!(set = active.model_set, contract = %active.contract, "the active model serves now");
                }
                Err(error) => {
                    tracing::error!("the active model cannot be used, and the one before goes on: {error:#}");
                    refused = Some(active);
                }
            }
        }
    });
}

async fn load(settings: &Settings, active: &ActiveModel) -> Result<Engine> {
    let mut config = settings.inference.clone();
    config.model_set.clone_from(&active.model_set);
    let engine = tokio::task::spawn_blocking(move || Engine::start(&config)).await??;
    if *engine.contract() != active.contract {
        bail!(
            "the set {} has the contract {} here, and {} was activated: install the same models",
            active.model_set,
            engine.contract(),
            active.contract
        );
    }
    Ok(engine)
}
