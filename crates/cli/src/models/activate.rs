use anyhow::{Result, anyhow};
use clap::Args;
use padan_inference::{Catalogue, model_folders};
use padan_store::{Administration, KeySet, Store};
use padan_verification::{ActivationError, Exchange, activate_model, check_exchangeable, set_in_use};
use tokio::runtime::Runtime;

use super::shadow::Findings;
use crate::{
    confirmation::ConfirmationArguments,
    exit_status::ExitStatus,
    service,
    settings::{Settings, SettingsArguments},
};

/// Make all services use a model set
///
/// Enrol all people for it first (`padan enroll --model SET`), and measure it beside the set in use (`padan models shadow
/// SET`): the command prints which decisions would have changed in the last 30 days, and asks. Running services switch to
/// it within seconds, without a restart and without failing requests.
#[derive(Debug, Args)]
pub(super) struct ActivateArguments {
    /// Model set
    #[arg(value_name = "SET")]
    model_set: String,
    /// Activate the set even if its enrolment is not complete
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    confirmation: ConfirmationArguments,
    #[command(flatten)]
    settings: SettingsArguments,
}

/// The days whose counts are shown.
const DAYS: u32 = 30;

/// Activates a set for all services, after it has shown what it would change. Without `--force` its enrolment has to be
/// complete.
pub(super) fn run(arguments: &ActivateArguments) -> Result<ExitStatus> {
    let settings = arguments.settings.settings()?;
    let catalogue = Catalogue::load(&model_folders(&settings.inference))?;
    Runtime::new()?.block_on(async {
        let store = service::open_store(&settings, KeySet::Audit)?;
        activate(arguments, &settings, &catalogue, &store).await
    })
}

async fn activate(
    arguments: &ActivateArguments,
    settings: &Settings,
    catalogue: &Catalogue,
    store: &Store,
) -> Result<ExitStatus> {
    let (name, force, confirmation) = (&arguments.model_set, arguments.force, arguments.confirmation);
    let checked = check_exchangeable(catalogue, store, name, force).await;
    let set = checked.map_err(|error| explained(error, name))?;
    let active = set_in_use(store, catalogue, &settings.inference.model_set).await?;
    let plan = plan(store, catalogue, Exchange { active: &active, other: &set }).await?;
    if confirmation.dry_run {
        ConfirmationArguments::print(&plan)?;
        return Ok(ExitStatus::Success);
    }
    if confirmation.is_given() {
        // What it changes is told also where nobody is asked.
        for line in &plan {
            eprintln!("{line}");
        }
    }
    confirmation.confirm(&plan)?;
    let administration = service::administration(store);
    let activated = change(catalogue, store, &administration, arguments).await;
    administration.finish().await;
    activated
}

async fn change(
    catalogue: &Catalogue,
    store: &Store,
    administration: &Administration,
    ActivateArguments { model_set: name, force, .. }: &ActivateArguments,
) -> Result<ExitStatus> {
    let activated = activate_model(catalogue, store, administration, name, *force).await;
    let contract = activated.map_err(|error| explained(error, name))?;
    eprintln!(
        "{name} (contract {contract}) is active. Services on which it is installed switch to it within seconds. When all \
         have switched, `padan templates prune` deletes the templates of the former model."
    );
    Ok(ExitStatus::Success)
}

/// What would be done, and what the measurement as the shadow model set says about it.
async fn plan(store: &Store, catalogue: &Catalogue, exchange: Exchange<'_>) -> Result<Vec<String>> {
    let Exchange { active, other } = exchange;
    if active.name() == other.name() {
        return Ok(vec![format!("{} is the set that services use already.", other.name())]);
    }
    let findings = Findings::read(store, catalogue, exchange, DAYS).await?;
    let mut plan = vec![format!(
        "Makes all services use {} (contract {}) instead of {}.",
        other.name(),
        other.contract(),
        active.name()
    )];
    plan.extend(findings.lines());
    Ok(plan)
}

fn explained(error: ActivationError, name: &str) -> anyhow::Error {
    match error {
        ActivationError::NotEnrolled { .. } => anyhow!(
            "{error}: run `padan enroll --model {name}` first, or use --force, with which each person's first \
             verification takes longer because it embeds the portrait"
        ),
        error => error.into(),
    }
}
