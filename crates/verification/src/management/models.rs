use std::path::PathBuf;

use padan_domain::ModelContractId;
use padan_inference::{Catalogue, Graph, ModelError};

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
