use std::process::ExitCode;

use anyhow::{Result, bail};
use padan_inference::{Catalogue, Graph};
use padan_store::Store;

/// Makes a set the one that every service uses, once everybody has a template for it.
pub(super) async fn activate(
    catalogue: &Catalogue,
    store: &Store,
    name: &str,
    force: bool,
) -> Result<ExitCode> {
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
            "no enrolment for {name} (contract {contract}) has come to its end: run `padan enroll --model {name}` first, \
             or give --force, and each person's first verification embeds the portrait"
        );
    }
    store.activate_model(name, &contract).await?;
    eprintln!(
        "{name} (contract {contract}) is active. Services take it up within seconds; each must have it installed. \
         `padan templates prune` deletes the templates of the one before, once no service needs it."
    );
    Ok(ExitCode::SUCCESS)
}
