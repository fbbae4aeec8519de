use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::{administering::recorded_state, fault::AuditFault, keys::AuditKeys, row::AuditRow};
use crate::{
    client_row::{ClientColumns, ClientState},
    client_signature::ClientSignature,
};

/// The last state of each client that the trail records. It is compared with the table of clients, where somebody may
/// have restored an older row, whose signature is right.
#[derive(Default)]
pub(super) struct RecordedClients(HashMap<String, ClientState>);

impl RecordedClients {
    /// Records a verified row, if it is about a client. Rows of several chains come in any order.
    pub(super) fn record(&mut self, row: &AuditRow) {
        let Some((name, state)) = recorded_state(row) else { return };
        let last = self.0.entry(name).or_insert_with(|| state.clone());
        if last.changed_at < state.changed_at {
            *last = state;
        }
    }

    /// What contradicts the table of clients. Rows of the trail before `pruned_until` may have been pruned.
    pub(super) fn faults(
        mut self,
        clients: Vec<ClientColumns>,
        keys: &AuditKeys,
        pruned_until: Option<DateTime<Utc>>,
    ) -> Vec<AuditFault> {
        let mut faults = Vec::new();
        for client in clients {
            let signature = client.signature(keys);
            let recorded = self.0.remove(&client.name);
            let (name, changed_at) = (client.name, client.changed_at);
            if signature != ClientSignature::Right {
                faults.push(AuditFault::ClientChanged { name, signature });
                continue;
            }
            let is_pruned = pruned_until.is_some_and(|until| changed_at < until);
            match recorded {
                Some(recorded) if recorded.mac == client.mac.map(hex::encode) => {}
                Some(recorded) if changed_at < recorded.changed_at => {
                    faults.push(AuditFault::ClientRolledBack {
                        name,
                        from: recorded.changed_at,
                        to: changed_at,
                    });
                }
                None if is_pruned => {}
                _ => faults.push(AuditFault::ClientUnrecorded { name, changed_at }),
            }
        }
        let gone = self.0.into_iter().filter(|(_, state)| state.mac.is_some());
        faults.extend(gone.map(|(name, _)| AuditFault::ClientMissing(name)));
        faults.sort_by_key(ToString::to_string);
        faults
    }
}
