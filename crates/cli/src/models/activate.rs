use anyhow::{Result, bail};
use padan_inference::Catalogue;
use padan_store::{Administration, Store};
use padan_verification::{ActivationError, activate_model};

use crate::exit_status::ExitStatus;

/// Activates a set for all services. Without `force` its enrolment has to be complete.
pub(super) async fn activate(
    catalogue: &Catalogue,
    store: &Store,
    administration: &Administration,
    name: &str,
    force: bool,
) -> Result<ExitStatus> {
    let contract = match activate_model(catalogue, store, administration, name, force).await {
        Ok(contract) => contract,
        Err(error @ ActivationError::NotEnrolled { .. }) => bail!(
            "{error}: run `padan enroll --model {name}` first, or use --force, with which each person's first \
             verification takes longer because it embeds the portrait"
        ),
        Err(error) => return Err(error.into()),
    };
    eprintln!(
        "{name} (contract {contract}) is active. Services on which it is installed switch to it within seconds. When all \
         have switched, `padan templates prune` deletes the templates of the former model."
    );
    Ok(ExitStatus::Success)
}
