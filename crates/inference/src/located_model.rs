use crate::{error::StartError, manifest::Manifest, placement::Placement};

/// A model, its placement, and the content of its file.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct LocatedModel {
    pub(crate) manifest: Manifest,
    pub(crate) placement: Placement,
    pub(crate) bytes: Vec<u8>,
}

impl LocatedModel {
    /// The error of a model with which no session can be built, or that fails.
    pub(crate) fn refused(&self, reason: &dyn ToString) -> StartError {
        StartError::Session { model: self.manifest.name.clone(), reason: reason.to_string() }
    }
}
