use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::future::join_all;
use padan_domain::NationalId;
use padan_postgres::{Fault, Statement};
use tokio::time::timeout;

use crate::{
    citizen::{self, Citizen},
    civil_record::{self, CivilRecord},
    config::{Choice, Config},
    contract_check,
    error::RegistryError,
    lag::Standing,
    lookup::{Lookup, LookupRights, Question},
    portrait::{self, Portrait, PortraitQuery},
    replica::{Replica, ReplicaFigures},
    replica_status::ReplicaStatus,
};

/// The civil registry, behind one or several replicas. Cheap to clone.
///
/// Replicas are tried in the order of the settings or, with [`Choice::Lag`], the one that is least behind first. One
/// that failed is tried last for [`retry_failed_after_ms`](Config::retry_failed_after_ms), then retried by a single
/// look-up. One that is further behind than [`max_lag_seconds`](Config::max_lag_seconds) is not tried. A row that breaks the
/// contract is not looked up on another replica: all replicas have the same row, and the answer must not depend on
/// which one replied.
#[derive(Clone)]
pub struct Registry {
    replicas: Arc<[Replica]>,
    choice: Choice,
    /// The index of the replica that is asked first.
    first: Arc<AtomicUsize>,
    lookup_timeout: Duration,
    max_portrait_bytes: i32,
}

impl Registry {
    /// Checks the settings and prepares a pool for each URL. No connection is opened before the first
    /// look-up, so the registry need not be up.
    ///
    /// Must be called within a Tokio runtime, which maintains the pools.
    ///
    /// # Errors
    ///
    /// [`RegistryError::Config`] when the settings cannot work.
    pub fn new(config: &Config) -> Result<Self, RegistryError> {
        config.validate()?;
        let replicas = config
            .read_urls()?
            .iter()
            .enumerate()
            .map(|(index, url)| Replica::new(url, index + 1, config))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            replicas,
            choice: config.choose_by,
            first: Arc::default(),
            lookup_timeout: Duration::from_millis(config.lookup_timeout_ms),
            max_portrait_bytes: i32::try_from(config.max_portrait_bytes.get()).unwrap_or(i32::MAX),
        })
    }

    /// The fields of a person that every verification needs. `None` when the registry has no such NIK.
    ///
    /// # Errors
    ///
    /// When no replica answers within the time limit, or the row breaks the contract.
    pub async fn citizen(&self, nik: &NationalId) -> Result<Option<Citizen>, RegistryError> {
        one(self.look_up(&citizen::LOOKUP, nik).await?)
    }

    /// All fields of a person that basic verification can compare. `None` when the registry has no such NIK.
    ///
    /// # Errors
    ///
    /// As for [`citizen`](Self::citizen).
    pub async fn civil_record(&self, nik: &NationalId) -> Result<Option<CivilRecord>, RegistryError> {
        one(self.look_up(&civil_record::LOOKUP, nik).await?)
    }

    /// The photo of a person. `None` when there is no such NIK, or the record has no photo.
    ///
    /// # Errors
    ///
    /// As for [`citizen`](Self::citizen).
    pub async fn portrait(&self, nik: &NationalId) -> Result<Option<Portrait>, RegistryError> {
        let query = PortraitQuery { nik: nik.clone(), max_bytes: self.max_portrait_bytes };
        one(self.look_up(&portrait::LOOKUP, &query).await?)
    }

    /// Checks that at least one replica answers, read-only, with a view that satisfies the contract.
    ///
    /// # Errors
    ///
    /// The error of the first replica when all fail.
    pub async fn check(&self) -> Result<(), RegistryError> {
        let mut first_fault = None;
        for (_, outcome) in self.check_each().await {
            match outcome {
                Ok(()) => return Ok(()),
                Err(error) => first_fault = first_fault.or(Some(error)),
            }
        }
        first_fault.map_or(Ok(()), Err)
    }

    /// Checks all replicas at the same time; each outcome comes with the replica's name, `host:port/database`.
    pub async fn check_each(&self) -> Vec<(String, Result<(), RegistryError>)> {
        join_all(
            self.replicas
                .iter()
                .map(async |replica| (replica.name().to_owned(), self.check_one(replica).await)),
        )
        .await
    }

    async fn check_one(&self, replica: &Replica) -> Result<(), RegistryError> {
        let too_far_behind = || {
            let error = RegistryError::Unavailable(replica.reason_of_lag());
            (replica.standing() == Standing::Behind).then_some(error)
        };
        if let Some(error) = too_far_behind() {
            return Err(error);
        }
        let checked = timeout(self.lookup_timeout, contract_check::check(replica)).await;
        let outcome = checked.unwrap_or_else(|_| Err(self.timed_out()));
        // The first connection to a replica tells its lag.
        too_far_behind().map_or(outcome, Err)
    }

    /// Measures the lag of each replica, for [`figures`](Self::figures), and decides by it which replicas are asked.
    /// Whoever looks people up for long calls it again and again.
    pub async fn measure_lag(&self) {
        join_all(self.replicas.iter().map(Replica::measure_lag)).await;
        if self.choice == Choice::Lag {
            let lags: Vec<_> = self.replicas.iter().map(Replica::lag_if_usable).collect();
            let present = self.first.load(Relaxed);
            let first = least_behind(&lags, present);
            self.first.store(first, Relaxed);
            if first != present {
                tracing::info!(replica = self.replicas[first].name(), "registry replica is asked first");
            }
        }
    }

    /// The role and clock of each replica, in the order of the settings; `None` for one that does not answer.
    pub async fn replica_statuses(&self) -> Vec<Option<ReplicaStatus>> {
        join_all(self.replicas.iter().map(async |replica| replica.status().await.ok())).await
    }

    /// Figures of each replica, in the order of the settings.
    pub fn figures(&self) -> Vec<ReplicaFigures> {
        self.replicas.iter().map(Replica::figures).collect()
    }

    /// What the role of each URL may read, in the order of the settings; `None` for a replica that does not answer.
    pub async fn lookup_rights(&self) -> Vec<Option<LookupRights>> {
        join_all(self.replicas.iter().map(async |replica| replica.lookup_rights().await.ok())).await
    }

    /// Runs a query on the first replica that answers.
    pub(crate) async fn run<A: Sync, T: Send>(
        &self,
        query: Statement<A, T>,
        argument: &A,
    ) -> Result<T, RegistryError> {
        self.ask(&Question::Statement(query), argument).await
    }

    /// Looks a person up on the first replica that answers.
    async fn look_up<A: Sync, T: Send>(
        &self,
        lookup: &Lookup<A, T>,
        argument: &A,
    ) -> Result<T, RegistryError> {
        self.ask(&Question::Lookup(lookup), argument).await
    }

    async fn ask<A: Sync, T: Send>(
        &self,
        question: &Question<'_, A, T>,
        argument: &A,
    ) -> Result<T, RegistryError> {
        let attempts = async {
            let mut faults = Vec::new();
            for replica in self.in_turn() {
                match replica.ask(question, argument).await {
                    Ok(answer) => return Ok(answer),
                    Err(fault) => faults.push((replica, fault)),
                }
            }
            Err(self.all_failed(&faults))
        };
        timeout(self.lookup_timeout, attempts).await.unwrap_or_else(|_| Err(self.timed_out()))
    }

    /// The replicas that may be asked: first those that work, then those that catch up, then those that failed.
    fn in_turn(&self) -> impl Iterator<Item = &Replica> {
        let first = self.first.load(Relaxed);
        let others = self.replicas.iter().enumerate().filter(|(index, _)| *index != first);
        let (mut working, mut catching_up, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for replica in self.replicas.get(first).into_iter().chain(others.map(|(_, replica)| replica)) {
            match replica.standing() {
                Standing::Behind => {}
                Standing::CatchingUp => catching_up.push(replica),
                Standing::Current if replica.claim_turn() => working.push(replica),
                Standing::Current => failed.push(replica),
            }
        }
        working.into_iter().chain(catching_up).chain(failed)
    }

    /// The error of a look-up that no replica has answered.
    fn all_failed(&self, faults: &[(&Replica, Fault)]) -> RegistryError {
        let is_behind = |replica: &&Replica| replica.standing() == Standing::Behind;
        let behind: Vec<_> = self.replicas.iter().filter(is_behind).map(Replica::reason_of_lag).collect();
        let failed = faults.iter().filter(|(replica, _)| !is_behind(replica));
        let failed = failed.map(|(replica, fault)| format!("{}: {}", replica.name(), fault.text));
        let only_timeouts = behind.is_empty() && faults.iter().all(|(_, fault)| fault.is_timeout());
        let only_refusals = behind.is_empty() && faults.iter().all(|(_, fault)| fault.is_permanent());
        let text = failed.chain(behind).collect::<Vec<_>>().join("; ");
        if only_timeouts {
            RegistryError::Timeout(text)
        } else if only_refusals {
            RegistryError::Refused(text)
        } else {
            RegistryError::Unavailable(text)
        }
    }

    fn timed_out(&self) -> RegistryError {
        let limit = self.lookup_timeout.as_millis();
        RegistryError::Timeout(format!("no replica answered within {limit} ms (registry.lookup_timeout_ms)"))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.replicas.iter().map(Replica::name);
        f.debug_list().entries(names).finish()
    }
}

/// The only row of a NIK. Two rows mean that the view's NIK is not unique.
fn one<R, T>(rows: Vec<R>) -> Result<Option<T>, RegistryError>
where
    T: TryFrom<R, Error = RegistryError>,
{
    let mut rows = rows.into_iter();
    match (rows.next(), rows.next()) {
        (None, _) => Ok(None),
        (Some(row), None) => row.try_into().map(Some),
        (Some(_), Some(_)) => Err(RegistryError::inconsistent("nik")),
    }
}

/// By how many seconds another replica must be less behind to be asked first. With less, replicas that follow equally
/// well would take each other's place again and again.
const CLEARLY_LESS_SECONDS: f64 = 5.0;

/// The index of the replica to ask first: the present one, unless it cannot be used or another one is clearly less
/// behind. `None` for a replica that cannot be used.
fn least_behind(lags: &[Option<f64>], present: usize) -> usize {
    let usable = lags.iter().enumerate().filter_map(|(index, lag)| Some((index, (*lag)?)));
    let Some((best, least)) = usable.min_by(|(_, one), (_, other)| one.total_cmp(other)) else {
        return present;
    };
    match lags.get(present) {
        Some(Some(lag)) if *lag <= least + CLEARLY_LESS_SECONDS => present,
        _ => best,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_replica_that_is_asked_first_changes_only_with_a_reason() {
        for (lags, present, expected) in [
            (&[Some(0.0), Some(0.0)][..], 1, 1),
            (&[Some(0.0), Some(5.0)], 1, 1),
            (&[Some(0.0), Some(5.1)], 1, 0),
            (&[Some(9.0), Some(2.0), Some(1.0)], 0, 2),
            (&[None, Some(90.0), Some(90.0)], 0, 1),
            (&[None, None], 1, 1),
            (&[Some(3.0)], 0, 0),
        ] {
            assert_eq!(least_behind(lags, present), expected, "{lags:?} with {present} before");
        }
    }
}
