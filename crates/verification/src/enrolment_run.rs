use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use padan_domain::{NationalId, NikRange};
use padan_inference::DECODER_VERSION;
use padan_registry::RosterEntry;
use padan_store::{EnrolmentLedger, EnrolmentTally, TemplateSummary, fault_point};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::{
    enrolment::{Enrolled, Enrolment, EnrolmentError, EnrolmentEvent, Outcome},
    throttle::Throttle,
};

/// The next step of a process.
enum Step {
    Process(NikRange),
    /// Another process claimed the range first.
    Retry,
    /// Other processes still work on the last ranges.
    Wait,
    Finish,
}

/// How the work on a range ended.
enum RangeOutcome {
    Done(EnrolmentTally),
    /// The lease has expired, and another process has taken the range.
    Lost,
    Stopped,
}

impl Enrolment {
    /// Runs until the entire registry has been processed, or it is to stop. All embedded people are written before it
    /// returns.
    ///
    /// # Errors
    ///
    /// [`EnrolmentError`] when a database does not answer for longer than the settings allow, or breaks its contract.
    pub async fn run(
        &self,
        model_set: &str,
        report: &mut impl FnMut(EnrolmentEvent<'_>),
    ) -> Result<Enrolled, EnrolmentError> {
        let lease = Duration::from_secs(self.config.lease_seconds.get().into());
        let ledger = self.store.enrolment(self.engine.contract(), lease);
        match self.retrying(async || Ok(ledger.begin(model_set).await?)).await {
            Err(EnrolmentError::Stopped) => return Ok(Enrolled::none()),
            begun => begun?,
        }
        let mut pass = RegistryPass {
            enrolment: self,
            ledger: &ledger,
            report,
            throttle: Throttle::new(self.rate),
            enrolled: Enrolled::none(),
        };
        let completed = match pass.run(lease).await {
            Err(EnrolmentError::Stopped) => Ok(false),
            completed => completed,
        };
        let enrolled = pass.enrolled;
        // Other processes then need not wait until the lease expires.
        if let Err(error) = ledger.release().await {
            tracing::warn!("the ranges in progress were not released, and are taken over later: {error}");
        }
        completed.map(|complete| Enrolled { complete, ..enrolled })
    }
}

/// One process's pass over the registry.
struct RegistryPass<'a, R> {
    enrolment: &'a Enrolment,
    ledger: &'a EnrolmentLedger,
    report: &'a mut R,
    throttle: Throttle,
    enrolled: Enrolled,
}

impl<R: FnMut(EnrolmentEvent<'_>)> RegistryPass<'_, R> {
    /// Returns true when the entire registry is processed, and false when the pass was stopped.
    async fn run(&mut self, lease: Duration) -> Result<bool, EnrolmentError> {
        while !self.enrolment.is_stopped() {
            match self.next_step().await? {
                Step::Process(range) => {
                    if let RangeOutcome::Done(tally) = self.process(&range, lease).await? {
                        let ledger = self.ledger;
                        self.enrolment
                            .retrying(async || Ok(ledger.finish_range(&range, tally).await?))
                            .await?;
                    }
                }
                Step::Wait => sleep(Duration::from_millis(500)).await,
                Step::Retry => {}
                Step::Finish => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Claims a range that another process has abandoned, else the next unclaimed one.
    async fn next_step(&mut self) -> Result<Step, EnrolmentError> {
        let (ledger, registry) = (self.ledger, &self.enrolment.registry);
        let people = self.enrolment.config.range_people.get();
        self.enrolment
            .retrying(async || {
                if let Some(range) = ledger.take_over().await? {
                    return Ok(Step::Process(range));
                }
                let Some(at) = ledger.checkpoint().await? else { return Ok(Step::Finish) };
                let Some(range) = registry.next_range(at.reached.as_ref(), people).await? else {
                    return Ok(if ledger.finish(&at).await? { Step::Finish } else { Step::Wait });
                };
                Ok(if ledger.claim(&at, &range).await? { Step::Process(range) } else { Step::Retry })
            })
            .await
    }

    /// Processes a range, and renews its lease meanwhile.
    async fn process(&mut self, range: &NikRange, lease: Duration) -> Result<RangeOutcome, EnrolmentError> {
        let ledger = self.ledger;
        let mut renewals = interval(lease / 3);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        renewals.tick().await;
        let mut work = Box::pin(self.process_batches(range));
        loop {
            tokio::select! {
                ended = &mut work => return ended,
                _ = renewals.tick() => match ledger.renew(range).await {
                    Ok(true) => {}
                    Ok(false) => return Ok(RangeOutcome::Lost),
                    // The work fails with the same outage, and `retrying` limits the wait.
                    Err(error) => tracing::warn!("a lease could not be renewed: {error}"),
                },
            }
        }
    }

    async fn process_batches(&mut self, range: &NikRange) -> Result<RangeOutcome, EnrolmentError> {
        let Enrolment { registry, store, engine, config, .. } = self.enrolment;
        let mut tally = EnrolmentTally::default();
        let mut last = None;
        loop {
            if self.enrolment.is_stopped() {
                return Ok(RangeOutcome::Stopped);
            }
            let limit = config.batch_people.get();
            let page = self
                .enrolment
                .retrying(async || Ok(registry.roster(range, last.as_ref(), limit).await?))
                .await?;
            let Some(end) = page.last() else { return Ok(RangeOutcome::Done(tally)) };
            last = Some(end.nik.clone());
            let niks: Vec<_> = page.iter().map(|entry| entry.nik.clone()).collect();
            let stored = self
                .enrolment
                .retrying(async || Ok(store.templates().summaries(&niks, engine.contract()).await?))
                .await?;
            let mut counted = EnrolmentTally::default();
            let mut stale = Vec::new();
            for (entry, stored) in page.into_iter().zip(stored) {
                self.count_or_collect(entry, stored, &mut counted, &mut stale);
            }
            self.embed(stale, &mut counted).await?;
            tally += counted;
            self.enrolled.tally += counted;
            let Enrolled { tally, embedded, .. } = self.enrolled;
            (self.report)(EnrolmentEvent::Progress { tally, embedded });
        }
    }

    /// Counts a person with a current and readable template, and adds any other person to `stale`.
    fn count_or_collect(
        &mut self,
        entry: RosterEntry,
        stored: Option<TemplateSummary>,
        counted: &mut EnrolmentTally,
        stale: &mut Vec<RosterEntry>,
    ) {
        match (entry.portrait_updated_at, stored) {
            (None, _) => {
                counted.failed += 1;
                self.report_without_template(&entry.nik, "REGISTRY_INCONSISTENT");
            }
            (Some(updated_at), Some(stored))
                if stored.portrait_updated_at == updated_at
                    && stored.is_readable
                    && !stored.may_become_usable(DECODER_VERSION)
                    && !(self.enrolment.judge_again && stored.is_unjudged()) =>
            {
                let covered = stored.covered == Some(true);
                self.count(&entry.nik, stored.unusable_reason.as_deref(), covered, counted);
            }
            (Some(_), _) => stale.push(entry),
        }
    }

    /// Counts a person with a template, and reports it if the template is of little or no use.
    fn count(
        &mut self,
        nik: &NationalId,
        unusable_reason: Option<&str>,
        covered: bool,
        counted: &mut EnrolmentTally,
    ) {
        if let Some(reason) = unusable_reason {
            counted.unusable += 1;
            return self.report_without_template(nik, reason);
        }
        counted.templates += 1;
        if covered {
            counted.covered += 1;
            (self.report)(EnrolmentEvent::Covered { nik });
        }
    }

    fn report_without_template(&mut self, nik: &NationalId, reason: &str) {
        (self.report)(EnrolmentEvent::WithoutTemplate { nik, reason });
    }

    /// Embeds people with all workers, and writes the templates together.
    async fn embed(
        &mut self,
        stale: Vec<RosterEntry>,
        counted: &mut EnrolmentTally,
    ) -> Result<(), EnrolmentError> {
        let Enrolment { store, engine, .. } = self.enrolment;
        // One portrait waits for each busy worker, so that no worker is idle. As many faces as there are workers can thus
        // wait for a shared embedder.
        let concurrency = engine.figures().workers * 2;
        let (enrolment, throttle) = (self.enrolment, &self.throttle);
        let mut outcomes = stream::iter(stale)
            .map(|entry| async move {
                throttle.wait().await;
                fault_point("enrolment");
                enrolment.embed_one(entry).await
            })
            .buffer_unordered(concurrency.max(1));
        let mut batch = Vec::new();
        while let Some(outcome) = outcomes.next().await {
            match outcome? {
                Outcome::Embedded(nik, template) => batch.push((nik, template)),
                Outcome::Gone => {}
                Outcome::Failed(nik, reason) => {
                    counted.failed += 1;
                    (self.report)(EnrolmentEvent::WithoutTemplate { nik: &nik, reason });
                }
            }
        }
        drop(outcomes);
        if !batch.is_empty() {
            enrolment
                .retrying(async || Ok(store.templates().save_all(&batch, engine.contract()).await?))
                .await?;
        }
        for (nik, template) in &batch {
            self.enrolled.embedded += 1;
            self.count(nik, template.unusable_reason(), template.is_covered(), counted);
        }
        Ok(())
    }
}

impl Enrolled {
    fn none() -> Self {
        Self { tally: EnrolmentTally::default(), embedded: 0, complete: false }
    }
}
