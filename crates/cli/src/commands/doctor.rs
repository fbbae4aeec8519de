use std::{
    fmt::Display,
    io::{self, Write as _},
    num::NonZeroUsize,
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;
use padan_inference::{Catalogue, Engine, Graph, find_runtime_library, model_folders};
use padan_registry::Registry;
use padan_verification::Clients;
use tokio::runtime::Runtime;

use crate::{
    service,
    settings::{Settings, SettingsArguments},
    telemetry,
};

/// Try everything that the service needs, and say what to do about what fails
///
/// One line each for settings, clients, ONNX Runtime, models, device, registry and store. The exit code is 1 when
/// one of them fails.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    #[command(flatten)]
    settings: SettingsArguments,
}

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
    report.line(
        "clients",
        Clients::load(&settings.clients).map(|clients| format!("{} in the file", clients.count_in_file())),
    )?;
    report.line("runtime", runtime(settings))?;
    report.line("models", models(settings))?;
    report.line("device", device(settings))?;
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
        .map(|engine| format!("{}, models loaded and warm", engine.identity().device.name()))
        .map_err(|error| error.to_string())
}

async fn registry(settings: &Settings) -> Result<String, String> {
    let advice = |error: padan_registry::RegistryError| {
        format!("{error}; check registry.urls, and that the view padan.citizen is there (deploy/ shows how)")
    };
    let registry = Registry::new(&settings.registry).map_err(|error| error.to_string())?;
    registry.check().await.map_err(advice)?;
    Ok("the view padan.citizen can be read".to_owned())
}

async fn store(settings: &Settings) -> Result<String, String> {
    let store = service::open_store(settings).map_err(|error| format!("{error:#}"))?;
    store
        .check()
        .await
        .map_err(|error| format!("{error}; check store.url, and run `padan migrate` on a new database"))?;
    let excess = store.excess_privileges().await.map_err(|error| error.to_string())?;
    let forgetful = store.forgetfulness().await.map_err(|error| error.to_string())?;
    let clients = store.clients().await.map_err(|error| error.to_string())?.len();
    let deserted = clients == 0 && settings.clients.file.is_none() && !settings.clients.demo;
    let mut said = if deserted {
        vec![
            "it has no client, and clients.file names none: nobody can call (`padan client add NAME`)"
                .to_owned(),
        ]
    } else {
        vec!["answers, takes writes, no migration is missing".to_owned(), format!("{clients} clients")]
    };
    if !excess.is_empty() {
        said.push(format!(
            "but the role {}: the service needs no more than padan_service (deploy/store/roles.sql)",
            excess.join(", ")
        ));
    }
    if !forgetful.is_empty() {
        let settings = forgetful.join(", ");
        said.push(format!("but {settings}: a power failure can lose audit rows of answers that were given"));
    }
    if deserted { Err(said.join("; ")) } else { Ok(said.join("; ")) }
}

/// The lines on stdout.
#[derive(Default)]
struct Report {
    failed: bool,
}

impl Report {
    fn line(&mut self, what: &str, outcome: Result<impl Display, impl Display>) -> Result<()> {
        let mut out = io::stdout().lock();
        match outcome {
            Ok(said) => writeln!(out, "ok    {what:<9} {said}")?,
            Err(said) => {
                self.failed = true;
                writeln!(out, "FAIL  {what:<9} {said}")?;
            }
        }
        Ok(())
    }
}
