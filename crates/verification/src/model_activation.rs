use padan_domain::ModelContractId;
use padan_inference::{Catalogue, Graph, ModelError, ModelSet};
use padan_store::{Administration, Store, StoreError};

use crate::calibration_in_use::CalibrationInUseError;

/// Why a model set was not activated or cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// The set is not known, or not installed on this machine.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Not all people are enrolled for it.
    #[error("the enrolment for {model_set} (contract {contract}) is not complete")]
    NotEnrolled {
        /// The set.
        model_set: String,
        /// Its contract.
        contract: ModelContractId,
    },
    /// A calibration is not known, so that what was counted under it is not either.
    #[error(transparent)]
    Calibration(#[from] CalibrationInUseError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Activates a model set for all services, and returns its contract. Without `force` its enrolment has to be complete.
///
/// # Errors
///
/// [`ActivationError`] when nothing was activated.
pub async fn activate_model(
    catalogue: &Catalogue,
    store: &Store,
    administration: &Administration,
    model_set: &str,
    force: bool,
) -> Result<ModelContractId, ActivationError> {
    let set = check_exchangeable(catalogue, store, model_set, force).await?;
    let contract = set.contract();
    administration.activate_model(model_set, &contract, force).await?;
    Ok(contract)
}

/// Checks that a model set is installed on this machine with a calibration and, without `force`, that all people are
/// enrolled for it, and returns it.
///
/// # Errors
///
/// [`ActivationError`] when it is not so.
pub async fn check_exchangeable(
    catalogue: &Catalogue,
    store: &Store,
    model_set: &str,
    force: bool,
) -> Result<ModelSet, ActivationError> {
    let set = catalogue.set(model_set)?;
    for model in set.models() {
        catalogue.locate(&set, model, Graph::Prepared)?;
    }
    catalogue.calibration(&set)?;
    let contract = set.contract();
    if !force && !is_enrolled(store, &contract).await? {
        return Err(ActivationError::NotEnrolled { model_set: model_set.to_owned(), contract });
    }
    Ok(set)
}

/// Whether all people are enrolled for a contract.
///
/// # Errors
///
/// When the store fails.
pub(crate) async fn is_enrolled(store: &Store, contract: &ModelContractId) -> Result<bool, StoreError> {
    let enrolments = store.enrolments().await?;
    Ok(enrolments.iter().any(|enrolment| enrolment.contract == *contract && enrolment.completed_at.is_some()))
}
