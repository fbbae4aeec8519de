use serde::Deserialize;

use super::{fault::AuditFault, row::AuditRow};
use crate::administration::act::AdminAct;

/// The shadow model set that the last row about one leaves. It is compared with the one in the store, which somebody may
/// have changed, restored or removed in the database.
#[derive(Default)]
pub(super) struct RecordedShadow(Option<Last>);

/// What the last row about a shadow model set leaves.
enum Last {
    Measured(ShadowState),
    Nothing,
}

/// A shadow model set, and the share of the requests in millionths.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ShadowState {
    pub(super) model_set: String,
    pub(super) contract: String,
    pub(super) share_millionths: i64,
}

#[derive(Deserialize)]
struct Begun {
    after: Measured,
}

#[derive(Deserialize)]
struct Measured {
    model_set: String,
    contract: String,
    share: f64,
}

#[derive(Deserialize)]
struct Activated {
    after: Ended,
}

#[derive(Deserialize)]
struct Ended {
    #[serde(default)]
    shadow_ended: bool,
}

impl From<Measured> for ShadowState {
    fn from(Measured { model_set, contract, share }: Measured) -> Self {
        Self { model_set, contract, share_millionths: (share * 1e6).round() as i64 }
    }
}

impl RecordedShadow {
    /// Records a verified row, if it begins or ends the measurement of a shadow model set. Rows come in the order of time.
    pub(super) fn record(&mut self, row: &AuditRow) {
        if row.kind != "admin" {
            return;
        }
        if row.reason == AdminAct::ShadowModelSet.as_str() {
            self.0 =
                serde_json::from_str(&row.fields).ok().map(|begun: Begun| Last::Measured(begun.after.into()));
        } else if row.reason == AdminAct::ShadowModelEnded.as_str() || ends_with_activation(row) {
            self.0 = Some(Last::Nothing);
        }
    }

    /// What contradicts the shadow model set in the store. Without a row about one, its row may have been pruned, and
    /// nothing is known.
    pub(super) fn fault(self, stored: Option<ShadowState>) -> Option<AuditFault> {
        let recorded = match self.0? {
            Last::Measured(state) => Some(state),
            Last::Nothing => None,
        };
        let name = |state: ShadowState| state.model_set;
        (recorded != stored)
            .then(|| AuditFault::ShadowUnrecorded { recorded: recorded.map(name), stored: stored.map(name) })
    }
}

/// Whether the row activates the shadow model set, which ends its measurement.
fn ends_with_activation(row: &AuditRow) -> bool {
    row.reason == AdminAct::ModelActivated.as_str()
        && serde_json::from_str(&row.fields).is_ok_and(|activated: Activated| activated.after.shadow_ended)
}
