//! The service within the process of another program, which is `padan-demo`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use padan_http_api::Application;
use padan_inference::Engine;
use padan_store::{Administration, KeySet, Store};
use padan_verification::{BackgroundTasks, Clients};
use tokio::sync::watch;

use crate::{commands::enroll::Waiting, engine, service, settings::SettingsArguments};
pub use crate::{settings::Settings, shutdown::Shutdown, tls::install_crypto_provider};

/// Reads the defaults and one file, and ignores the environment.
///
/// # Errors
///
/// When the file cannot be read, or a setting is wrong.
pub fn settings_of_file(file: &Path) -> Result<Settings> {
    SettingsArguments::of_file_alone(file)
}

/// Opens the store with all keys. Nothing is connected to.
///
/// # Errors
///
/// When the settings of the store cannot be used.
pub fn open_store(settings: &Settings) -> Result<Store> {
    service::open_store(settings, KeySet::All)
}

/// Loads the models of the settings.
///
/// # Errors
///
/// When a model or the runtime cannot be loaded.
pub async fn start_engine(settings: &Settings) -> Result<Engine> {
    engine::start_engine(settings).await
}

/// Administration of the store by the user who runs this process. Must be called within a Tokio runtime.
pub fn administration(store: &Store) -> Administration {
    service::administration(store)
}

/// Builds the service and binds its two ports. Unlike `padan serve`, it admits published credentials if the settings do.
///
/// # Errors
///
/// When the settings cannot be used, or a port is taken.
pub fn build(settings: &Settings, engine: Engine) -> Result<Application> {
    let store = open_store(settings)?;
    let mut tasks = BackgroundTasks::default();
    let clients = Clients::load_with_store(&settings.clients, &store, &mut tasks)?;
    service::build_with_clients(settings, engine, store, Arc::new(clients), tasks)
}

/// Does the enrolments that operators start in the console, until it is to stop. People without a template are listed in
/// the file `failures`.
///
/// # Errors
///
/// When the registry's user cannot read all people.
pub async fn do_enrolments(settings: Settings, failures: PathBuf, stop: watch::Receiver<bool>) -> Result<()> {
    let store = open_store(&settings)?;
    Waiting { settings, store, rate: None, failures, stop }.run().await
}
