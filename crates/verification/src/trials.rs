use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use padan_domain::{ClientName, Clock, NationalId};
use padan_store::{EventWindow, Store, TrialHistory, TrialQuery};
use tokio::time::timeout_at;

pub use crate::running_trials::Trial;
use crate::{
    client_failures::ClientFailures,
    config::{Config, TrialLimit},
    deadline::within,
    error::VerificationError,
    running_trials::{AddedTrial, RunningTrials, Scope},
    trial_verdict::{Counted, Refused, TrialVerdict},
};

/// Limits how often a client may try: how many faces may fail or be compared for a person, and how many requests may have
/// a wrong field. Trials that have not ended count as failures, because otherwise requests that arrive together would
/// all be admitted.
#[derive(Clone)]
pub(crate) struct Trials {
    limits: PersonLimits,
    client_failures: ClientFailures,
    store: Store,
    clock: Clock,
    running: RunningTrials,
}

/// What a client tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TrialKind {
    /// A face, with name and date of birth.
    Face,
    /// Fields without a face.
    Fields,
}

/// The limits of trials for one person.
#[derive(Clone, Copy)]
struct PersonLimits {
    failed_faces: TrialLimit,
    failed_faces_of_person: TrialLimit,
    compared_faces_of_person: TrialLimit,
    failed_fields: TrialLimit,
    failed_fields_long: TrialLimit,
}

impl Trials {
    pub(crate) fn new(config: &Config, store: Store, clock: Clock) -> Self {
        let fields = config.failed_fields;
        Self {
            limits: PersonLimits {
                failed_faces: config.failed_faces,
                failed_faces_of_person: config.failed_faces_of_person,
                compared_faces_of_person: config.compared_faces_of_person,
                failed_fields: fields.person,
                failed_fields_long: fields.person_long,
            },
            client_failures: ClientFailures::new([fields.client, fields.client_long], store.clone(), clock),
            store,
            clock,
            running: RunningTrials::default(),
        }
    }

    /// Begins a trial. While so many trials are running that a limit would be exceeded if all of them failed, it waits
    /// until one of them ends. `None` when there is no limit.
    ///
    /// # Errors
    ///
    /// [`VerificationError::TooManyFailedFaces`] or [`VerificationError::TooManyFailedFields`] when a limit is reached,
    /// or no running trial ended before the deadline; [`VerificationError::StoreUnavailable`].
    pub(crate) async fn begin(
        &self,
        kind: TrialKind,
        client: &ClientName,
        nik: &NationalId,
        deadline: Instant,
    ) -> Result<Option<Trial>, VerificationError> {
        if !self.limits.are_on(kind) && !self.client_failures.are_limited() {
            return Ok(None);
        }
        loop {
            let added = self.running.add(client, nik);
            let of_client =
                self.client_failures.verdict(client, added.others(Scope::Client), deadline).await?;
            let (of_person, is_repeated) = self.judge(kind, client, nik, &added, deadline).await?;
            let scope = match of_client.and(of_person) {
                TrialVerdict::Admitted => return Ok(Some(added.begin(is_repeated))),
                TrialVerdict::Refused(refused, wait) => return Err(refused.error(wait)),
                TrialVerdict::Undecided(scope) => scope,
            };
            if timeout_at(deadline.into(), added.give_way(scope)).await.is_err() {
                let refused = if kind == TrialKind::Face { Refused::Faces } else { Refused::Fields };
                return Err(refused.error(Duration::ZERO));
            }
        }
    }

    /// The verdict of the person's limits, and whether half as many faces as are allowed have failed.
    async fn judge(
        &self,
        kind: TrialKind,
        client: &ClientName,
        nik: &NationalId,
        added: &AddedTrial,
        deadline: Instant,
    ) -> Result<(TrialVerdict, bool), VerificationError> {
        if !self.limits.are_on(kind) {
            return Ok((TrialVerdict::Admitted, false));
        }
        let now = self.clock.now();
        let query = self.limits.query(kind, client, nik, now);
        let history = within(deadline, self.store.trial_history(&query))
            .await
            .map_err(VerificationError::StoreUnavailable)?;
        let counted = self.limits.count(kind, &history, added, now);
        Ok((TrialVerdict::of(&counted, now), self.limits.are_half_used(&history)))
    }
}

impl PersonLimits {
    /// Whether a limit applies to this kind of trial.
    fn are_on(&self, kind: TrialKind) -> bool {
        let of_faces = [self.failed_faces, self.failed_faces_of_person, self.compared_faces_of_person];
        let of_fields = [self.failed_fields, self.failed_fields_long];
        kind == TrialKind::Face && of_faces.into_iter().any(TrialLimit::is_on)
            || of_fields.into_iter().any(TrialLimit::is_on)
    }

    fn query(
        &self,
        kind: TrialKind,
        client: &ClientName,
        nik: &NationalId,
        now: DateTime<Utc>,
    ) -> TrialQuery {
        let of_faces = |limit: TrialLimit| {
            let events = limit.events(now);
            EventWindow { most: if kind == TrialKind::Face { events.most } else { 0 }, ..events }
        };
        let [short, long] = [self.failed_fields, self.failed_fields_long].map(|limit| limit.events(now));
        TrialQuery {
            nik: nik.clone(),
            client: client.clone(),
            failed_faces: of_faces(self.failed_faces),
            failed_faces_of_person: of_faces(self.failed_faces_of_person),
            compared_faces_of_person: of_faces(self.compared_faces_of_person),
            failed_fields: EventWindow {
                since: short.since.min(long.since),
                most: short.most.max(long.most),
            },
        }
    }

    fn count(
        &self,
        kind: TrialKind,
        history: &TrialHistory,
        added: &AddedTrial,
        now: DateTime<Utc>,
    ) -> Vec<Counted> {
        use Refused::{Faces, Fields};
        use Scope::{ClientAndPerson, Person};
        [
            (self.failed_faces, &history.failed_faces, ClientAndPerson, Faces),
            (self.failed_faces_of_person, &history.failed_faces_of_person, Person, Faces),
            (self.compared_faces_of_person, &history.compared_faces_of_person, Person, Faces),
            (self.failed_fields, &history.failed_fields, ClientAndPerson, Fields),
            (self.failed_fields_long, &history.failed_fields, ClientAndPerson, Fields),
        ]
        .into_iter()
        .filter(|(.., refused)| kind == TrialKind::Face || *refused == Fields)
        .map(|(limit, times, scope, refused)| {
            let (count, last_allowed) = Counted::within(limit, times, now);
            Counted { limit, scope, refused, count, last_allowed, others: added.others(scope) }
        })
        .collect()
    }

    fn are_half_used(&self, history: &TrialHistory) -> bool {
        [
            (self.failed_faces, &history.failed_faces),
            (self.failed_faces_of_person, &history.failed_faces_of_person),
        ]
        .into_iter()
        .any(|(limit, failed)| limit.is_on() && 2 * failed.len() >= limit.most as usize)
    }
}
