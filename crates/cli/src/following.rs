use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use padan_inference::Engine;
use padan_store::{ActiveModel, Store};
use padan_verification::EngineInUse;
use tokio::time::{MissedTickBehavior, interval};

use crate::settings::Settings;

/// How often a service looks which model is active: one look-up of one row.
const APART: Duration = Duration::from_secs(2);

/// How long after a failure the same model is tried again: its files may have been installed meanwhile.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// A model that could not be used, and when.
struct Refused {
    model: ActiveModel,
    why: String,
    at: Instant,
}

/// Follows the active model for ever: loads and warms another one beside the one that serves, then lets requests use
/// it. One that cannot be loaded leaves requests with the one that serves, and is tried again.
pub(crate) async fn follow_active_model(settings: Settings, store: Store, engine: EngineInUse) {
    let mut looks = interval(APART);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut refused: Option<Refused> = None;
    loop {
        looks.tick().await;
        // A store that is down is told by every request; what is active is seen when it is back.
        let Ok(active) = store.active_model().await else { continue };
        let Some(active) = active.filter(|active| *engine.current().contract() != active.contract) else {
            refused = None;
            if engine.set_outdated(false) {
                tracing::info!("the model that serves is the active one again");
            }
            continue;
        };
        if refused.as_ref().is_some_and(|refused| refused.still_holds(&active)) {
            continue;
        }
        match load(&settings, &active).await {
            Ok(loaded) => {
                engine.replace(loaded);
                engine.set_outdated(false);
                refused = None;
                tracing::info!(set = active.model_set, contract = %active.contract, "the active model serves now");
            }
            Err(error) => {
                let why = format!("{error:#}");
                let is_news =
                    refused.as_ref().is_none_or(|before| before.model != active || before.why != why);
                if engine.set_outdated(true) || is_news {
                    tracing::error!(
                        set = active.model_set,
                        "the active model cannot be used; the one before goes on, and it is tried again every {} s: \
                         {why}",
                        TRIED_AGAIN_AFTER.as_secs()
                    );
                }
                refused = Some(Refused { model: active, why, at: Instant::now() });
            }
        }
    }
}

impl Refused {
    fn still_holds(&self, active: &ActiveModel) -> bool {
        self.model == *active && self.at.elapsed() < TRIED_AGAIN_AFTER
    }
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
