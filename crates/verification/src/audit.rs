use std::time::Instant;

use chrono::TimeDelta;
use padan_domain::NationalId;
use padan_store::AuditEvent;

use crate::{ClientName, VerificationError, Verifier, verifier::within};

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

    /// Has the row of a request written whose caller is gone: nobody waits for it.
    pub fn audit_unanswered(&self, event: AuditEvent) {
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

    /// Refuses a client for whom too many faces have failed for this person lately.
    pub(crate) async fn refuse_trial(
        &self,
        client: &ClientName,
        nik: &NationalId,
        deadline: Instant,
    ) -> Result<(), VerificationError> {
        let limit = self.parts.config.failed_faces;
        if limit.most == 0 {
            return Ok(());
        }
        let now = self.parts.clock.now();
        let window = TimeDelta::seconds(limit.window_seconds.get().into());
        let lookup = self.parts.store.failed_face(nik, client.as_str(), now - window, limit.most);
        match within(deadline, lookup).await.map_err(VerificationError::StoreUnavailable)? {
            None => Ok(()),
            Some(failed) => {
                let wait = (failed + window - now).to_std().unwrap_or_default();
                Err(VerificationError::TooManyFailedFaces(wait))
            }
        }
    }
}
