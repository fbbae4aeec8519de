use std::path::PathBuf;

use padan_domain::{Clock, ModelContractId};
use padan_inference::{Catalogue, Graph, ModelError};
use padan_store::Store;

use crate::{
    model_activation::{ActivationError, is_enrolled},
    shadow_findings::{Exchange, ShadowFindings, set_in_use},
};

/// A model set, as this machine has it.
#[derive(Debug)]
pub struct ModelState {
    /// Its name.
    pub model_set: String,
    /// The contract of its embeddings.
    pub contract: ModelContractId,
    /// The id of its calibration.
    pub calibration: String,
    /// The pass mark as a cosine.
    pub pass_cosine: f64,
    /// Whether its files are installed on this machine.
    pub is_installed: bool,
}

/// What the activation of a model set would change.
#[derive(Debug)]
pub struct ActivationPreview {
    /// Whether all people are enrolled for it, as an activation without force demands.
    pub is_enrolled: bool,
    /// What was counted of it beside the set that decides, in the last 30 days.
    pub findings: ShadowFindings,
}

/// The days whose counts are shown.
const DAYS: u32 = 30;

/// What an activation of `other` would change. `of_settings` is the set that decides when none was activated.
pub(super) async fn preview_activation(
    folders: &[PathBuf],
    store: &Store,
    clock: &Clock,
    other: &str,
    of_settings: &str,
) -> Result<ActivationPreview, ActivationError> {
    let catalogue = Catalogue::load(folders)?;
    let other = catalogue.set(other)?;
    let active = set_in_use(store, &catalogue, of_settings).await?;
    let exchange = Exchange { active: &active, other: &other };
    Ok(ActivationPreview {
        is_enrolled: is_enrolled(store, &other.contract()).await?,
        findings: ShadowFindings::read(store, &catalogue, exchange, DAYS, clock).await?,
    })
}

/// The model sets that this machine knows.
pub(super) fn list_models(folders: &[PathBuf]) -> Result<Vec<ModelState>, ModelError> {
    let catalogue = Catalogue::load(folders)?;
    let states = catalogue.sets().map(|set| {
        let calibration = catalogue.calibration(&set)?;
        let is_located = |model| catalogue.locate(&set, model, Graph::Prepared).is_ok();
        Ok(ModelState {
            model_set: set.name().to_owned(),
            contract: set.contract(),
            calibration: calibration.id(),
            pass_cosine: calibration.map()?.pass_cosine(),
            is_installed: set.models().into_iter().all(is_located),
        })
    });
    states.collect()
}
