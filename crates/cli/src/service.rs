use std::{io, sync::Arc};

use anyhow::{Context, Result};
use padan_domain::Clock;
use padan_http_api::Application;
use padan_inference::Engine;
use padan_registry::Registry;
use padan_store::Store;
use padan_verification::{Clients, Verifier, VerifierParts};

use crate::settings::Settings;

/// Loads the models and warms them, which takes a moment of every core.
pub(crate) async fn start_engine(settings: &Settings) -> Result<Engine> {
    let config = settings.inference.clone();
    let engine = tokio::task::spawn_blocking(move || Engine::start(&config)).await??;
    Ok(engine)
}

/// Puts the service together and takes its two ports.
pub(crate) fn build(settings: &Settings, engine: Engine, store: Store) -> Result<Application> {
    let clients = Clients::load(&settings.clients)?;
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
    let verifier = Arc::new(Verifier::new(VerifierParts {
        registry: Registry::new(&settings.registry)?,
        audit: Some(store.audit_trail(clock)),
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
