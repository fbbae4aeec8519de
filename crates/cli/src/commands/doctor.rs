mod listener;
mod machine;
mod report;
mod shadow;

use std::num::NonZeroUsize;

use anyhow::Result;
use chrono::TimeDelta;
use clap::Args;
use padan_inference::{Catalogue, Config, CurrentFolder, Engine, Graph, find_runtime_library, model_folders};
use padan_registry::{LookupRights, Registry, ReplicaFigures, ReplicaStatus};
use padan_store::{KeySet, PoolFigures, Store, StoredClients};
use padan_verification::{Clients, Provider, calibration_in_use, open_cohort};
use tokio::runtime::Runtime;

use self::{
    report::{CheckPassed, Report},
    shadow::shadow_model,
};
use crate::{
    exit_status::ExitStatus,
    output::OutputArguments,
    service,
    settings::{Settings, SettingsArguments},
    telemetry::{self, Traces},
};

/// Check everything that the service needs, and print how to fix each failure
///
/// Prints a line each for settings, telemetry, clients, ONNX Runtime, models, device, secrets, open files, memory,
/// listeners, registry, store and sign-in provider. A check that prints `warn` passed, but needs attention.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// The threshold of the alert `PadanReplicaLag`.
const MAX_LAG_SECONDS: f64 = 300.0;
/// A smaller difference hardly affects rates, quotas and the order of audit rows.
const MAX_CLOCK_DIFFERENCE: TimeDelta = TimeDelta::seconds(5);

/// Runs the checks and returns 1 if one failed.
pub(crate) fn run(arguments: &DoctorArguments) -> Result<ExitStatus> {
    telemetry::start_quietly();
    let mut report = Report::new(arguments.output);
    match arguments.settings.load() {
        Err(error) => report.line("settings", Err::<String, _>(format!("{error:#}")))?,
        Ok((settings, effective)) => {
            report.line("settings", Ok::<_, String>(effective.layer_names().join(", ")))?;
            check_all(&settings, &mut report)?;
        }
    }
    report.finish()?;
    Ok(ExitStatus::success_if(!report.failed))
}

fn check_all(settings: &Settings, report: &mut Report) -> Result<()> {
    let telemetry = telemetry::check(&settings.log).and_then(|()| Traces::check(&settings.traces));
    let telemetry = telemetry.map(|()| "log filter and trace collector are valid");
    report.line("telemetry", telemetry.map_err(|error| format!("{error:#}")))?;
    report.line(
        "clients",
        Clients::load(&settings.clients).map(|clients| format!("{} in the file", clients.count_in_file())),
    )?;
    report.line("runtime", runtime(settings))?;
    report.line("models", models(settings))?;
    report.line("device", device(settings))?;
    report.line("secrets", machine::secrets(settings))?;
    report.line("files", Ok::<_, String>(machine::open_files(settings)))?;
    report.line("memory", machine::memory(settings))?;
    report.line("listener", listener::check(settings))?;
    report.line("operators", Ok::<_, String>(machine::operators_listener(settings)))?;
    Runtime::new()?.block_on(async {
        report.line("registry", registry(settings).await)?;
        report.line("store", store(settings).await)?;
        report.line("provider", provider(settings).await)
    })
}

/// Reads the document and the keys of the provider through which operators sign in.
async fn provider(settings: &Settings) -> Result<String, String> {
    service::check_openid_connect(settings).map_err(|error| error.to_string())?;
    let config = &settings.openid_connect;
    if !config.enabled {
        return Ok("operators sign in by passwords alone".to_owned());
    }
    let provider = Provider::new(config).map_err(|error| error.to_string())?;
    let keys = provider.check().await.map_err(|fault| {
        format!("{fault}; check openid_connect.issuer, its certificate, and that this machine reaches it")
    })?;
    Ok(format!("{} answers, with {keys} keys", config.issuer))
}

fn runtime(settings: &Settings) -> Result<CheckPassed, String> {
    let find = |config: &Config| find_runtime_library(config).map_err(|error| error.to_string());
    let library = find(&settings.inference)?.display().to_string();
    let serves = find(&as_for_service(settings)).is_ok();
    Ok(CheckPassed::from(library).with_warnings(only_in_checkout(serves, "inference.runtime_library")))
}

fn models(settings: &Settings) -> Result<CheckPassed, String> {
    settings.inference.validate().map_err(|error| error.to_string())?;
    let found = complete_set(&settings.inference)?;
    let gate = settings.verification.liveness;
    gate.check(settings.inference.liveness_set.as_deref()).map_err(|error| error.to_string())?;
    let found = format!("{found}; liveness gate of face verification: {gate}");
    let serves = complete_set(&as_for_service(settings)).is_ok();
    Ok(CheckPassed::from(found).with_warnings(only_in_checkout(serves, "inference.model_folder")))
}

/// The settings by which `padan serve` finds library and models.
fn as_for_service(settings: &Settings) -> Config {
    Config { current_folder: CurrentFolder::Ignored, ..settings.inference.clone() }
}

fn only_in_checkout(serves: bool, key: &str) -> Vec<String> {
    let warning =
        format!("found only in this checkout, which `padan serve` does not search: set {key} for it");
    if serves { Vec::new() } else { vec![warning] }
}

/// Finds all files of the configured model set.
fn complete_set(config: &Config) -> Result<String, String> {
    let find = || {
        let catalogue = Catalogue::load(&model_folders(config))?;
        let set = catalogue.set(&config.model_set)?;
        for model in [&set.detector, &set.embedder] {
            catalogue.locate(&set, model, Graph::Prepared)?;
        }
        catalogue.calibration(&set)?;
        let liveness = match &config.liveness_set {
            None => "no liveness set, so passive liveness is off".to_owned(),
            Some(name) => {
                let liveness = catalogue.liveness_set(name)?;
                for model in &liveness.models {
                    catalogue.locate(&liveness, model, Graph::Prepared)?;
                }
                format!("liveness set {name}, whose error rates on attacks are not measured")
            }
        };
        Ok(format!("{}, contract {}; {liveness}", set.name(), set.contract()))
    };
    find().map_err(|error: padan_inference::ModelError| error.to_string())
}

/// Starts an engine with one worker and drops it.
fn device(settings: &Settings) -> Result<String, String> {
    let mut config = settings.inference.clone();
    config.workers = Some(NonZeroUsize::MIN);
    Engine::start(&config)
        .map(|engine| {
            let placement = engine.identity().placement;
            format!("models run on {} in {}", placement.device.name(), placement.precision.name())
        })
        .map_err(|error| error.to_string())
}

async fn registry(settings: &Settings) -> Result<CheckPassed, String> {
    let advice = |error: padan_registry::RegistryError| {
        format!(
            "{error}; check registry.urls or registry.urls_file, and that the view padan.citizen exists (see \
             deploy/registry)"
        )
    };
    let registry = Registry::new(&settings.registry).map_err(|error| error.to_string())?;
    registry.check().await.map_err(advice)?;
    let mut warnings = Vec::new();
    for (name, outcome) in registry.check_each().await {
        warnings.extend(outcome.err().map(|error| format!("the replica {name} cannot be used: {error}")));
    }
    registry.measure_lag().await;
    for (replica, status) in registry.figures().iter().zip(registry.replica_statuses().await) {
        warnings.extend(status.into_iter().flat_map(|status| replica_warnings(replica, status)));
    }
    let named = registry.figures().into_iter().zip(registry.lookup_rights().await);
    warnings.extend(named.filter_map(|(replica, rights)| rights_warning(&replica.pool.name, rights?)));
    let is_pooled = registry.figures().iter().any(|replica| replica.pool.is_pooled);
    Ok(CheckPassed::from(format!("people can be looked up{}", by_pooler(is_pooled))).with_warnings(warnings))
}

/// Warns when the role can copy the registry, although the service needs one person at a time.
fn rights_warning(name: &str, rights: LookupRights) -> Option<String> {
    let fault = match rights {
        LookupRights { function: false, .. } => {
            "there is no function padan.citizen_of that the user may call, so that the service needs all of \
             padan.citizen (deploy/registry/citizen-of.sql)"
        }
        LookupRights { view: true, .. } => {
            "the user may read all of padan.citizen, which only `padan enroll` needs: the service's user may call \
             padan.citizen_of and nothing else (deploy/registry/reader.sql)"
        }
        LookupRights { function: true, view: false } => return None,
    };
    Some(format!("{name}: {fault}"))
}

/// Problems of a replica that can be read.
fn replica_warnings(replica: &ReplicaFigures, status: ReplicaStatus) -> Vec<String> {
    let name = &replica.pool.name;
    let primary = (!status.is_standby)
        .then(|| format!("{name} is a primary: use a replica, to keep the load off the registry's primary"));
    let lag = replica.lag_seconds.filter(|lag| *lag > MAX_LAG_SECONDS && !replica.too_far_behind);
    let lag = lag.map(|lag| format!("{name} is {lag:.0} s behind its primary"));
    let plaintext = plaintext_warning(&replica.pool, status.is_encrypted);
    primary.into_iter().chain(lag).chain(clock_warning(name, status.clock_ahead)).chain(plaintext).collect()
}

/// Warns when a server beyond this machine says that the session is not encrypted.
fn plaintext_warning(pool: &PoolFigures, is_encrypted: bool) -> Option<String> {
    (pool.is_remote && !is_encrypted).then(|| {
        format!(
            "the session with {} is not encrypted: use sslmode=verify-full in its URL, and in the settings of a \
             pooler in between",
            pool.name
        )
    })
}

/// Warns when the clocks of a server and of this machine differ.
fn clock_warning(name: &str, ahead: TimeDelta) -> Option<String> {
    let (seconds, word) =
        (ahead.abs().num_seconds(), if ahead < TimeDelta::zero() { "behind" } else { "ahead of" });
    (ahead.abs() > MAX_CLOCK_DIFFERENCE).then(|| {
        format!(
            "the clock of {name} is {seconds} s {word} this machine's: synchronise both with a time server"
        )
    })
}

async fn store(settings: &Settings) -> Result<CheckPassed, String> {
    let store = service::open_store(settings, KeySet::All).map_err(|error| format!("{error:#}"))?;
    store.check().await.map_err(|error| {
        format!("{error}; check store.url or store.url_file, and run `padan migrate` on a new database")
    })?;
    let StoredClients { trusted, refused } =
        store.clients().all().await.map_err(|error| error.to_string())?;
    let clients = trusted.len();
    let unsigned = refused.iter().map(|client| {
        format!(
            "the row of client {} in store.client {}, so the service refuses it (runbook: PadanClientNotSigned)",
            client.name, client.signature
        )
    });
    let shadow = shadow_model(&model_folders(&as_for_service(settings)), &store).await?;
    let warnings = unsigned.chain(store_warnings(&store).await?).chain(shadow.warning).collect::<Vec<_>>();
    if clients == 0 && settings.clients.file.is_none() {
        let no_clients =
            "there are no clients, neither in the store nor in clients.file: add one with `padan client add NAME`"
                .to_owned();
        return Err([vec![no_clients], warnings].concat().join("; "));
    }
    let by_pooler = by_pooler(store.pool_figures().is_pooled);
    let calibration = active_calibration(settings, &store).await?;
    let shadow = shadow.passed;
    let passed = format!("writable, schema up to date, {clients} clients{calibration}{shadow}{by_pooler}");
    Ok(CheckPassed::from(passed).with_warnings(warnings))
}

/// What is said of a calibration that was activated.
async fn active_calibration(settings: &Settings, store: &Store) -> Result<String, String> {
    let active = store.active_model().await.map_err(|error| error.to_string())?;
    let name = active.map_or_else(|| settings.inference.model_set.clone(), |active| active.model_set);
    let in_use = async {
        let catalogue = Catalogue::load(&model_folders(&settings.inference))?;
        let set = catalogue.set(&name)?;
        let file = calibration_in_use(store, &catalogue, &set).await?;
        let cohort = open_cohort(&store.templates(), &set, &file)
            .await?
            .map_or_else(String::new, |cohort| format!(" with a cohort of {} people", cohort.people()));
        anyhow::Ok(store.active_calibration(&name).await?.map(|_| file.id() + &cohort))
    };
    match in_use.await {
        Ok(Some(id)) => Ok(format!(", calibration {id} of {name} is active")),
        Ok(None) => Ok(String::new()),
        Err(error) => Err(format!(
            "{error:#}: services keep the calibration that they have; activate one with `padan calibration activate`"
        )),
    }
}

/// What is said of a server behind a pooler.
fn by_pooler(is_pooled: bool) -> &'static str {
    if is_pooled { "; through a pooler, so that each statement has a transaction of its own" } else { "" }
}

/// Problems of a store that can be used.
async fn store_warnings(store: &Store) -> Result<Vec<String>, String> {
    let excess = store.excess_privileges().await.map_err(|error| error.to_string())?;
    let risks = store.durability_risks().await.map_err(|error| error.to_string())?;
    let ahead = store.clock_ahead().await.map_err(|error| error.to_string())?;
    let is_encrypted = store.session_is_encrypted().await.map_err(|error| error.to_string())?;
    let excess = (!excess.is_empty()).then(|| {
        let excess = excess.join(", ");
        format!(
            "the database role {excess}: padan_service is enough for the service (deploy/store/roles.sql)"
        )
    });
    let risks = (!risks.is_empty()).then(|| {
        let settings = risks.join(", ");
        format!("{settings}: a power failure can lose audit rows of requests that were answered")
    });
    let pool = store.pool_figures();
    let (clock, plaintext) = (clock_warning(&pool.name, ahead), plaintext_warning(&pool, is_encrypted));
    Ok(excess.into_iter().chain(risks).chain(clock).chain(plaintext).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_can_copy_the_registry_gives_a_warning() {
        let warning = |function, view| rights_warning("h:1/d", LookupRights { function, view });
        assert_eq!(warning(true, false), None);
        assert!(warning(true, true).unwrap().contains("which only `padan enroll` needs"));
        for view in [true, false] {
            assert!(warning(false, view).unwrap().contains("there is no function padan.citizen_of"));
        }
    }

    #[test]
    fn a_clock_that_differs_gives_a_warning() {
        assert_eq!(clock_warning("h:1/d", TimeDelta::seconds(5)), None);
        let behind = clock_warning("h:1/d", TimeDelta::seconds(-90)).unwrap();
        assert!(behind.starts_with("the clock of h:1/d is 90 s behind this machine"), "{behind}");
    }
}
