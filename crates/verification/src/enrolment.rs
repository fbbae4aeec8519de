use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use padan_domain::{NationalId, NikRange};
use padan_inference::Engine;
use padan_registry::{Registry, RegistryError, RosterEntry};
use padan_store::{EnrolmentLedger, EnrolmentTally, Store, StoreError, StoredTemplate, TemplateSummary};
use serde::Deserialize;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{VerificationError, error::in_words, pace::Pace, reference::template_of};

/// Section `[enrolment]` of the settings.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentConfig {
    /// About how many people a process takes at a time. Few: many statements. Many: a process that joins late finds
    /// nothing left to do.
    pub range_people: NonZeroU32,
    /// How many people are looked up and written at a time, which bounds memory and what a killed process embeds again.
    pub batch_people: NonZeroU32,
    /// After how many seconds another process takes over from one that has ended without a word.
    pub lease_seconds: NonZeroU32,
    /// For how many seconds a database that does not answer is asked again before the run gives up.
    pub patience_seconds: u32,
}

/// Gives everybody in the registry a template under one model contract, ahead of the first verification.
///
/// Any number of processes may do so at once: they share the work. Whoever has a fresh template is passed over, so a
/// run that was killed goes on where it was.
pub struct Enrolment {
    /// The civil registry's replica.
    pub registry: Registry,
    /// The service's own database.
    pub store: Store,
    /// The models, and the workers that are to be kept busy.
    pub engine: Engine,
    /// Section `[enrolment]`.
    pub config: EnrolmentConfig,
    /// People embedded a second at most; `None` for as fast as it goes.
    pub rate: Option<NonZeroU32>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enrolled {
    /// The people whom this process went through.
    pub tally: EnrolmentTally,
    /// Those among them whom it embedded.
    pub embedded: u64,
    /// Whether everybody has been gone through, by this process and others.
    pub complete: bool,
}

/// Why a run ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// The registry did not answer for longer than the settings allow, or answered nonsense.
    #[error("the registry cannot answer")]
    Registry(#[from] RegistryError),
    /// The store did not answer for longer than the settings allow, or answered nonsense.
    #[error("the store cannot answer")]
    Store(#[from] StoreError),
}

/// What a run tells while it works.
#[derive(Debug)]
pub enum EnrolmentNews<'a> {
    /// How far it has come.
    Progress {
        /// The people whom this process went through.
        tally: EnrolmentTally,
        /// Those among them whom it embedded.
        embedded: u64,
    },
    /// Somebody has no usable template.
    WithoutTemplate {
        /// Who. For the operator's own list, and no log.
        nik: &'a NationalId,
        /// The reason code of the portrait, or what failed.
        reason: &'a str,
    },
}

/// What became of somebody.
enum Outcome {
    Embedded(NationalId, StoredTemplate),
    /// The portrait is gone since the roster was read.
    Gone,
    Failed(NationalId, &'static str),
}

/// What a process does next.
enum Next {
    Range(NikRange),
    Again,
    Wait,
    Nothing,
}

/// How a range ended.
enum Ending {
    Done(EnrolmentTally),
    /// Another process has it now.
    Lost,
    Stopped,
}

/// A worker that is slow is no fault of the portrait.
const DEADLINE: Duration = Duration::from_mins(2);
/// How often the engine is asked again for one portrait.
const ATTEMPTS: u32 = 3;

impl Enrolment {
    /// Works until everybody has been gone through, or `stop` says so. What was embedded by then is written.
    pub async fn run(
        &self,
        model_set: &str,
        report: &mut impl FnMut(EnrolmentNews<'_>),
        stop: &watch::Receiver<bool>,
    ) -> Result<Enrolled, EnrolmentError> {
        let lease = Duration::from_secs(self.config.lease_seconds.get().into());
        let ledger = self.store.enrolment(self.engine.contract(), lease);
        self.patiently(async || Ok(ledger.begin(model_set).await?)).await?;
        let mut walk = Walk {
            enrolment: self,
            ledger: &ledger,
            report,
            stop,
            pace: Pace::new(self.rate),
            enrolled: Enrolled::none(),
        };
        let walked = walk.go(lease).await;
        let enrolled = walk.enrolled;
        // Others need not wait for the lease to run out.
        ledger.release().await?;
        walked.map(|complete| Enrolled { complete, ..enrolled })
    }

    /// About how many people there are, for whoever shows how far it is.
    pub async fn estimated_people(&self) -> Option<u64> {
        self.registry.estimated_people().await.ok().flatten()
    }

    /// Asks a database again until it answers, as long as the settings allow.
    async fn patiently<T>(
        &self,
        mut ask: impl AsyncFnMut() -> Result<T, EnrolmentError>,
    ) -> Result<T, EnrolmentError> {
        let until = Instant::now() + Duration::from_secs(self.config.patience_seconds.into());
        let mut wait = Duration::from_millis(200);
        loop {
            match ask().await {
                Err(error) if error.may_pass() && Instant::now() + wait < until => {
                    tracing::warn!("asking again in {} ms: {}", wait.as_millis(), in_words(&error));
                    sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(5));
                }
                answered => return answered,
            }
        }
    }

    async fn one(&self, entry: RosterEntry) -> Result<Outcome, EnrolmentError> {
        let nik = entry.nik;
        let fetched = self.patiently(async || match self.registry.portrait(&nik).await {
            Err(RegistryError::Inconsistent { .. }) => Ok(Err("REGISTRY_INCONSISTENT")),
            Err(error) => Err(error.into()),
            Ok(portrait) => Ok(Ok(portrait)),
        });
        let portrait = match fetched.await? {
            Err(reason) => return Ok(Outcome::Failed(nik, reason)),
            Ok(None) => return Ok(Outcome::Gone),
            Ok(Some(portrait)) => portrait,
        };
        let updated_at = portrait.updated_at;
        for attempt in 1..=ATTEMPTS {
            match template_of(&self.engine, portrait.clone(), Instant::now() + DEADLINE).await {
                Ok(content) => {
                    return Ok(Outcome::Embedded(
                        nik,
                        StoredTemplate { portrait_updated_at: updated_at, content },
                    ));
                }
                Err(VerificationError::Busy) => sleep(Duration::from_secs(1)).await,
                Err(error) => {
                    tracing::error!(attempt, "a portrait could not be embedded: {}", error.in_words());
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
        Ok(Outcome::Failed(nik, "ENGINE_FAILED"))
    }
}

/// One process's walk over the registry.
struct Walk<'a, R> {
    enrolment: &'a Enrolment,
    ledger: &'a EnrolmentLedger,
    report: &'a mut R,
    stop: &'a watch::Receiver<bool>,
    pace: Pace,
    enrolled: Enrolled,
}

impl<R: FnMut(EnrolmentNews<'_>)> Walk<'_, R> {
    /// True when nobody is left, false when it was stopped.
    async fn go(&mut self, lease: Duration) -> Result<bool, EnrolmentError> {
        while !*self.stop.borrow() {
            match self.next().await? {
                Next::Range(range) => {
                    if let Ending::Done(tally) = self.through(&range, lease).await? {
                        let ledger = self.ledger;
                        self.enrolment
                            .patiently(async || Ok(ledger.finish_range(&range, tally).await?))
                            .await?;
                    }
                }
                // Another process is still at work, or has ended without a word.
                Next::Wait => sleep(Duration::from_millis(500)).await,
                Next::Again => {}
                Next::Nothing => return Ok(true),
            }
        }
        Ok(false)
    }

    /// A range that somebody left behind, or else the next one that nobody has.
    async fn next(&mut self) -> Result<Next, EnrolmentError> {
        let (ledger, registry) = (self.ledger, &self.enrolment.registry);
        let people = self.enrolment.config.range_people.get();
        self.enrolment
            .patiently(async || {
                if let Some(range) = ledger.take_over().await? {
                    return Ok(Next::Range(range));
                }
                let Some(at) = ledger.checkpoint().await? else { return Ok(Next::Nothing) };
                let Some(range) = registry.next_range(at.reached.as_ref(), people).await? else {
                    return Ok(if ledger.finish(&at).await? { Next::Nothing } else { Next::Wait });
                };
                // Another process may have been faster: then what it left is looked at.
                Ok(if ledger.claim(&at, &range).await? { Next::Range(range) } else { Next::Again })
            })
            .await
    }

    /// Goes through a range, and keeps the lease meanwhile.
    async fn through(&mut self, range: &NikRange, lease: Duration) -> Result<Ending, EnrolmentError> {
        let ledger = self.ledger;
        let mut renewals = interval(lease / 3);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        renewals.tick().await;
        let mut work = Box::pin(self.work(range));
        loop {
            tokio::select! {
                ended = &mut work => return ended,
                _ = renewals.tick() => match ledger.renew(range).await {
                    Ok(true) => {}
                    Ok(false) => return Ok(Ending::Lost),
                    // The work meets the same outage, and decides.
                    Err(error) => tracing::warn!("a lease could not be renewed: {error}"),
                },
            }
        }
    }

    async fn work(&mut self, range: &NikRange) -> Result<Ending, EnrolmentError> {
        let Enrolment { registry, store, engine, config, .. } = self.enrolment;
        let mut tally = EnrolmentTally::default();
        let mut last = None;
        loop {
            if *self.stop.borrow() {
                return Ok(Ending::Stopped);
            }
            let most = config.batch_people.get();
            let page = self
                .enrolment
                .patiently(async || Ok(registry.roster(range, last.as_ref(), most).await?))
                .await?;
            let Some(end) = page.last() else { return Ok(Ending::Done(tally)) };
            last = Some(end.nik.clone());
            let niks: Vec<_> = page.iter().map(|entry| entry.nik.clone()).collect();
            let kept = self
                .enrolment
                .patiently(async || Ok(store.template_summaries(&niks, engine.contract()).await?))
                .await?;
            let mut counted = EnrolmentTally::default();
            let mut stale = Vec::new();
            for (entry, kept) in page.into_iter().zip(kept) {
                self.sort(entry, kept, &mut counted, &mut stale);
            }
            self.embed(stale, &mut counted).await?;
            tally += counted;
            self.enrolled.tally += counted;
            let Enrolled { tally, embedded, .. } = self.enrolled;
            (self.report)(EnrolmentNews::Progress { tally, embedded });
        }
    }

    /// Whoever has a fresh template that can be read is counted; whoever has none is to be embedded.
    fn sort(
        &mut self,
        entry: RosterEntry,
        kept: Option<TemplateSummary>,
        counted: &mut EnrolmentTally,
        stale: &mut Vec<RosterEntry>,
    ) {
        match (entry.portrait_updated_at, kept) {
            (None, _) => {
                counted.failed += 1;
                self.without_template(&entry.nik, "REGISTRY_INCONSISTENT");
            }
            (Some(moment), Some(kept)) if kept.portrait_updated_at == moment && kept.is_readable => {
                match kept.unusable_reason {
                    None => counted.templates += 1,
                    Some(reason) => {
                        counted.unusable += 1;
                        self.without_template(&entry.nik, &reason);
                    }
                }
            }
            (Some(_), _) => stale.push(entry),
        }
    }

    fn without_template(&mut self, nik: &NationalId, reason: &str) {
        (self.report)(EnrolmentNews::WithoutTemplate { nik, reason });
    }

    /// Embeds people, all workers busy, and writes them together.
    async fn embed(
        &mut self,
        stale: Vec<RosterEntry>,
        counted: &mut EnrolmentTally,
    ) -> Result<(), EnrolmentError> {
        let Enrolment { store, engine, .. } = self.enrolment;
        // One waits for each worker that is at work, so that none is ever idle.
        let at_once = engine.figures().workers * 2;
        let (enrolment, pace) = (self.enrolment, &self.pace);
        let mut outcomes = stream::iter(stale)
            .map(|entry| async move {
                pace.wait().await;
                enrolment.one(entry).await
            })
            .buffer_unordered(at_once.max(1));
        let mut batch = Vec::new();
        while let Some(outcome) = outcomes.next().await {
            match outcome? {
                Outcome::Embedded(nik, template) => batch.push((nik, template)),
                Outcome::Gone => {}
                Outcome::Failed(nik, reason) => {
                    counted.failed += 1;
                    (self.report)(EnrolmentNews::WithoutTemplate { nik: &nik, reason });
                }
            }
        }
        drop(outcomes);
        if !batch.is_empty() {
            enrolment.patiently(async || Ok(store.save_templates(&batch, engine.contract()).await?)).await?;
        }
        for (nik, template) in &batch {
            self.enrolled.embedded += 1;
            match template.unusable_reason() {
                None => counted.templates += 1,
                Some(reason) => {
                    counted.unusable += 1;
                    self.without_template(nik, reason);
                }
            }
        }
        Ok(())
    }
}

impl Enrolled {
    fn none() -> Self {
        Self { tally: EnrolmentTally::default(), embedded: 0, complete: false }
    }
}

impl EnrolmentError {
    /// Whether the same question may be answered later.
    fn may_pass(&self) -> bool {
        match self {
            Self::Registry(error) => {
                matches!(error, RegistryError::Unavailable(_) | RegistryError::Timeout(_))
            }
            Self::Store(error) => matches!(error, StoreError::Unavailable(_) | StoreError::Timeout(_)),
        }
    }
}
