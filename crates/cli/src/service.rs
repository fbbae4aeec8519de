use std::{io, sync::Arc};

use anyhow::{Context, Result};
use padan_domain::Clock;
use padan_http_api::Application;
use padan_inference::Engine;
use padan_registry::Registry;
use padan_store::Store;
use padan_verification::{Clients, EngineInUse, Verifier, VerifierParts};

use crate::{following::follow_active_model, settings::Settings};

/// Loads the models and warms them, which takes a moment of every core.
pub(crate) async fn start_engine(settings: &Settings) -> Result<Engine> {
    let config = settings.inference.clone();
    let engine = tokio::task::spawn_blocking(move || Engine::start(&config)).await??;
    Ok(engine)
}

/// Loads the active model, or the configured one when the active one cannot be used: it may not be installed here, and
/// a service that restarts must not go down over an activation that one which runs survives. The active one is tried
/// again while the other serves.
pub(crate) async fn start_engine_in_use(settings: &Settings, store: &Store) -> Result<Engine> {
    let mut active = settings.clone();
    use_active_model(&mut active, store).await;
    let set = &active.inference.model_set;
    match start_engine(&active).await {
        Err(error) if *set != settings.inference.model_set => {
            let configured = &settings.inference.model_set;
            let engine = start_engine(settings).await.with_context(|| {
                format!(
                    "neither the active model {set} ({error:#}) nor the configured {configured} can be used"
                )
            })?;
            tracing::error!(
                "the active model {set} cannot be used, and the configured {configured} serves: {error:#}"
            );
            Ok(engine)
        }
        started => started,
    }
}

/// Names the active model set in the settings, if one was activated. A store that is down leaves what they say: a
/// service takes the active one up when it is back.
pub(crate) async fn use_active_model(settings: &mut Settings, store: &Store) {
    match store.active_model().await {
        Ok(Some(active)) => settings.inference.model_set = active.model_set,
        Ok(None) => {}
        Err(error) => tracing::warn!("which model is active is not known yet: {error}"),
    }
}

/// Puts the service together and takes its two ports.
pub(crate) fn build(settings: &Settings, engine: Engine, store: Store) -> Result<Application> {
    let clients = Clients::load_with_store(&settings.clients, &store)?;
    build_for(settings, engine, store, Arc::new(clients))
}

/// The same for clients that were read already.
pub(crate) fn build_for(
    settings: &Settings,
    engine: Engine,
    store: Store,
    clients: Arc<Clients>,
) -> Result<Application> {
    let clock = Clock::System;
    let engine = EngineInUse::new(engine);
    follow_active_model(settings, store.clone(), engine.clone());
    let verifier = Arc::new(Verifier::new(VerifierParts {
        registry: Registry::new(&settings.registry)?,
        audit: store.audit_trail(clock),
        store,
        engine,
        config: settings.verification.clone(),
        clock,
    }));
    let http = &settings.http;
    Application::build(http, verifier, clients).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "{}:{} or {}:{} is in use by another program: choose other ports",
            http.address,
            http.port,
            http.admin_address,
            http.admin_port
        ),
        _ => anyhow::Error::new(error).context("the service cannot listen"),
    })
}

/// The store, or why its settings cannot work.
pub(crate) fn open_store(settings: &Settings) -> Result<Store> {
    Store::new(&settings.store).context("the store cannot be used")
}
