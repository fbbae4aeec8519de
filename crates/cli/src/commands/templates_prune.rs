use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use clap::Args;
use padan_domain::ModelContractId;
use padan_inference::{Catalogue, model_folders};
use padan_store::{AdminAct, AnnouncedAct, KeySet, Pruned, Pruning, Store, UnusedTemplates};
use serde_json::json;
use tokio::{runtime::Runtime, time::sleep};

use crate::{
    confirmation::ConfirmationArguments,
    exit_status::ExitStatus,
    output::{OutputArguments, print_json},
    service,
    settings::SettingsArguments,
};

/// Delete the face templates of models that are no longer used
///
/// Keeps the templates of the active model (or of `inference.model_set` if no model was activated), of the model that is
/// measured beside it, and of a model whose enrolment began after the last activation. Deleted templates can be created again from the registry.
/// The database user needs the role `padan_operator`.
#[derive(Debug, Args)]
pub(crate) struct TemplatesPruneArguments {
    #[command(flatten)]
    settings: SettingsArguments,
    /// Delete only the templates of this model contract, even if its enrolment has begun
    #[arg(long, value_name = "ID")]
    contract: Option<ModelContractId>,
    /// Maximum templates examined per second, to limit the load on the database
    #[arg(long, default_value = "20000")]
    rate: NonZeroU32,
    #[command(flatten)]
    confirmation: ConfirmationArguments,
    #[command(flatten)]
    output: OutputArguments,
}

/// Deletes the templates and prints how many.
pub(crate) fn run(arguments: &TemplatesPruneArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings_with_log()?;
    let catalogue = Catalogue::load(&model_folders(&settings.inference))?;
    let kept = catalogue.set(&settings.inference.model_set)?.contract();
    let (confirmation, as_json) = (arguments.confirmation, arguments.output.json);
    let done = Runtime::new()?.block_on(async {
        let store = service::open_store(&settings, KeySet::Audit)?;
        let in_use = store.active_model().await?.map_or_else(|| kept.clone(), |active| active.contract);
        if let Some(contract) = arguments.contract.as_ref().filter(|contract| **contract == in_use) {
            bail!("model contract {contract} is in use: activate another set first (`padan models activate SET`)")
        }
        let measured = store.shadow_model().await?.map(|shadow| shadow.contract);
        if let Some(contract) = arguments.contract.as_ref().filter(|contract| measured.as_ref() == Some(contract)) {
            bail!("model contract {contract} is measured: end that first (`padan models shadow --off`)")
        }
        let pruning = Pruning { only: arguments.contract.clone(), kept };
        if !confirmation.is_given() {
            let unused = store.templates().unused(&pruning).await?;
            if confirmation.dry_run {
                print_dry_run(&unused, &in_use, as_json)?;
                return Ok(None);
            }
            confirmation.confirm(&plan(&unused, &in_use))?;
        }
        announce(&store, arguments.contract.as_ref(), &in_use).await?;
        match &arguments.contract {
            Some(contract) if !store.delete_enrolment(contract).await? => {
                bail!("`padan enroll` is running for model contract {contract}: stop it first")
            }
            Some(_) => {}
            None => store.delete_former_enrolments().await?,
        }
        let began = Instant::now();
        let rate = f64::from(arguments.rate.get());
        let report = async |so_far: Pruned| {
            let due = Duration::from_secs_f64(so_far.seen as f64 / rate);
            sleep(due.saturating_sub(began.elapsed())).await;
        };
        Ok(Some(store.templates().prune(&pruning, report).await?))
    })?;
    match done {
        Some(Pruned { deleted, seen }) if as_json => {
            print_json(
                &json!({ "dry_run": false, "templates_deleted": deleted, "templates_examined": seen }),
            )?;
        }
        Some(Pruned { deleted, seen }) => eprintln!("{deleted} templates deleted, {seen} examined."),
        None => {}
    }
    Ok(ExitStatus::Success)
}

fn plan(unused: &[UnusedTemplates], in_use: &ModelContractId) -> Vec<String> {
    let mut plan: Vec<_> = unused
        .iter()
        .map(|UnusedTemplates { contract, templates }| {
            format!("Deletes the templates of model contract {contract}, about {templates}.")
        })
        .collect();
    if plan.is_empty() {
        plan.push("Deletes nothing: there are no templates of models that are no longer used.".to_owned());
    }
    plan.push(format!("Keeps the templates of model contract {in_use}, which is in use."));
    plan
}

fn print_dry_run(unused: &[UnusedTemplates], in_use: &ModelContractId, as_json: bool) -> Result<()> {
    if !as_json {
        return ConfirmationArguments::print(&plan(unused, in_use));
    }
    let contracts: Vec<_> = unused
        .iter()
        .map(|unused| json!({ "contract": unused.contract, "templates_about": unused.templates }))
        .collect();
    print_json(&json!({ "dry_run": true, "contract_in_use": in_use.as_str(), "unused_contracts": contracts }))
}

async fn announce(store: &Store, contract: Option<&ModelContractId>, in_use: &ModelContractId) -> Result<()> {
    let before = json!({ "contract_in_use": in_use.as_str() });
    let after = json!({ "removed_contract": contract.map(ModelContractId::as_str) });
    service::announce(store, AnnouncedAct { act: AdminAct::TemplatesPruned, before, after }).await
}
