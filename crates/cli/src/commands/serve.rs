use std::{process::ExitCode, sync::Arc};

use anyhow::{Result, bail};
use clap::Args;
use padan_store::{Store, StoreError};
use padan_verification::Clients;
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

use crate::{
    service,
    settings::{Settings, SettingsArguments},
    shutdown::Shutdown,
    telemetry,
};

/// Serve the API until SIGTERM or Ctrl-C
///
/// Databases that are down do not stop the start: requests are answered 503 and /readyz says what is missing.
/// SIGHUP reads the file of clients again.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    settings: SettingsArguments,
}

/// Serves, and returns once the requests under way have been answered.
pub(crate) fn run(arguments: &ServeArguments) -> Result<ExitCode> {
    let (settings, effective) = arguments.settings.load()?;
    telemetry::start(&settings.log)?;
    padan_http_api::report_panics_without_data();
    if settings.clients.demo {
        bail!(
            "clients.demo admits credentials that everybody knows, which is for `padan demo` alone: set it to \
             false and add clients with `padan client add`"
        );
    }
    Runtime::new()?.block_on(serve(&settings, &effective.hash()?))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(settings: &Settings, hash: &str) -> Result<()> {
    let mut shutdown = Shutdown::listen(&[SignalKind::terminate(), SignalKind::interrupt()])?;
    let store = service::open_store(settings)?;
    let clients = Arc::new(Clients::load_with_store(&settings.clients, &store)?);
    refuse_pending_migrations(&store).await?;
    let engine = tokio::select! {
        engine = service::start_engine_in_use(settings, &store) => engine?,
        _ = shutdown.requested() => return Ok(()),
    };
    let application = service::build_for(settings, engine, store, Arc::clone(&clients))?;
    application.tell_settings(hash);
    tracing::info!(port = application.port(), admin_port = application.admin_port(), "serving");
    reload_on_hangup(clients)?;
    let stop = async move {
        shutdown.requested().await;
        tracing::info!("ending: no new requests, those under way are answered");
    };
    application.run_until_stopped(stop).await?;
    tracing::info!("ended");
    Ok(())
}

/// A program that is newer than the store would fail at each request. A store that is down may come back.
async fn refuse_pending_migrations(store: &Store) -> Result<()> {
    match store.pending_migrations().await {
        Ok(pending) if pending.is_empty() => Ok(()),
        Ok(pending) => bail!(
            "the store lacks {} of its migrations ({}): run `padan migrate` with the same settings",
            pending.len(),
            pending.join(", ")
        ),
        Err(error @ (StoreError::Unavailable(_) | StoreError::Timeout(_))) => {
            tracing::warn!("{error}; serving 503 until it answers");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn reload_on_hangup(clients: Arc<Clients>) -> Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            match clients.reload() {
                Ok(count) => tracing::info!(count, "the clients were read again"),
                Err(error) => tracing::error!("the clients stay as they were: {error}"),
            }
        }
    });
    Ok(())
}
