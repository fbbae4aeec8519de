use anyhow::{Result, bail};
use padan_inference::{Catalogue, Graph};
use padan_store::{Administration, Store};

use crate::exit_status::ExitStatus;

/// Activates a set for all services. Without `force` its enrolment has to be complete.
pub(super) async fn activate(
    catalogue: &Catalogue,
    store: &Store,
    administration: &Administration,
    name: &str,
    force: bool,
) -> Result<ExitStatus> {
    let set = catalogue.set(name)?;
    for model in set.models() {
        catalogue.locate(&set, model, Graph::Prepared)?;
    }
    catalogue.calibration(&set)?;
    let contract = set.contract();
    let enrolments = store.enrolments().await?;
    let is_enrolled =
        enrolments.iter().any(|enrolment| enrolment.contract == contract && enrolment.completed_at.is_some());
    if !is_enrolled && !force {
        bail!(
            "the enrolment for {name} (contract {contract}) is not complete: run `padan enroll --model {name}` first, or \
             use --force, with which each person's first verification takes longer because it embeds the portrait"
        );
    }
    administration.activate_model(name, &contract, force).await?;
    eprintln!(
        "{name} (contract {contract}) is active. Services on which it is installed switch to it within seconds. When all \
         have switched, `padan templates prune` deletes the templates of the former model."
    );
    Ok(ExitStatus::Success)
}
