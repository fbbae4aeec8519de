mod listener;
mod machine;
mod report;

use std::{num::NonZeroUsize, process::ExitCode};

use anyhow::Result;
use chrono::TimeDelta;
use clap::Args;
use padan_inference::{Catalogue, Engine, Graph, find_runtime_library, model_folders};
use padan_registry::{Registry, ReplicaFigures, ReplicaStatus};
use padan_store::Store;
use padan_verification::Clients;
use tokio::runtime::Runtime;

use self::report::{Report, Sound};
use crate::{
    service,
    settings::{Settings, SettingsArguments},
    telemetry::{self, Traces},
};

/// Try everything that the service needs, and say what to do about what fails
///
/// One line each for settings, telemetry, clients, ONNX Runtime, models, device, what the machine gives, listeners, registry and store. `warn` is
/// what works and deserves a look. The exit code is 1 when one of them fails.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    settings: SettingsArguments,
}

/// As the alert `PadanReplicaLag` has it.
const MOST_LAG_SECONDS: f64 = 300.0;
/// Rates, quotas and the order of audit rows hardly suffer from less.
const MOST_CLOCK_DIFFERENCE: TimeDelta = TimeDelta::seconds(5);

/// Prints the lines and returns 1 when something failed.
pub(crate) fn run(arguments: &DoctorArguments) -> Result<ExitCode> {
    telemetry::start_quietly();
    let mut report = Report::default();
    match arguments.settings.load() {
        Err(error) => report.line("settings", Err::<String, _>(format!("{error:#}")))?,
        Ok((settings, effective)) => {
            report.line("settings", Ok::<_, String>(effective.sources().join(", ")))?;
            examine(&settings, &mut report)?;
        }
    }
    Ok(if report.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn examine(settings: &Settings, report: &mut Report) -> Result<()> {
    let telemetry = telemetry::check(&settings.log).and_then(|()| Traces::check(&settings.traces));
    let telemetry = telemetry.map(|()| "the log's levels and the collector's URL are in order");
    report.line("telemetry", telemetry.map_err(|error| format!("{error:#}")))?;
    report.line(
        "clients",
        Clients::load(&settings.clients).map(|clients| format!("{} in the file", clients.count_in_file())),
    )?;
    report.line("runtime", runtime(settings))?;
    report.line("models", models(settings))?;
    report.line("device", device(settings))?;
    report.line("secrets", Ok::<_, String>(machine::secrets(settings)))?;
    report.line("files", Ok::<_, String>(machine::open_files(settings)))?;
    report.line("memory", machine::memory(settings))?;
    report.line("listener", listener::judge(settings))?;
    report.line("operators", Ok::<_, String>(machine::operators_listener(settings)))?;
    Runtime::new()?.block_on(async {
        report.line("registry", registry(settings).await)?;
        report.line("store", store(settings).await)
    })
}

fn runtime(settings: &Settings) -> Result<String, String> {
    find_runtime_library(settings.inference.runtime_library.as_deref())
        .map(|library| library.display().to_string())
        .map_err(|error| error.to_string())
}

fn models(settings: &Settings) -> Result<String, String> {
    settings.inference.validate().map_err(|error| error.to_string())?;
    let find = || {
        let catalogue = Catalogue::load(&model_folders(&settings.inference))?;
        let set = catalogue.set(&settings.inference.model_set)?;
        for model in [&set.detector, &set.embedder] {
            catalogue.locate(&set, model, Graph::Prepared)?;
        }
        catalogue.calibration(&set)?;
        Ok(format!("{}, contract {}", set.name(), set.contract()))
    };
    find().map_err(|error: padan_inference::ModelError| error.to_string())
}

/// Starts one worker and throws it away.
fn device(settings: &Settings) -> Result<String, String> {
    let mut config = settings.inference.clone();
    config.workers = Some(NonZeroUsize::MIN);
    Engine::start(&config)
        .map(|engine| {
            let placement = engine.identity().placement;
            format!("{} in {}, models loaded and warm", placement.device.name(), placement.precision.name())
        })
        .map_err(|error| error.to_string())
}

async fn registry(settings: &Settings) -> Result<Sound, String> {
    let advice = |error: padan_registry::RegistryError| {
        format!(
            "{error}; check registry.urls or registry.urls_file, and that the view padan.citizen is there (deploy/ shows how)"
        )
    };
    let registry = Registry::new(&settings.registry).map_err(|error| error.to_string())?;
    registry.check().await.map_err(advice)?;
    let mut but = Vec::new();
    for (name, outcome) in registry.check_each().await {
        but.extend(outcome.err().map(|error| format!("the replica {name} does not serve: {error}")));
    }
    registry.measure_lag().await;
    for (replica, standing) in registry.figures().iter().zip(registry.replica_statuses().await) {
        but.extend(standing.into_iter().flat_map(|standing| doubts_about(replica, standing)));
    }
    Ok(Sound::from("the view padan.citizen can be read").but(but))
}

/// What an operator should know of a server that serves.
fn doubts_about(replica: &ReplicaFigures, standing: ReplicaStatus) -> Vec<String> {
    let name = &replica.pool.name;
    let primary = (!standing.is_standby)
        .then(|| format!("{name} is a primary: name a replica, so that the registry does not feel the load"));
    let lag = replica.lag_seconds.filter(|lag| *lag > MOST_LAG_SECONDS);
    let lag = lag.map(|lag| format!("{name} is {lag:.0} s behind what it replicates"));
    primary.into_iter().chain(lag).chain(clock_doubt(name, standing.clock_ahead)).collect()
}

/// Whether the clocks of a server and of this machine differ.
fn clock_doubt(name: &str, ahead: TimeDelta) -> Option<String> {
    let (seconds, word) =
        (ahead.abs().num_seconds(), if ahead < TimeDelta::zero() { "behind" } else { "ahead of" });
    (ahead.abs() > MOST_CLOCK_DIFFERENCE).then(|| {
        format!("the clock of {name} is {seconds} s {word} this machine's: let both follow a time server")
    })
}

async fn store(settings: &Settings) -> Result<Sound, String> {
    let store = service::open_store(settings).map_err(|error| format!("{error:#}"))?;
    store.check().await.map_err(|error| {
        format!("{error}; check store.url or store.url_file, and run `padan migrate` on a new database")
    })?;
    let clients = store.clients().await.map_err(|error| error.to_string())?.len();
    let but = doubts_about_store(&store).await?;
    if clients == 0 && settings.clients.file.is_none() && !settings.clients.demo {
        let deserted =
            "it has no client, and clients.file names none: nobody can call (`padan client add NAME`)"
                .to_owned();
        return Err([vec![deserted], but].concat().join("; but "));
    }
    Ok(Sound::from(format!("answers, takes writes, no migration is missing; {clients} clients")).but(but))
}

/// What an operator should know of a store that serves.
async fn doubts_about_store(store: &Store) -> Result<Vec<String>, String> {
    let excess = store.excess_privileges().await.map_err(|error| error.to_string())?;
    let forgetful = store.durability_risks().await.map_err(|error| error.to_string())?;
    let ahead = store.clock_ahead().await.map_err(|error| error.to_string())?;
    let excess = (!excess.is_empty()).then(|| {
        let excess = excess.join(", ");
        format!("the role {excess}: the service needs no more than padan_service (deploy/store/roles.sql)")
    });
    let forgetful = (!forgetful.is_empty()).then(|| {
        let settings = forgetful.join(", ");
        format!("{settings}: a power failure can lose audit rows of answers that were given")
    });
    let clock = clock_doubt(&store.pool_figures().name, ahead);
    Ok(excess.into_iter().chain(forgetful).chain(clock).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_are_told() {
        assert_eq!(clock_doubt("h:1/d", TimeDelta::seconds(5)), None);
        let behind = clock_doubt("h:1/d", TimeDelta::seconds(-90)).unwrap();
        assert!(behind.starts_with("the clock of h:1/d is 90 s behind this machine"), "{behind}");
    }
}
