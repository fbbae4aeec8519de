use std::sync::Arc;

use crate::store::{Parts, Store};

/// Exports and enrolments that operators start. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Jobs(pub(crate) Arc<Parts>);

impl Store {
    /// Exports and enrolments that operators start.
    pub fn jobs(&self) -> Jobs {
        Jobs(Arc::clone(&self.0))
    }
}
