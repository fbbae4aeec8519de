use std::{num::NonZeroUsize, thread};

use anyhow::{Context as _, Result};
use padan_inference::{Config, Engine};
use padan_store::{ShadowModel, Store, StoreError};
use padan_verification::{EngineInUse, Shadow, ShadowSet};
use tokio::{
    sync::oneshot,
    time::{MissedTickBehavior, interval},
};

use crate::{
    active_calibration::FollowedCalibration,
    active_model::{FailedLoad, POLL_INTERVAL, RETRY_INTERVAL, with_contract},
    priority::lower_priority,
    settings::Settings,
};

/// Follows the shadow model set and its active calibration, and does not end.
///
/// What fails here is logged and counted, and no request notices it.
pub(crate) async fn follow_shadow_model(
    settings: Settings,
    store: Store,
    active: EngineInUse,
    shadow: Shadow,
) {
    let mut polls = interval(POLL_INTERVAL);
    polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut follower = Follower { settings, store, shadow, failed: None, refused: false };
    let mut calibration = FollowedCalibration::default();
    loop {
        polls.tick().await;
        // An outage of the store is reported by every request, and needs no report here.
        let Some(wanted) = follower.read().await else { continue };
        // The set that decides has nothing to be compared with.
        let deciding = active.current();
        follower.measure(wanted.filter(|wanted| !is_same(&deciding, wanted))).await;
        if let Some(engine) = follower.shadow.set().and_then(|set| set.engine) {
            calibration.follow(&follower.settings, &follower.store, &engine).await;
        }
    }
}

/// Whether this engine is one of the shadow model set.
fn is_same(engine: &Engine, wanted: &ShadowModel) -> bool {
    *engine.contract() == wanted.contract && engine.identity().model_set == wanted.model_set
}

struct Follower {
    settings: Settings,
    store: Store,
    shadow: Shadow,
    failed: Option<FailedLoad<ShadowModel>>,
    /// Whether the row in the store was not signed by Padan when it was read last.
    refused: bool,
}

impl Follower {
    /// What the store says; `None` when it does not answer. A row that Padan did not sign counts as none.
    async fn read(&mut self) -> Option<Option<ShadowModel>> {
        match self.store.shadow_model().await {
            Ok(wanted) => {
                self.refused = false;
                Some(wanted)
            }
            Err(error @ StoreError::Inconsistent { .. }) => {
                if !self.refused {
                    tracing::error!("no shadow model is measured: {error}");
                }
                self.refused = true;
                Some(None)
            }
            Err(_) => None,
        }
    }

    /// Loads or unloads a model set, if another one is measured so far.
    async fn measure(&mut self, wanted: Option<ShadowModel>) {
        let former = self.shadow.set();
        let Some(wanted) = wanted else {
            self.failed = None;
            if let Some(former) = former {
                self.shadow.replace(None);
                tracing::info!(set = former.model.model_set, "the shadow model is no longer measured");
            }
            return;
        };
        if let Some(ShadowSet { model, engine: Some(engine) }) = former
            && is_same(&engine.current(), &wanted)
        {
            if model != wanted {
                self.shadow.replace(Some(ShadowSet { model: wanted, engine: Some(engine) }));
            }
            return;
        }
        if self.failed.as_ref().is_some_and(|failed| failed.is_recent(&wanted)) {
            return;
        }
        // The former one is unloaded first, so that no more than two engines are in memory.
        self.shadow.replace(Some(ShadowSet { model: wanted.clone(), engine: None }));
        self.load(wanted).await;
    }

    async fn load(&mut self, wanted: ShadowModel) {
        match load(&self.settings, &self.store, &wanted).await {
            Ok(engine) => {
                tracing::info!(
                    set = wanted.model_set,
                    contract = %wanted.contract,
                    share = wanted.share.value(),
                    "measuring the shadow model"
                );
                self.failed = None;
                let engine = Some(EngineInUse::new(engine));
                self.shadow.replace(Some(ShadowSet { model: wanted, engine }));
            }
            Err(error) => {
                let now = FailedLoad::now(wanted, &error);
                if self.failed.as_ref().is_none_or(|before| !now.repeats(before)) {
                    tracing::error!(
                        "cannot load the shadow model, retrying every {} s: {}",
                        RETRY_INTERVAL.as_secs(),
                        now.reason()
                    );
                }
                self.failed = Some(now);
            }
        }
    }
}

/// Loads the model set with one worker, which embeds with one thread, at a low priority.
async fn load(settings: &Settings, store: &Store, wanted: &ShadowModel) -> Result<Engine> {
    let config = Config {
        model_set: wanted.model_set.clone(),
        liveness_set: None,
        workers: Some(NonZeroUsize::MIN),
        threads: Some(NonZeroUsize::MIN),
        queue_length: NonZeroUsize::MIN,
        ..settings.inference.clone()
    };
    let engine = start_at_low_priority(config).await?;
    with_contract(settings, store, &engine, &wanted.contract).await
}

/// Starts an engine on a thread of its own: the engine's threads inherit the priority, which no thread can raise again.
async fn start_at_low_priority(config: Config) -> Result<Engine> {
    let (answer, started) = oneshot::channel();
    let start = move || {
        lower_priority();
        // Sending fails when the service ends.
        let _ = answer.send(Engine::start(&config));
    };
    thread::Builder::new().name("shadow".to_owned()).spawn(start)?;
    let started = started.await.context("the thread that loads the shadow model has panicked")?;
    Ok(started?)
}
