use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use padan_registry::Registry;
use padan_store::{EnrolmentWorker, JobEnd, JobKind, JobProgress, Store, TakenJob};
use padan_verification::{AbsentPeople, Enrolment, EnrolmentEvent, Removal, RemovalLimit};
use parking_lot::Mutex;
use serde_json::json;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{Report, announce, measure_lag, refuse_without_view};
use crate::{engine::start_engine, settings::Settings};

/// Does the enrolments that operators start in the management interface, one at a time, until it is to stop.
pub(crate) struct Waiting {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) rate: Option<NonZeroU32>,
    /// The list of people without a template.
    pub(crate) failures: PathBuf,
    pub(crate) stop: watch::Receiver<bool>,
}

/// How often it looks for an enrolment: a look-up of one row.
const POLL_INTERVAL: Duration = Duration::from_secs(3);
/// How often it looks whether the enrolment was paused, and notes how far it is.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(2);

impl Waiting {
    /// Waits and works until it is to stop.
    ///
    /// # Errors
    ///
    /// When the registry's user cannot read all people.
    pub(crate) async fn run(mut self) -> Result<()> {
        let registry = Registry::new(&self.settings.registry)?;
        refuse_without_view(&registry).await?;
        let lag = tokio::spawn(measure_lag(registry.clone()));
        let worker = self.store.jobs().enrolment_worker();
        let mut has_failed = false;
        while !*self.stop.borrow() {
            let turn = self.turn(&worker, &registry).await;
            if let Err(error) = &turn
                && !has_failed
            {
                tracing::warn!("cannot look for enrolments, trying again: {error:#}");
            }
            has_failed = turn.is_err();
            let _ = timeout(POLL_INTERVAL, self.stop.wait_for(|stop| *stop)).await;
        }
        lag.abort();
        // Otherwise it counts as waiting for some seconds.
        let _ = worker.leave().await;
        Ok(())
    }

    async fn turn(&self, worker: &EnrolmentWorker, registry: &Registry) -> Result<()> {
        worker.note().await?;
        let Some(TakenJob { lease, job, .. }) = self.store.jobs().take(JobKind::Enrolment, None).await?
        else {
            return Ok(());
        };
        let set = job.subject["model_set"].as_str().unwrap_or_default();
        tracing::info!(job = %job.id, set, "beginning or continuing an enrolment");
        let (stopping, stop) = watch::channel(false);
        let progress = Mutex::new(JobProgress::default());
        let mut work = Box::pin(self.enrol(job.id.to_string(), set, registry, stop, &progress));
        let mut is_mine = true;
        let ended = loop {
            tokio::select! {
                ended = &mut work => break ended,
                () = sleep(RENEWAL_INTERVAL) => {}
            }
            let reached = *progress.lock();
            match self.store.jobs().renew(&lease, reached).await {
                Ok(renewed) => is_mine &= renewed,
                Err(error) => tracing::warn!("the progress of an enrolment could not be noted: {error}"),
            }
            let _ = worker.note().await;
            if !is_mine || *self.stop.borrow() {
                let _ = stopping.send(true);
            }
        };
        drop(work);
        let reached = *progress.lock();
        self.store.jobs().renew(&lease, reached).await?;
        match ended {
            Ok(true) => drop(self.store.jobs().end(&lease, JobEnd::Done(None)).await?),
            Ok(false) => self.store.jobs().release(&lease).await?,
            Err(error) => {
                tracing::error!("an enrolment failed: {error:#}");
                self.store.jobs().end(&lease, JobEnd::Failed(format!("{error:#}"))).await?;
            }
        }
        Ok(())
    }

    /// Returns whether all people were processed: false when it was stopped.
    async fn enrol(
        &self,
        job: String,
        set: &str,
        registry: &Registry,
        stop: watch::Receiver<bool>,
        progress: &Mutex<JobProgress>,
    ) -> Result<bool> {
        let mut settings = self.settings.clone();
        set.clone_into(&mut settings.inference.model_set);
        let enrolment = Enrolment {
            registry: registry.clone(),
            engine: start_engine(&settings).await?,
            store: self.store.clone(),
            config: settings.enrolment,
            rate: self.rate,
            judge_again: false,
            stop,
        };
        let contract = enrolment.engine.contract().clone();
        if !announce(&enrolment, json!({ "job": job, "model_set": set, "contract": contract.as_str() }))
            .await?
        {
            return Ok(false);
        }
        // People of the ranges that were finished before, such as before a pause.
        let open = self.store.enrolments().await?;
        let open = open.iter().find(|status| status.contract == contract && status.finished_at.is_none());
        let before = open.map_or(0, |status| status.tally.people());
        let total = enrolment.estimated_people().await;
        let mut report = Report::quiet(&self.failures);
        let mut on_event = |event: EnrolmentEvent<'_>| {
            if let EnrolmentEvent::Progress { tally, .. } = &event {
                let reached = JobProgress { done: before + tally.people(), total };
                *progress.lock() = reached;
            }
            report.handle_event(&event);
        };
        let enrolled = enrolment.run(set, &mut on_event).await?;
        if let Some(error) = report.write_error {
            return Err(error).with_context(|| format!("cannot write {}", self.failures.display()));
        }
        if !enrolled.complete {
            return Ok(false);
        }
        if !remove_absent_people(&enrolment).await? {
            return Ok(false);
        }
        if enrolled.tally.failed > 0 {
            bail!(
                "the registry or the engine failed for {} people: continue it to try them again",
                enrolled.tally.failed
            );
        }
        Ok(true)
    }
}

/// Returns whether they were compared: false when it was stopped.
async fn remove_absent_people(enrolment: &Enrolment) -> Result<bool> {
    match enrolment.remove_absent_people(RemovalLimit::Tenth).await? {
        Removal::Compared(AbsentPeople { absent, seen, removed: None }) => bail!(
            "all people were processed, but {absent} of {seen} templates belong to people who are not in the registry, which \
             are too many to be removed: see `padan enroll --remove-many`"
        ),
        Removal::Compared(_) | Removal::NotPermitted => Ok(true),
        Removal::Stopped => Ok(false),
    }
}
