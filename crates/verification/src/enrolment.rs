use std::{
    future::pending,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use padan_domain::NationalId;
use padan_inference::{DECODER_VERSION, Engine};
use padan_registry::{Registry, RegistryError, RosterEntry};
use padan_store::{Administration, AnnouncedAct, EnrolmentTally, Store, StoreError, StoredTemplate};
use serde::Deserialize;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    error::{VerificationError, error_chain},
    reference::template_of,
};

/// Section `[enrolment]` of the settings.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentConfig {
    /// About how many people a process claims at a time. Small ranges cause many statements; large ones leave no work
    /// for a process that joins late.
    pub range_people: NonZeroU32,
    /// How many people are looked up and written together. It limits memory, and the work that is repeated after a
    /// process was killed.
    pub batch_people: NonZeroU32,
    /// Seconds after which another process takes over the range of a process that has crashed.
    pub lease_seconds: NonZeroU32,
    /// Seconds for which a failed database query is retried before the run fails.
    pub patience_seconds: u32,
}

/// Makes a template of every portrait in the registry under one model contract, before the first verification.
///
/// Any number of processes may run at once and share the work. People with a current template are skipped, so that a
/// run that was killed can be continued.
pub struct Enrolment {
    /// The civil registry's replica.
    pub registry: Registry,
    /// The service's own database.
    pub store: Store,
    /// The models and their workers.
    pub engine: Engine,
    /// Section `[enrolment]`.
    pub config: EnrolmentConfig,
    /// The limit of people embedded in a second; `None` is no limit.
    pub rate: Option<NonZeroU32>,
    /// Also make the templates again that a program made which did not judge whether the face is covered.
    pub judge_again: bool,
    /// Set to true to stop the run.
    pub stop: watch::Receiver<bool>,
}

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enrolled {
    /// The people that this process has processed.
    pub tally: EnrolmentTally,
    /// How many of them it has embedded.
    pub embedded: u64,
    /// Whether the entire registry has been processed, by this process and others.
    pub complete: bool,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// The registry did not answer for longer than the settings allow, or broke the contract of its view.
    #[error("the registry cannot answer")]
    Registry(#[from] RegistryError),
    /// The store did not answer for longer than the settings allow, or has a row that breaks an invariant.
    #[error("the store cannot answer")]
    Store(#[from] StoreError),
    /// It was to stop while a database did not answer.
    #[error("stopped while a database did not answer")]
    Stopped,
}

/// An event that a run reports.
#[derive(Debug)]
pub enum EnrolmentEvent<'a> {
    /// A batch was finished.
    Progress {
        /// The people that this process has processed.
        tally: EnrolmentTally,
        /// How many of them it has embedded.
        embedded: u64,
    },
    /// A person has no usable template.
    WithoutTemplate {
        /// The person. It may go to the operator's own list, never to a log.
        nik: &'a NationalId,
        /// The reason code of the portrait, or the failed step.
        reason: &'a str,
    },
    /// A person has a template of a covered or cut-off face. Its percentages do not mean what the calibration says.
    Covered {
        /// The person, as above.
        nik: &'a NationalId,
    },
}

/// The result for one person.
pub(crate) enum Outcome {
    Embedded(NationalId, StoredTemplate),
    /// The portrait has disappeared since the roster was read.
    Gone,
    Failed(NationalId, &'static str),
}

/// The time limit for one portrait. It is generous, because a slow worker is no fault of the portrait.
const PORTRAIT_TIMEOUT: Duration = Duration::from_mins(2);
/// How many times a portrait is analysed before it counts as failed.
const ATTEMPTS: u32 = 3;

impl Enrolment {
    /// An estimate of the number of people in the registry, to show progress.
    pub async fn estimated_people(&self) -> Option<u64> {
        self.registry.estimated_people().await.ok().flatten()
    }

    /// Writes the row of the audit trail that says that this enrolment begins. It waits for the store as long as the
    /// enrolment itself does.
    ///
    /// # Errors
    ///
    /// When the row could not be written in this time, or the enrolment is to stop.
    pub async fn announce(
        &self,
        administration: &Administration,
        act: &AnnouncedAct,
    ) -> Result<(), EnrolmentError> {
        self.retrying(async || Ok(administration.announce(act.clone()).await?)).await
    }

    /// Whether it is to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Repeats a query until the database answers, for as long as the settings allow, or until it is to stop. An error
    /// that only a change of the settings or of the database can end is returned at once.
    pub(crate) async fn retrying<T>(
        &self,
        mut query: impl AsyncFnMut() -> Result<T, EnrolmentError>,
    ) -> Result<T, EnrolmentError> {
        let until = Instant::now() + Duration::from_secs(self.config.patience_seconds.into());
        let mut wait = Duration::from_millis(200);
        loop {
            match query().await {
                Err(error) if error.is_transient() && Instant::now() + wait < until => {
                    tracing::warn!("retrying in {} ms: {}", wait.as_millis(), error_chain(&error));
                    if self.stops_within(wait).await {
                        return Err(EnrolmentError::Stopped);
                    }
                    wait = (wait * 2).min(Duration::from_secs(5));
                }
                answered => return answered,
            }
        }
    }

    /// Waits for the time, or until it is to stop.
    async fn stops_within(&self, time: Duration) -> bool {
        let mut stop = self.stop.clone();
        // Without a sender nobody can stop it.
        let stopped = async {
            if stop.wait_for(|stop| *stop).await.is_err() {
                pending::<()>().await;
            }
        };
        timeout(time, stopped).await.is_ok()
    }

    pub(crate) async fn embed_one(&self, entry: RosterEntry) -> Result<Outcome, EnrolmentError> {
        let nik = entry.nik;
        let fetched = self.retrying(async || match self.registry.portrait(&nik).await {
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
            match template_of(&self.engine, portrait.clone(), Instant::now() + PORTRAIT_TIMEOUT).await {
                Ok(content) => {
                    return Ok(Outcome::Embedded(
                        nik,
                        StoredTemplate {
                            portrait_updated_at: updated_at,
                            content,
                            decoder_version: DECODER_VERSION,
                        },
                    ));
                }
                Err(VerificationError::Busy) => sleep(Duration::from_secs(1)).await,
                Err(error) => {
                    tracing::error!(attempt, "a portrait could not be embedded: {}", error.with_causes());
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
        Ok(Outcome::Failed(nik, "ENGINE_FAILED"))
    }
}

impl EnrolmentError {
    /// Whether the same query may succeed later.
    fn is_transient(&self) -> bool {
        match self {
            Self::Registry(error) => {
                matches!(error, RegistryError::Unavailable(_) | RegistryError::Timeout(_))
            }
            Self::Store(error) => matches!(error, StoreError::Unavailable(_) | StoreError::Timeout(_)),
            Self::Stopped => false,
        }
    }
}
