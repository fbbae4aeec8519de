use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use padan_http_api::Application;
use padan_inference::CurrentFolder;
use padan_store::{KeySet, Store, StoreError};
use padan_verification::{BackgroundTasks, Clients};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

use crate::{
    exit_status::ExitStatus,
    memory_protection::protect_memory,
    reload::Reload,
    service,
    settings::{EffectiveSettings, Settings, SettingsArguments},
    shutdown::Shutdown,
    telemetry::{self, LogFilter, Traces},
};

/// Run the service until SIGTERM or Ctrl-C
///
/// The service also starts while databases are down: it answers 503, and /readyz shows what is missing.
///
/// At SIGTERM or Ctrl-C, /readyz fails and the service continues for `http.shutdown_delay_seconds`. Then it finishes
/// the requests in flight. A second signal ends it at once.
///
/// SIGHUP reloads the log filter, the limits in [http], the certificates and the file of clients.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Start even if the store lacks migrations of this release
    ///
    /// For a store that is about to be migrated. Until then, requests that need the missing parts fail.
    #[arg(long)]
    despite_pending_migrations: bool,
}

/// Runs the service, and returns when the requests in flight have been answered.
pub(crate) fn run(arguments: &ServeArguments) -> Result<ExitStatus> {
    // Before the settings are read, because they may contain keys.
    let unprotected = protect_memory();
    let (mut settings, effective) = arguments.settings.load()?;
    settings.inference.current_folder = CurrentFolder::Ignored;
    let traces = Traces::start(&settings.traces)?;
    let log = telemetry::start_with_traces(&settings.log, traces.as_ref())?;
    unprotected.log();
    padan_http_api::report_panics_without_data();
    service::refuse_published_credentials(&settings)?;
    service::check_management(&settings)?;
    service::check_openid_connect(&settings)?;
    let runtime = Runtime::new()?;
    let ended = runtime.block_on(serve(arguments, &settings, effective, log));
    // After a second signal, photos that are still being processed are not waited for.
    runtime.shutdown_background();
    match ended? {
        Ended::Gracefully => {
            if let Some(traces) = traces {
                traces.finish();
            }
            Ok(ExitStatus::Success)
        }
        // The exit code that a shell reports for a program ended by a signal.
        Ended::AtOnce(signal) => {
            Ok(u8::try_from(128 + signal.as_raw_value()).map_or(ExitStatus::Failure, ExitStatus::Other))
        }
    }
}

/// How the service ended.
enum Ended {
    Gracefully,
    /// By a second signal.
    AtOnce(SignalKind),
}

async fn serve(
    arguments: &ServeArguments,
    settings: &Settings,
    effective: EffectiveSettings,
    log: LogFilter,
) -> Result<Ended> {
    let mut shutdown = Shutdown::listen(&[SignalKind::terminate(), SignalKind::interrupt()])?;
    // Registered early, because SIGHUP ends a process that does not handle it.
    let hangups = signal(SignalKind::hangup())?;
    settings.verification.liveness.check(settings.inference.liveness_set.as_deref())?;
    let store = service::open_store(settings, KeySet::All)?;
    let mut tasks = BackgroundTasks::default();
    let clients = Arc::new(Clients::load_with_store(&settings.clients, &store, &mut tasks)?);
    let starting = async {
        check_migrations(&store, arguments.despite_pending_migrations).await?;
        service::start_engine_of_active_model(settings, &store).await
    };
    let engine = tokio::select! {
        engine = starting => engine?,
        _ = shutdown.first_signal() => return Ok(Ended::Gracefully),
    };
    let mut application =
        service::build_with_clients(settings, engine.clone(), store, Arc::clone(&clients), tasks)?;
    let controls = application.controls();
    controls.set_settings_hash(&effective.hash()?);
    tracing::info!(port = application.port(), admin_port = application.admin_port(), "serving");
    engine.embed_on_idle_processors();
    // Its models would stay in memory after another one is activated.
    drop(engine);
    let arguments = arguments.settings.clone();
    let reload = Reload { arguments, at_start: effective, log, clients, controls };
    application.background_tasks().spawn("reload of the settings", reload.on_hangup(hangups));
    run_until_signal(application, shutdown, settings.http.shutdown_delay_seconds).await
}

/// Serves until the first signal and then shuts down gracefully; ends at once at the second signal.
async fn run_until_signal(
    application: Application,
    mut shutdown: Shutdown,
    delay_seconds: u64,
) -> Result<Ended> {
    let mut second = shutdown.clone();
    let stop = async move {
        shutdown.first_signal().await;
        tracing::info!(
            delay_seconds,
            "shutting down: no longer ready, still serving requests during the delay"
        );
    };
    tokio::select! {
        ended = application.run_until_stopped(stop) => ended?,
        signal = second.second_signal() => {
            tracing::warn!("ending at once: requests in flight get no answer");
            return Ok(Ended::AtOnce(signal));
        }
    }
    tracing::info!("shut down");
    Ok(Ended::Gracefully)
}

/// Refuses to start when the store lacks migrations, because each request would fail. A store that is down may come
/// back, and does not prevent the start.
async fn check_migrations(store: &Store, start_despite: bool) -> Result<()> {
    match store.pending_migrations().await {
        Ok(pending) if pending.is_empty() => Ok(()),
        Ok(pending) if start_despite => {
            tracing::warn!(
                "starting although the store lacks migrations, because of --despite-pending-migrations: {}",
                pending.join(", ")
            );
            Ok(())
        }
        Ok(pending) => bail!(
            "the store lacks {} migrations ({}): run `padan migrate` with the same settings",
            pending.len(),
            pending.join(", ")
        ),
        Err(error @ (StoreError::Unavailable(_) | StoreError::Refused(_) | StoreError::Timeout(_))) => {
            tracing::warn!("{error}; requests are answered 503 until the store is available");
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}
