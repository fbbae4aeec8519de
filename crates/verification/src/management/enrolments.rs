//! Enrolments as jobs: an operator starts, pauses and continues them, and a process that waits for them does the work.

use padan_store::{AdminAct, Job, JobKind, JobWish, NewJob, StoreError};
use serde_json::json;
use uuid::Uuid;

use super::mandate::Mandate;

impl Mandate {
    /// Starts the enrolment of all people under a model set, which is recorded. `None` while another one is open.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn start_enrolment(&self, model_set: &str) -> Result<Option<Job>, StoreError> {
        let id = Uuid::now_v7();
        let subject = json!({ "model_set": model_set });
        self.announce(AdminAct::EnrolmentStarted, json!({ "job": id.to_string(), "model_set": model_set }))
            .await?;
        let operator = self.account.name.clone();
        let new = NewJob { id, kind: JobKind::Enrolment, operator, subject, nik: None };
        let jobs = self.management.store.jobs();
        if !jobs.begin(&new).await? {
            return Ok(None);
        }
        jobs.get(JobKind::Enrolment, id).await
    }

    /// Pauses, continues or stops an enrolment, which is recorded. `None` when there is none of this id; the flag says
    /// whether its state permitted it.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn wish_enrolment(&self, id: Uuid, wish: JobWish) -> Result<Option<(bool, Job)>, StoreError> {
        let jobs = self.management.store.jobs();
        if jobs.get(JobKind::Enrolment, id).await?.is_none() {
            return Ok(None);
        }
        let act = match wish {
            JobWish::Pause => AdminAct::EnrolmentPaused,
            JobWish::Continue => AdminAct::EnrolmentContinued,
            JobWish::Stop => AdminAct::EnrolmentStopped,
        };
        self.announce(act, json!({ "job": id.to_string() })).await?;
        let is_changed = jobs.wish(JobKind::Enrolment, id, wish).await?;
        Ok(jobs.get(JobKind::Enrolment, id).await?.map(|job| (is_changed, job)))
    }

    /// The enrolments that operators started, newest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn enrolment_jobs(&self) -> Result<Vec<Job>, StoreError> {
        self.management.store.jobs().list(JobKind::Enrolment).await
    }

    /// The number of processes that wait for enrolments or do one.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn enrolment_workers(&self) -> Result<u64, StoreError> {
        self.management.store.jobs().enrolment_workers().await
    }
}
