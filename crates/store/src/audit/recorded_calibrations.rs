use std::collections::BTreeMap;

use serde::Deserialize;

use super::{fault::AuditFault, row::AuditRow};
use crate::administration::act::AdminAct;

/// The calibration that the last row about each model set activates. It is compared with the active ones, which somebody
/// may have changed in the database.
#[derive(Default)]
pub(super) struct RecordedCalibrations(BTreeMap<String, Option<String>>);

#[derive(Deserialize)]
struct Recorded {
    after: State,
}

#[derive(Deserialize)]
struct State {
    model_set: String,
    /// The digest of the file; `None` for the installed calibration.
    sha256: Option<String>,
}

impl RecordedCalibrations {
    /// Records a verified row, if it activates a calibration. Rows come in the order of time.
    pub(super) fn record(&mut self, row: &AuditRow) {
        if row.kind == "admin"
            && row.reason == AdminAct::CalibrationActivated.as_str()
            && let Ok(Recorded { after: State { model_set, sha256 } }) = serde_json::from_str(&row.fields)
        {
            self.0.insert(model_set, sha256);
        }
    }

    /// What contradicts the active calibrations, by model set and the digest of the file. Without a row about a set, its
    /// row may have been pruned, and nothing is known.
    pub(super) fn faults(self, active: &BTreeMap<String, String>) -> Vec<AuditFault> {
        let differs = |(set, recorded): &(String, Option<String>)| active.get(set) != recorded.as_ref();
        let faults = self.0.into_iter().filter(differs);
        faults.map(|(model_set, _)| AuditFault::CalibrationUnrecorded { model_set }).collect()
    }
}
