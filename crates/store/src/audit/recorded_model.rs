use serde::Deserialize;

use super::{fault::AuditFault, row::AuditRow};
use crate::administration::act::AdminAct;

/// The model set that the last row about one activates. It is compared with the active one, which somebody may have
/// changed in the database.
#[derive(Default)]
pub(super) struct RecordedModel(Option<ModelState>);

/// A model set and the contract of its embeddings.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ModelState {
    pub(super) model_set: String,
    pub(super) contract: String,
}

#[derive(Deserialize)]
struct Recorded {
    after: ModelState,
}

impl RecordedModel {
    /// Records a verified row, if it activates a model set. Rows come in the order of time.
    pub(super) fn record(&mut self, row: &AuditRow) {
        if row.kind == "admin" && row.reason == AdminAct::ModelActivated.as_str() {
            self.0 = serde_json::from_str::<Recorded>(&row.fields).ok().map(|recorded| recorded.after);
        }
    }

    /// What contradicts the active model set. Nothing is known if no row is about one: an older release activated it, or
    /// its row was pruned.
    pub(super) fn fault(self, active: Option<ModelState>) -> Option<AuditFault> {
        let recorded = self.0.filter(|recorded| active.as_ref() != Some(recorded))?;
        Some(AuditFault::ModelUnrecorded {
            recorded: recorded.model_set,
            active: active.map(|active| active.model_set),
        })
    }
}
