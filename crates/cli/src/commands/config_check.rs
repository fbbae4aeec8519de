use anyhow::Result;
use clap::Args;
use padan_inference::{Catalogue, Graph, model_folders};
use padan_registry::Registry;
use padan_store::KeySet;
use padan_verification::Clients;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::{
    ending::in_one_line,
    exit_status::ExitStatus,
    output::{OutputArguments, print_json},
    service,
    settings::{Settings, SettingsArguments},
    telemetry::{self, Traces},
};

/// Check the settings without connecting to anything
///
/// `padan doctor` also connects to the databases and loads the models. `padan config show` prints the settings.
#[derive(Debug, Args)]
pub(crate) struct ConfigCheckArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// Prints each fault.
pub(crate) fn run(arguments: &ConfigCheckArguments) -> Result<ExitStatus> {
    let faults = match arguments.settings.settings() {
        Ok(settings) => faults(&settings)?,
        Err(error) if arguments.output.json => vec![in_one_line(&error)],
        Err(error) => return Err(error),
    };
    let status = ExitStatus::success_if(faults.is_empty());
    if arguments.output.json {
        print_json(&json!({ "valid": faults.is_empty(), "faults": faults }))?;
        return Ok(status);
    }
    for fault in &faults {
        eprintln!("padan: {fault}");
    }
    if faults.is_empty() {
        eprintln!("The settings are valid. `padan doctor` checks databases and models as well.");
    }
    Ok(status)
}

/// Checks that the liveness set, which the gate of face verification needs, is named and installed.
fn liveness_gate(settings: &Settings) -> Result<(), String> {
    let set = settings.inference.liveness_set.as_deref();
    settings.verification.liveness.check(set).map_err(|error| error.to_string())?;
    let Some(name) = set else { return Ok(()) };
    let find = || {
        let catalogue = Catalogue::load(&model_folders(&settings.inference))?;
        let set = catalogue.liveness_set(name)?;
        set.models.iter().try_for_each(|model| catalogue.locate(&set, model, Graph::Prepared).map(drop))
    };
    find().map_err(|error: padan_inference::ModelError| error.to_string())
}

/// The errors that a start with these settings would report, as far as they are found without a connection.
fn faults(settings: &Settings) -> Result<Vec<String>> {
    let runtime = Runtime::new()?;
    let _entered = runtime.enter();
    let model_set = || {
        settings.inference.validate().map_err(|error| error.to_string())?;
        let catalogue =
            Catalogue::load(&model_folders(&settings.inference)).map_err(|error| error.to_string())?;
        catalogue.set(&settings.inference.model_set).map(drop).map_err(|error| error.to_string())
    };
    let outcomes = [
        telemetry::check(&settings.log).map_err(|error| format!("{error:#}")),
        Traces::check(&settings.traces).map_err(|error| format!("{error:#}")),
        settings.http.validate().map_err(|error| error.to_string()),
        service::refuse_published_credentials(settings).map_err(|error| error.to_string()),
        service::check_management(settings).map_err(|error| error.to_string()),
        service::check_openid_connect(settings).map_err(|error| error.to_string()),
        Clients::load(&settings.clients).map(drop).map_err(|error| error.to_string()),
        Registry::new(&settings.registry).map(drop).map_err(|error| error.to_string()),
        model_set(),
        liveness_gate(settings),
    ];
    let of_store = settings.store.faults(KeySet::All).into_iter().map(|error| error.to_string());
    Ok(outcomes.into_iter().filter_map(Result::err).chain(of_store).collect())
}
