//! The model set that services measure beside the one that decides.

use std::path::PathBuf;

use padan_inference::{Catalogue, Graph, ModelError, ModelSet};
use padan_store::{ShadowModel, Store, StoreError};

/// What is said of the shadow model set.
#[derive(Default)]
pub(super) struct FoundShadow {
    /// Ends the line of the store.
    pub(super) passed: String,
    /// Why services do not measure it.
    pub(super) warning: Option<String>,
}

/// Looks at the shadow model set: none of its faults keeps a service from answering. `folders` are those in which a service
/// looks for models.
pub(super) async fn shadow_model(folders: &[PathBuf], store: &Store) -> Result<FoundShadow, String> {
    match store.shadow_model().await {
        Ok(None) => Ok(FoundShadow::default()),
        Ok(Some(shadow)) => {
            let ShadowModel { model_set, share, .. } = &shadow;
            let passed = format!(", {model_set} is measured on {} % of the requests", share.percent());
            let warning = check_installed(folders, &shadow).err().map(|fault| {
                format!(
                    "{fault}, so no service on this machine measures it: install it, or end the measurement with `padan \
                     models shadow --off`"
                )
            });
            Ok(FoundShadow { passed, warning })
        }
        Err(error @ StoreError::Inconsistent { .. }) => {
            let warning = format!(
                "{error}, so no shadow model is measured: set it again with `padan models shadow SET`, or end the \
                 measurement with `--off`"
            );
            Ok(FoundShadow { passed: String::new(), warning: Some(warning) })
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Checks that the set is installed on this machine, with the contract that is measured.
fn check_installed(folders: &[PathBuf], shadow: &ShadowModel) -> Result<(), String> {
    let found = Catalogue::load(folders).and_then(|catalogue| installed_set(&catalogue, &shadow.model_set));
    let set = found.map_err(|error| error.to_string())?;
    if set.contract() != shadow.contract {
        return Err(format!(
            "the shadow model {} has contract {} on this machine, and {} is to be measured",
            shadow.model_set,
            set.contract(),
            shadow.contract
        ));
    }
    Ok(())
}

fn installed_set(catalogue: &Catalogue, name: &str) -> Result<ModelSet, ModelError> {
    let set = catalogue.set(name)?;
    for model in set.models() {
        catalogue.locate(&set, model, Graph::Prepared)?;
    }
    Ok(set)
}
