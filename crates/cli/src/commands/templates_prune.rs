use std::{
    num::NonZeroU32,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::Args;
use padan_domain::ModelContractId;
use padan_inference::{Catalogue, model_folders};
use padan_store::{Pruned, Pruning};
use tokio::{runtime::Runtime, time::sleep};

use crate::{service, settings::SettingsArguments, telemetry};

/// Delete the face templates of models that are not in use any more
///
/// Those of the active model stay, those of the model in these settings while none was activated, and those of a model
/// whose enrolment was begun since the last activation. What is deleted can be made again from the registry. Needs a
/// user in the role `padan_operator`.
#[derive(Debug, Args)]
pub(crate) struct TemplatesPruneArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Only those of this model contract, even if its enrolment was begun
    #[arg(long, value_name = "ID")]
    contract: Option<ModelContractId>,
    /// Templates a second that are looked at, so that the database keeps time for the services
    #[arg(long, default_value = "20000")]
    rate: NonZeroU32,
}

/// Deletes, and says how much.
pub(crate) fn run(arguments: &TemplatesPruneArguments) -> Result<ExitCode> {
    let settings = arguments.settings.settings()?;
    telemetry::start(&settings.log)?;
    let catalogue = Catalogue::load(&model_folders(&settings.inference))?;
    let kept = catalogue.set(&settings.inference.model_set)?.contract();
    let done = Runtime::new()?.block_on(async {
        let store = service::open_store(&settings)?;
        let in_use = store.active_model().await?.map_or_else(|| kept.clone(), |active| active.contract);
        match &arguments.contract {
            Some(contract) if *contract == in_use => {
                bail!("{contract} is in use: activate another model set first (`padan models activate SET`)")
            }
            Some(contract) if !store.delete_enrolment(contract).await? => {
                bail!("`padan enroll` is at work on {contract}: stop it first")
            }
            Some(_) => {}
            None => store.delete_former_enrolments().await?,
        }
        let pruning = Pruning { only: arguments.contract.clone(), kept };
        let began = Instant::now();
        let rate = f64::from(arguments.rate.get());
        let report = async |so_far: Pruned| {
            let due = Duration::from_secs_f64(so_far.seen as f64 / rate);
            sleep(due.saturating_sub(began.elapsed())).await;
        };
        Ok(store.prune_templates(&pruning, report).await?)
    })?;
    eprintln!("{} templates deleted, {} looked at.", done.deleted, done.seen);
    Ok(ExitCode::SUCCESS)
}
