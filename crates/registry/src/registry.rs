use std::{fmt, sync::Arc, time::Duration};

use futures_util::future::join_all;
use padan_domain::NationalId;
use padan_postgres::{Fault, Statement};
use tokio::time::timeout;

use crate::{
    citizen::{self, Citizen},
    civil_record::{self, CivilRecord},
    config::Config,
    contract_check,
    error::RegistryError,
    lookup::{Lookup, LookupRights, Question},
    portrait::{self, Portrait},
    replica::{Replica, ReplicaFigures},
    replica_status::ReplicaStatus,
};

/// The civil registry, behind one or several replicas. Cheap to clone.
///
/// Replicas are tried in the order of the settings. One that failed is tried last for
/// [`retry_failed_after_ms`](Config::retry_failed_after_ms), then retried by a single look-up. A row that breaks the
/// contract is not looked up on another replica: all replicas have the same row, and the answer must not depend on
/// which one replied.
#[derive(Clone)]
pub struct Registry {
    replicas: Arc<[Replica]>,
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
        one(self.look_up(&portrait::LOOKUP, &(nik.clone(), self.max_portrait_bytes)).await?)
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
        join_all(self.replicas.iter().map(|replica| async {
            let checked = timeout(self.lookup_timeout, contract_check::check(replica)).await;
            let outcome = checked.unwrap_or_else(|_| Err(self.timed_out()));
            (replica.name().to_owned(), outcome)
        }))
        .await
    }

    /// Measures the lag of each replica, for [`figures`](Self::figures).
    pub async fn measure_lag(&self) {
        join_all(self.replicas.iter().map(Replica::measure_lag)).await;
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
        let (in_turn, failed): (Vec<_>, Vec<_>) =
            self.replicas.iter().partition(|replica| replica.claim_turn());
        let attempts = async {
            let mut faults = Vec::new();
            for replica in in_turn.into_iter().chain(failed) {
                match replica.ask(question, argument).await {
                    Ok(answer) => return Ok(answer),
                    Err(fault) => faults.push((replica, fault)),
                }
            }
            Err(all_failed(&faults))
        };
        timeout(self.lookup_timeout, attempts).await.unwrap_or_else(|_| Err(self.timed_out()))
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

fn all_failed(faults: &[(&Replica, Fault)]) -> RegistryError {
    let parts: Vec<_> =
        faults.iter().map(|(replica, fault)| format!("{}: {}", replica.name(), fault.text)).collect();
    let text = parts.join("; ");
    if faults.iter().all(|(_, fault)| fault.is_timeout()) {
        RegistryError::Timeout(text)
    } else {
        RegistryError::Unavailable(text)
    }
}
