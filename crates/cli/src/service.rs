use std::{io, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use chrono::TimeDelta;
use padan_domain::Clock;
use padan_http_api::Application;
use padan_inference::{Engine, PhotoReader, model_folders};
use padan_registry::Registry;
use padan_store::{Administration, AnnouncedAct, KeySet, Store};
use padan_verification::{
    BackgroundTasks, Clients, EngineInUse, Management, ManagementParts, Provider, Sandbox, SessionTimes,
    Verifier, VerifierParts,
};

use crate::{
    active_calibration::with_calibration_in_use,
    active_model::follow_active_model,
    engine::{model_set, start_engine_of},
    live_rates::measure_live,
    operator::operator,
    settings::Settings,
    shadow_model::follow_shadow_model,
    tls::install_crypto_provider,
};

/// Loads the active model, or the configured model when the active one cannot be loaded.
///
/// The active model may not be installed on this machine. The service then serves with the configured model, and
/// [`follow_active_model`] tries the active model again later.
pub(crate) async fn start_engine_of_active_model(settings: &Settings, store: &Store) -> Result<Engine> {
    let configured = &settings.inference.model_set;
    let set = &model_set(None, settings, store).await;
    let started = match start_engine_of(set, settings).await {
        Err(error) if set != configured => {
            let engine = start_engine_of(configured, settings).await.with_context(|| {
                format!(
                    "cannot load the active model {set} ({error:#}), nor the configured model {configured}"
                )
            })?;
            tracing::error!(
                "cannot load the active model {set}, serving with the configured model {configured}: {error:#}"
            );
            Ok(engine)
        }
        started => started,
    };
    let engine = started?;
    match with_calibration_in_use(settings, store, &engine).await {
        Ok(engine) => Ok(engine),
        Err(error) => {
            tracing::error!("starting with the installed calibration, not the active one: {error:#}");
            Ok(engine)
        }
    }
}

/// Builds the service for clients that have been loaded before, with the tasks that were started for them, and binds
/// its two ports.
pub(crate) fn build_with_clients(
    settings: &Settings,
    engine: Engine,
    store: Store,
    clients: Arc<Clients>,
    mut tasks: BackgroundTasks,
) -> Result<Application> {
    let clock = Clock::System;
    let engine = EngineInUse::new(engine);
    tasks.spawn("active model", follow_active_model(settings.clone(), store.clone(), engine.clone()));
    let verifier = Arc::new(Verifier::new(VerifierParts {
        registry: Registry::new(&settings.registry)?,
        audit: store.audit_trail(clock),
        store: store.clone(),
        engine: engine.clone(),
        config: settings.verification.clone(),
        clock,
        sandbox: Sandbox::new(&settings.verification, clock, PhotoReader::new(&settings.inference)),
    }));
    let shadow = follow_shadow_model(settings.clone(), store, engine, verifier.shadow());
    tasks.spawn("shadow model", shadow);
    let http = &settings.http;
    let management = if http.management { Some(Arc::new(management(settings)?)) } else { None };
    if let Some(management) = &management {
        tasks.spawn("old exports", Arc::clone(management).remove_old_exports());
    }
    Application::build(http, verifier, clients, management, tasks).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "another program uses {}:{} or {}:{}: choose other ports with http.port and http.admin_port",
            http.address,
            http.port,
            http.admin_address,
            http.admin_port
        ),
        _ => anyhow::Error::new(error).context("cannot listen on the service's addresses"),
    })
}

/// The use cases of the management interface, as the database user of `store.management_url_file`.
fn management(settings: &Settings) -> Result<Management> {
    let parts = ManagementParts {
        store: settings.store.for_management()?,
        process: operator(),
        model_folders: model_folders(&settings.inference),
        failed_tokens: settings.clients.failed_credentials,
        provider: provider(settings)?,
        sessions: SessionTimes {
            idle: TimeDelta::seconds(settings.http.session_idle_seconds.get().into()),
            lifetime: TimeDelta::seconds(settings.http.session_seconds.get().into()),
        },
        measure_live,
        clock: Clock::System,
    };
    Management::new(parts).context("cannot prepare the management interface")
}

/// The provider through which operators may sign in, if one is set. Nothing is connected to.
fn provider(settings: &Settings) -> Result<Option<Provider>> {
    if !settings.openid_connect.enabled {
        return Ok(None);
    }
    install_crypto_provider();
    Ok(Some(Provider::new(&settings.openid_connect)?))
}

/// Refuses a sign-in through a provider that cannot work.
pub(crate) fn check_openid_connect(settings: &Settings) -> Result<()> {
    let config = &settings.openid_connect;
    ensure!(
        !config.enabled || settings.http.console.enabled,
        "openid_connect.enabled = true needs http.console.enabled = true: browsers come back to the console"
    );
    install_crypto_provider();
    Ok(config.validate()?)
}

/// Opens the store with these keys. Its settings are checked, but nothing is connected to.
pub(crate) fn open_store(settings: &Settings, keys: KeySet) -> Result<Store> {
    Store::open(&settings.store, keys).context("cannot open the store")
}

/// How long a command waits for its row. The first row of a process takes longer if the trail has thousands of chains.
const ADMINISTRATION_TIMEOUT: Duration = Duration::from_mins(1);

/// Administration of the store by the user who runs this process. Must be called within a Tokio runtime.
pub(crate) fn administration(store: &Store) -> Administration {
    let trail = store.audit_trail(Clock::System).with_timeout(ADMINISTRATION_TIMEOUT);
    Administration::by(operator(), trail)
}

/// Writes the row of an act that begins when this returns.
pub(crate) async fn announce(store: &Store, act: AnnouncedAct) -> Result<()> {
    let administration = administration(store);
    let announced = administration.announce(act).await;
    administration.finish().await;
    announced.context("nothing was done, because the row in the audit trail could not be written")
}

/// Refuses the management interface without the URL of its own database user.
pub(crate) fn check_management(settings: &Settings) -> Result<()> {
    if settings.http.management {
        settings.store.for_management()?;
    }
    Ok(())
}

/// Refuses the published credentials of the demo, which a service must never admit.
pub(crate) fn refuse_published_credentials(settings: &Settings) -> Result<()> {
    ensure!(
        !settings.clients.demo,
        "clients.demo is only for `padan-demo`, because it admits publicly known credentials: set it to false and add \
         clients with `padan client add`"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{future::pending, path::Path};

    use super::*;
    use crate::{engine::start_engine, in_process, settings::SettingsArguments};

    /// Settings of a service on free ports that is ready for no request: no server listens at the databases' addresses.
    fn settings(folder: &Path) -> Settings {
        let deps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.deps");
        let (models, runtime) = (deps.join("models"), deps.join("onnxruntime/libonnxruntime.so"));
        let key = |digits: &str| digits.repeat(16);
        let text = format!(
            "[http]\nport = 0\nadmin_port = 0\nshutdown_delay_seconds = 0\n\
             [registry]\nurls = [\"postgres://nobody@127.0.0.1:1/registry\"]\n\
             [store]\nurl = \"postgres://nobody@127.0.0.1:1/store\"\nperson_key = \"{}\"\n\
             template_keys = \"{}\"\naudit_keys = \"{}\"\n\
             [inference]\nworkers = 1\nmodel_folder = {models:?}\nruntime_library = {runtime:?}\n",
            key("0123"),
            key("4567"),
            key("89ab"),
        );
        let file = folder.join("padan.toml");
        std::fs::write(&file, text).unwrap();
        SettingsArguments::of_file_alone(&file).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_background_task_that_panics_ends_the_service_with_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let engine = start_engine(&settings).await.unwrap();
        let mut application = in_process::build(&settings, engine).unwrap();
        application.background_tasks().spawn("doomed", async { panic!("on purpose") });
        let served = application.run_until_stopped(pending());
        let error = tokio::time::timeout(Duration::from_secs(30), served).await.unwrap().unwrap_err();
        assert!(error.to_string().contains("`doomed` panicked"), "{error}");
    }
}
