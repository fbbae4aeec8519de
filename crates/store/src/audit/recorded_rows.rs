use std::collections::HashMap;

use chrono::{DateTime, Utc};

use crate::{clients::signature::ClientSignature, row_state::RowState};

/// The last state of each client, or of each operator, that the trail records. It is compared with the table, where
/// somebody may have restored an older row, whose signature is right.
#[derive(Default)]
pub(super) struct RecordedRows(HashMap<String, RowState>);

/// A row of a table whose rows are signed.
pub(super) struct SignedRow {
    pub(super) name: String,
    pub(super) signature: ClientSignature,
    pub(super) changed_at: DateTime<Utc>,
    pub(super) mac: Option<Vec<u8>>,
}

/// What is wrong with the row of a client or an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFault {
    /// It is not one that Padan wrote.
    Changed(ClientSignature),
    /// Somebody restored an older row.
    RolledBack {
        /// When the row was last changed or removed, by the trail.
        from: DateTime<Utc>,
        /// When the row that exists was written.
        to: DateTime<Utc>,
    },
    /// It is signed, and the trail records no such change.
    Unrecorded(DateTime<Utc>),
    /// It is missing, and the trail does not record its removal.
    Missing,
}

impl RecordedRows {
    /// Records the state that a verified row of the trail has. Rows of several chains come in any order.
    pub(super) fn record(&mut self, name: String, state: RowState) {
        let last = self.0.entry(name).or_insert_with(|| state.clone());
        if last.changed_at < state.changed_at {
            *last = state;
        }
    }

    /// What contradicts the table, by name. Rows of the trail before `pruned_until` may have been pruned.
    pub(super) fn faults(
        mut self,
        rows: impl IntoIterator<Item = SignedRow>,
        pruned_until: Option<DateTime<Utc>>,
    ) -> Vec<(String, RowFault)> {
        let mut faults = Vec::new();
        for SignedRow { name, signature, changed_at, mac } in rows {
            let recorded = self.0.remove(&name);
            if signature != ClientSignature::Right {
                faults.push((name, RowFault::Changed(signature)));
                continue;
            }
            let is_pruned = pruned_until.is_some_and(|until| changed_at < until);
            match recorded {
                Some(recorded) if recorded.mac == mac.map(hex::encode) => {}
                Some(recorded) if changed_at < recorded.changed_at => {
                    faults.push((name, RowFault::RolledBack { from: recorded.changed_at, to: changed_at }));
                }
                None if is_pruned => {}
                _ => faults.push((name, RowFault::Unrecorded(changed_at))),
            }
        }
        let gone = self.0.into_iter().filter(|(_, state)| state.mac.is_some());
        faults.extend(gone.map(|(name, _)| (name, RowFault::Missing)));
        faults.sort_by(|(one, _), (other, _)| one.cmp(other));
        faults
    }
}
