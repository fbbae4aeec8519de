use std::{process::ExitCode, sync::Arc};

use anyhow::{Result, bail};
use clap::Args;
use padan_http_api::Application;
use padan_store::{Store, StoreError};
use padan_verification::{BackgroundTasks, Clients};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

use crate::{
    reload::Reload,
    service,
    settings::{Effective, Settings, SettingsArguments},
    shutdown::Shutdown,
    telemetry::{self, LogFilter, Traces},
};

/// Serve the API until SIGTERM or Ctrl-C
///
/// Databases that are down do not stop the start: requests are answered 503 and /readyz says what is missing.
/// SIGTERM and Ctrl-C turn /readyz false, serve on for `http.shutdown_delay_seconds` and then end what is under way; a second
/// one ends at once. SIGHUP reads the log's filter, the limits of `[http]`, certificates and the file of clients again.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Start although the store lacks migrations of this release
    ///
    /// For a store that another release migrates in a moment. Whatever needs what is missing fails until then.
    #[arg(long)]
    despite_pending_migrations: bool,
}

/// Serves, and returns once the requests under way have been answered.
pub(crate) fn run(arguments: &ServeArguments) -> Result<ExitCode> {
    let (settings, effective) = arguments.settings.load()?;
    let traces = Traces::start(&settings.traces)?;
    let log = telemetry::start_with_traces(&settings.log, traces.as_ref())?;
    padan_http_api::report_panics_without_data();
    if settings.clients.demo {
        bail!(
            "clients.demo admits credentials that everybody knows, which is for `padan demo` alone: set it to \
             false and add clients with `padan client add`"
        );
    }
    let runtime = Runtime::new()?;
    let ended = runtime.block_on(serve(arguments, &settings, (effective, log)));
    // What still works on a photo when somebody insists on the end is not waited for.
    runtime.shutdown_background();
    match ended? {
        Ended::InOrder => {
            if let Some(traces) = traces {
                traces.finish();
            }
            Ok(ExitCode::SUCCESS)
        }
        // As a shell tells of a program that a signal ended.
        Ended::AtOnce(signal) => {
            Ok(u8::try_from(128 + signal.as_raw_value()).map_or(ExitCode::FAILURE, ExitCode::from))
        }
    }
}

/// How the service ended.
enum Ended {
    InOrder,
    /// By somebody who would not wait.
    AtOnce(SignalKind),
}

async fn serve(
    arguments: &ServeArguments,
    settings: &Settings,
    (effective, log): (Effective, LogFilter),
) -> Result<Ended> {
    let mut shutdown = Shutdown::listen(&[SignalKind::terminate(), SignalKind::interrupt()])?;
    // Before anything takes time: a process that does not listen for it is ended by it.
    let hangups = signal(SignalKind::hangup())?;
    let store = service::open_store(settings)?;
    let mut tasks = BackgroundTasks::default();
    let clients = Arc::new(Clients::load_with_store(&settings.clients, &store, &mut tasks)?);
    let starting = async {
        look_for_pending_migrations(&store, arguments.despite_pending_migrations).await?;
        service::start_engine_in_use(settings, &store).await
    };
    let engine = tokio::select! {
        engine = starting => engine?,
        _ = shutdown.requested() => return Ok(Ended::InOrder),
    };
    let mut application = service::build_for(settings, engine, store, Arc::clone(&clients), tasks)?;
    let controls = application.controls();
    controls.set_settings_hash(&effective.hash()?);
    tracing::info!(port = application.port(), admin_port = application.admin_port(), "serving");
    let arguments = arguments.settings.clone();
    let reload = Reload { arguments, at_start: effective, log, clients, controls };
    application.background_tasks().spawn("reload of the settings", reload.on_hangup(hangups));
    run_until_told(application, shutdown, settings.http.shutdown_delay_seconds).await
}

/// Serves until the first signal, and at the second no longer.
async fn run_until_told(
    application: Application,
    mut shutdown: Shutdown,
    delay_seconds: u64,
) -> Result<Ended> {
    let mut insistent = shutdown.clone();
    let stop = async move {
        shutdown.requested().await;
        tracing::info!(delay_seconds, "ending: not ready any more, and requests are served for a moment yet");
    };
    tokio::select! {
        ended = application.run_until_stopped(stop) => ended?,
        signal = insistent.insisted() => {
            tracing::warn!("ending at once: requests under way get no answer");
            return Ok(Ended::AtOnce(signal));
        }
    }
    tracing::info!("ended");
    Ok(Ended::InOrder)
}

/// A program that is newer than the store would fail at each request. A store that is down may come back.
async fn look_for_pending_migrations(store: &Store, start_despite: bool) -> Result<()> {
    match store.pending_migrations().await {
        Ok(pending) if pending.is_empty() => Ok(()),
        Ok(pending) if start_despite => {
            tracing::warn!("the store lacks migrations ({}): starting as told", pending.join(", "));
            Ok(())
        }
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
