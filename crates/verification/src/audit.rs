use padan_store::AuditEvent;

use crate::{error::VerificationError, verifier::Verifier};

impl Verifier {
    /// Makes the row of a request durable. The response may be sent only after this has returned `Ok`.
    ///
    /// # Errors
    ///
    /// [`VerificationError::StoreUnavailable`] when the row is not durable in time. The response must then not contain
    /// the result.
    pub async fn audit(&self, event: AuditEvent) -> Result<(), VerificationError> {
        let recorded = self.parts.audit.record(event).await;
        recorded.map_err(|error| VerificationError::StoreUnavailable(error.into()))
    }

    /// Queues the row of a request without waiting until it is durable. For requests whose client has disconnected or
    /// whose response contains nothing about a person.
    pub fn audit_without_waiting(&self, event: AuditEvent) {
        self.parts.audit.record_without_waiting(event);
    }

    /// Writes the rows that are still queued, and the processor time of the clients. Call it when no request is served
    /// any more.
    pub async fn finish(&self) {
        self.parts.audit.finish().await;
        self.cpu_account.save(&self.parts.store, &self.parts.clock).await;
    }
}
