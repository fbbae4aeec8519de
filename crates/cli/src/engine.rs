//! Which models the face engine uses, and how it starts.

use anyhow::Result;
use padan_inference::{Config, Engine, StartError};
use padan_store::Store;

use crate::settings::Settings;

/// The model set to use: the named one, else the active one, else the configured one. While the store is down it is the
/// configured one; a service switches to the active one when the store is back.
pub(crate) async fn model_set(named: Option<&str>, settings: &Settings, store: &Store) -> String {
    if let Some(named) = named {
        return named.to_owned();
    }
    match store.active_model().await {
        Ok(Some(active)) => return active.model_set,
        Ok(None) => {}
        Err(error) => tracing::warn!("cannot read yet which model is active: {error}"),
    }
    settings.inference.model_set.clone()
}

/// Loads the models and runs them once, which keeps every core busy for a moment.
pub(crate) async fn start_engine(settings: &Settings) -> Result<Engine> {
    start(settings.inference.clone(), Engine::start).await
}

/// The same for a service with this model set.
pub(crate) async fn start_engine_of(set: &str, settings: &Settings) -> Result<Engine> {
    let config = Config { model_set: set.to_owned(), ..settings.inference.clone() };
    start(config, Engine::start_for_service).await
}

async fn start(config: Config, start: fn(&Config) -> Result<Engine, StartError>) -> Result<Engine> {
    Ok(tokio::task::spawn_blocking(move || start(&config)).await??)
}
