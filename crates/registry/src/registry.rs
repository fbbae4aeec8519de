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
    portrait::{self, Portrait},
    replica::{Replica, ReplicaFigures},
    standing::ReplicaStanding,
};

/// The civil registry, behind one or several replicas. Cheap to clone.
///
/// Replicas are tried in the order of the settings. One that failed is tried last until its rest is over,
/// then by a single look-up at a time. A row that breaks the contract is not asked for again elsewhere: a
/// replica holds what the others hold, and a second opinion would only make the answer depend on which one
/// replied.
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
    /// Must be called within a Tokio runtime, which looks after the pools.
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

    /// The person of a NIK: what every verification needs. `None` when the registry has no such NIK.
    pub async fn citizen(&self, nik: &NationalId) -> Result<Option<Citizen>, RegistryError> {
        one(self.ask(citizen::query, nik).await?)
    }

    /// The person of a NIK with every field that basic verification can compare.
    pub async fn civil_record(&self, nik: &NationalId) -> Result<Option<CivilRecord>, RegistryError> {
        one(self.ask(civil_record::query, nik).await?)
    }

    /// The photo of the person of a NIK. `None` when there is no such NIK, or it has no photo.
    pub async fn portrait(&self, nik: &NationalId) -> Result<Option<Portrait>, RegistryError> {
        one(self.ask(portrait::query, &(nik.clone(), self.max_portrait_bytes)).await?)
    }

    /// Whether at least one replica answers, read-only, with a view that keeps the contract.
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

    /// The same for each replica, with its name (`host:port/database`), all at once.
    pub async fn check_each(&self) -> Vec<(String, Result<(), RegistryError>)> {
        join_all(self.replicas.iter().map(|replica| async {
            let checked = timeout(self.lookup_timeout, contract_check::check(replica)).await;
            let outcome = checked.unwrap_or_else(|_| Err(self.out_of_time()));
            (replica.name().to_owned(), outcome)
        }))
        .await
    }

    /// Asks each replica how far behind it is, for [`figures`](Self::figures).
    pub async fn measure_lag(&self) {
        join_all(self.replicas.iter().map(Replica::measure_lag)).await;
    }

    /// Asks each replica what it is, in the order of the settings; `None` for one that does not answer.
    pub async fn standings(&self) -> Vec<Option<ReplicaStanding>> {
        join_all(self.replicas.iter().map(async |replica| replica.standing().await.ok())).await
    }

    /// Figures of each replica, in the order of the settings.
    pub fn figures(&self) -> Vec<ReplicaFigures> {
        self.replicas.iter().map(Replica::figures).collect()
    }

    pub(crate) async fn ask<A, T>(&self, query: Statement<A, T>, argument: &A) -> Result<T, RegistryError> {
        let (in_turn, resting): (Vec<_>, Vec<_>) =
            self.replicas.iter().partition(|replica| replica.takes_its_turn());
        let attempts = async {
            let mut faults = Vec::new();
            for replica in in_turn.into_iter().chain(resting) {
                match replica.ask(query, argument).await {
                    Ok(answer) => return Ok(answer),
                    Err(fault) => faults.push((replica, fault)),
                }
            }
            Err(all_failed(&faults))
        };
        timeout(self.lookup_timeout, attempts).await.unwrap_or_else(|_| Err(self.out_of_time()))
    }

    fn out_of_time(&self) -> RegistryError {
        let budget = self.lookup_timeout.as_millis();
        RegistryError::Timeout(format!("no replica within {budget} ms (registry.lookup_timeout_ms)"))
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.replicas.iter().map(Replica::name);
        f.debug_list().entries(names).finish()
    }
}

/// The only row of a NIK. Two rows would mean that the view's NIK is not unique.
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
    if faults.iter().all(|(_, fault)| fault.is_of_time()) {
        RegistryError::Timeout(text)
    } else {
        RegistryError::Unavailable(text)
    }
}
