//! The audit trail: search, export and verification.

use std::sync::Arc;

use padan_store::{AdminAct, AuditFilter, AuditLog, AuditQuery, AuditRow, StoreError};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::{Management, mandate::Mandate, verifications::TrailVerification, watch::Watch};

impl Mandate {
    /// A page of a search in the audit trail.
    ///
    /// # Errors
    ///
    /// When the store fails, or takes too long for the time that the query names.
    pub async fn search(&self, query: AuditQuery) -> Result<Vec<AuditRow>, StoreError> {
        let act = match (&query.nik, &query.request_id) {
            (Some(_), _) => AdminAct::PersonSearched,
            (None, Some(_)) => AdminAct::RequestSearched,
            (None, None) => AdminAct::AuditSearched,
        };
        // A person is not named, so that nothing of this row has to be forgotten. An id that an operator types may be
        // anything, and so it is not recorded either.
        let after = json!({
            "one_person": query.nik.is_some(),
            "one_request": query.request_id.is_some(),
            "kind": query.kind,
            "client": query.client,
            "reason": query.reason,
            "except_reasons": query.except_reasons.len(),
            "from": query.from,
            "to": query.to,
            "continued": query.before.is_some(),
        });
        self.announce(act, after).await?;
        self.management.store.search_audit(query).await
    }

    /// The rows of requests as they are written, which is recorded once. `None` while too many operators watch.
    ///
    /// # Errors
    ///
    /// When the row of the act cannot be written.
    pub async fn watch(&self, client: Option<String>) -> Result<Option<Watch>, StoreError> {
        let Management { watches, store, clock, .. } = &*self.management;
        let Ok(permit) = Arc::clone(watches).try_acquire_owned() else { return Ok(None) };
        self.announce(AdminAct::AuditSearched, json!({ "live": true, "client": client })).await?;
        Ok(Some(Watch::begin(store.clone(), *clock, client, permit)))
    }

    /// Permission for one more export; `None` while too many run.
    pub fn try_begin_export(&self) -> Option<OwnedSemaphorePermit> {
        self.management.jobs.permit()
    }

    /// Opens the trail for an export of these rows, which is recorded.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn open_export(&self, filter: &AuditFilter) -> Result<AuditLog, StoreError> {
        let AuditFilter { nik, kind, client, from, to, after: _ } = filter;
        let after =
            json!({ "one_person": nik.is_some(), "kind": kind, "client": client, "from": from, "to": to });
        self.announce(AdminAct::AuditExported, after).await?;
        AuditLog::open(&self.management.config).await
    }

    /// Starts a verification of the whole trail, which is recorded. `None` while another one runs.
    ///
    /// # Errors
    ///
    /// When the row of the act cannot be written.
    pub async fn start_verification(&self) -> Result<Option<TrailVerification>, StoreError> {
        self.announce(AdminAct::AuditVerified, Value::Null).await?;
        let Management { verifications, config, clock, .. } = &*self.management;
        Ok(verifications.start(config.clone(), *clock))
    }

    /// The last verifications of the trail by this process, newest first.
    pub fn verifications(&self) -> Vec<TrailVerification> {
        self.management.verifications.list()
    }
}
