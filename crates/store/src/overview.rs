use std::fmt;

use padan_domain::{ClientName, QuotaSpan};
use padan_postgres::Pool;

use crate::{
    active_model::{self, ActiveModel},
    client_profile::{self, ClientProfile, Wanted},
    config::Config,
    enrolment::{self, EnrolmentStatus},
    error::StoreError,
    quota,
};

/// The store as whoever looks into it sees it: who may call, what they have used, how far enrolments are. Needs none of
/// the keys, and a user in the role `padan_auditor` or `padan_operator`.
pub struct Overview(Pool);

impl Overview {
    /// Prepares to look. Must be called within a Tokio runtime.
    pub fn open(config: &Config) -> Result<Self, StoreError> {
        config.validate()?;
        Ok(Self(Pool::new(config.connect_options()?, config.limits(), None)))
    }

    /// All clients, by name.
    pub async fn clients(&self) -> Result<Vec<ClientProfile>, StoreError> {
        let rows = self.0.run(client_profile::profiles, &Wanted(None)).await?;
        rows.into_iter().map(ClientProfile::try_from).collect()
    }

    /// One client.
    pub async fn client(&self, name: &ClientName) -> Result<Option<ClientProfile>, StoreError> {
        let mut rows = self.0.run(client_profile::profiles, &Wanted(Some(name.clone()))).await?;
        rows.pop().map(ClientProfile::try_from).transpose()
    }

    /// How much of a quota is used or set aside.
    pub async fn quota_used(&self, client: &ClientName, span: QuotaSpan) -> Result<u64, StoreError> {
        quota::used_of(&self.0, client, span).await
    }

    /// The model set that services are to use; `None` when none was activated.
    pub async fn active_model(&self) -> Result<Option<ActiveModel>, StoreError> {
        active_model::active_in(&self.0).await
    }

    /// Every enrolment that there is, the last begun first.
    pub async fn enrolments(&self) -> Result<Vec<EnrolmentStatus>, StoreError> {
        enrolment::all_in(&self.0).await
    }
}

impl fmt::Debug for Overview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Overview").field(&self.0.name()).finish()
    }
}
