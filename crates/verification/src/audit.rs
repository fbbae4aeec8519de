use padan_store::AuditEvent;

use crate::{VerificationError, Verifier};

impl Verifier {
    /// Makes the row of a request durable. Only then may its answer leave; when it fails, nothing that was found out
    /// may be told.
    pub async fn audit(&self, event: AuditEvent) -> Result<(), VerificationError> {
        match &self.parts.audit {
            Some(trail) => {
                trail.record(event).await.map_err(|error| VerificationError::StoreUnavailable(error.into()))
            }
            None => Ok(()),
        }
    }

    /// Has the row of a request written without waiting for it: the caller is gone, or is told nothing that was found out.
    pub fn audit_without_waiting(&self, event: AuditEvent) {
        if let Some(trail) = &self.parts.audit {
            trail.note(event);
        }
    }

    /// Writes what is left of the audit trail. To be called when nobody is served any more.
    pub async fn finish(&self) {
        if let Some(trail) = &self.parts.audit {
            trail.finish().await;
        }
    }
}
