use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use padan_domain::{ClientName, Clock, NationalId};
use padan_store::{EventWindow, Store, TrialHistory, TrialQuery};
use tokio::time::timeout_at;
use tracing::{Instrument as _, info_span};

pub use crate::running_trials::Trial;
use crate::{
    client_failures::ClientFailures,
    config::{Config, TrialLimit},
    deadline::within,
    error::VerificationError,
    running_trials::{AddedTrial, RunningTrials, Scope},
    trial_queue::TrialQueues,
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
    queues: TrialQueues,
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

/// The wait of a trial for its turn.
struct Wait {
    /// Until when it waits. Later it could not be completed within the request's time.
    last_turn: Instant,
    began: Option<Instant>,
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
            queues: TrialQueues::default(),
        }
    }

    /// Begins a trial. While so many trials are running that a limit would be exceeded if all of them failed, it waits
    /// until one of them ends. Those that wait begin in the order in which they came. `None` when there is no limit.
    ///
    /// # Errors
    ///
    /// [`VerificationError::TooManyFailedFaces`] or [`VerificationError::TooManyFailedFields`] when a limit is reached;
    /// [`VerificationError::NoTurn`] when it still waits after three quarters of the time;
    /// [`VerificationError::StoreUnavailable`].
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
        let mut arrival = self.queues.arrive(client, nik, kind.limits());
        let mut wait = Wait::until(deadline);
        loop {
            if !arrival.is_first() {
                wait.on(arrival.turn()).await?;
            }
            let added = self.running.add(client, nik);
            let of_client =
                self.client_failures.verdict(client, added.others(Scope::Client), deadline).await?;
            let (of_person, is_repeated) = self.judge(kind, client, nik, &added, deadline).await?;
            match of_client.and(of_person) {
                TrialVerdict::Admitted => return Ok(Some(added.begin(is_repeated, wait.taken()))),
                TrialVerdict::Refused(refused, wait) => {
                    arrival.dismiss();
                    return Err(refused.error(wait));
                }
                TrialVerdict::Undecided(scope, refused) => {
                    arrival.line_up(scope, refused);
                    wait.on(added.give_way(scope)).await?;
                }
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

impl TrialKind {
    /// What limits this kind of trial.
    fn limits(self) -> &'static [(Scope, Refused)] {
        const ALL: [(Scope, Refused); 4] = [
            (Scope::ClientAndPerson, Refused::Fields),
            (Scope::Client, Refused::Fields),
            (Scope::ClientAndPerson, Refused::Faces),
            (Scope::Person, Refused::Faces),
        ];
        match self {
            Self::Face => &ALL,
            Self::Fields => &ALL[..2],
        }
    }
}

impl Wait {
    fn until(deadline: Instant) -> Self {
        let now = Instant::now();
        Self { last_turn: now + deadline.saturating_duration_since(now).mul_f64(0.75), began: None }
    }

    /// Waits for a step, and until the last turn at most.
    async fn on(&mut self, step: impl Future<Output = ()>) -> Result<(), VerificationError> {
        let began = *self.began.get_or_insert_with(Instant::now);
        let in_time = timeout_at(self.last_turn.into(), step).instrument(info_span!("turn")).await;
        in_time.map_err(|_| VerificationError::NoTurn(began.elapsed()))
    }

    /// How long it took; `None` if there was no wait.
    fn taken(&self) -> Option<Duration> {
        self.began.map(|began| began.elapsed())
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
