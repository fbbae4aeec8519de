//! What operators do with exports.

use std::{sync::Arc, time::Duration};

use padan_store::{AdminAct, AuditFilter, Job, JobKind, JobState, JobWish, NewJob, StoreError};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::{
    Management, Mandate,
    exports::{ExportCriteria, ExportFile, ExportLine, ExportStart},
};

/// How often files are looked for whose time is over.
const REMOVAL_INTERVAL: Duration = Duration::from_mins(1);

impl Mandate {
    /// Starts an export of these rows up to now, which is recorded. `None` while too many run or are kept.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn start_export(
        &self,
        filter: AuditFilter,
        line: ExportLine,
    ) -> Result<Option<Job>, StoreError> {
        let AuditFilter { nik, kind, client, from, to, after: _ } = filter;
        let now = self.now();
        let to = to.map_or(now, |to| to.min(now));
        let criteria = ExportCriteria { one_person: nik.is_some(), kind, client, from, to };
        let id = Uuid::now_v7();
        let Some(permit) = self.management.jobs.permit() else { return Ok(None) };
        self.announce(AdminAct::AuditExported, json!({ "job": id.to_string(), "criteria": criteria }))
            .await?;
        let new = NewJob {
            id,
            kind: JobKind::AuditExport,
            operator: self.account.name.clone(),
            subject: json!(criteria),
            nik,
        };
        if !self.management.store.jobs().begin(&new).await? {
            return Ok(None);
        }
        self.management
            .jobs
            .run(&self.management.store, &self.management.config, ExportStart { id, permit, line })
            .await?;
        self.export(id).await
    }

    /// Continues an export that was interrupted or failed, which is recorded. `None` when its state does not permit it, or
    /// too many run.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn continue_export(&self, id: Uuid, line: ExportLine) -> Result<Option<Job>, StoreError> {
        let Some(permit) = self.management.jobs.permit() else { return Ok(None) };
        let Some(job) = self.export(id).await? else { return Ok(None) };
        if !matches!(job.state, JobState::Waiting | JobState::Interrupted | JobState::Failed) {
            return Ok(None);
        }
        self.announce(AdminAct::AuditExported, json!({ "job": id.to_string(), "continued": true })).await?;
        let store = &self.management.store;
        if job.state == JobState::Failed
            && !store.jobs().wish(JobKind::AuditExport, id, JobWish::Continue).await?
        {
            return Ok(None);
        }
        if !self
            .management
            .jobs
            .run(&self.management.store, &self.management.config, ExportStart { id, permit, line })
            .await?
        {
            return Ok(None);
        }
        self.export(id).await
    }

    /// The exports, newest first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn exports(&self) -> Result<Vec<Job>, StoreError> {
        self.management.store.jobs().list(JobKind::AuditExport).await
    }

    /// An export.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn export(&self, id: Uuid) -> Result<Option<Job>, StoreError> {
        self.management.store.jobs().get(JobKind::AuditExport, id).await
    }

    /// Opens the file of a finished export, which is recorded. `None` when there is none, or no longer.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn open_export_file(&self, id: Uuid) -> Result<Option<ExportFile>, StoreError> {
        let kept =
            self.export(id).await?.filter(|job| job.state == JobState::Done && job.kept_until.is_some());
        let Some(job) = kept else { return Ok(None) };
        self.announce(AdminAct::AuditExportDownloaded, json!({ "job": id.to_string() })).await?;
        Ok(Some(ExportFile { jobs: self.management.store.jobs(), job, next: 0 }))
    }

    /// Stops an export or removes its file, which is recorded. False when there is nothing to stop or remove.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn remove_export(&self, id: Uuid) -> Result<bool, StoreError> {
        if self.export(id).await?.is_none() {
            return Ok(false);
        }
        self.announce(AdminAct::AuditExportRemoved, json!({ "job": id.to_string() })).await?;
        self.management.store.jobs().discard_export(id).await
    }
}

impl Management {
    /// Removes files of exports whose time is over. Runs until it is dropped.
    pub async fn remove_old_exports(self: Arc<Self>) {
        let mut turns = interval(REMOVAL_INTERVAL);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut has_failed = false;
        loop {
            turns.tick().await;
            let removed = self.store.jobs().discard_old_exports().await;
            if let Err(error) = &removed
                && !has_failed
            {
                tracing::warn!("files of exports whose time is over are removed later: {error}");
            }
            has_failed = removed.is_err();
        }
    }
}
