use std::fmt;

use padan_domain::{ClientName, OperatorName, QuotaSpan};
use padan_postgres::{Pool, Session};

use crate::{
    clients::{profile::ClientProfile, row::client_columns},
    config::Config,
    enrolment::{self, EnrolmentStatus},
    error::StoreError,
    models::active::{self, ActiveModel},
    operators::{account::OperatorAccount, row::operator_rows},
    quota,
};

/// Reads the store without any key: clients, operators, the use of quotas, the active model and enrolments. The user needs
/// the role `padan_auditor` or `padan_operator`.
pub struct Overview(Pool);

impl Overview {
    /// Prepares a pool. Must be called within a Tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StoreError::Config`] when the settings cannot work.
    pub fn open(config: &Config) -> Result<Self, StoreError> {
        config.validate()?;
        Ok(Self(Pool::new(&config.servers()?, config.limits(), Session::durable(), None)))
    }

    /// All clients, ordered by name.
    ///
    /// # Errors
    ///
    /// When the store fails or a row is invalid.
    pub async fn clients(&self) -> Result<Vec<ClientProfile>, StoreError> {
        let rows = self.0.fetch_all(|| client_columns(None)).await?;
        rows.into_iter().map(ClientProfile::try_from).collect()
    }

    /// The client of a name.
    ///
    /// # Errors
    ///
    /// When the store fails or the row is invalid.
    pub async fn client(&self, name: &ClientName) -> Result<Option<ClientProfile>, StoreError> {
        let row = self.0.fetch_optional(|| client_columns(Some(name))).await?;
        row.map(ClientProfile::try_from).transpose()
    }

    /// How much of a quota is used or held by processes.
    ///
    /// # Errors
    ///
    /// When the store fails or the row is invalid.
    pub async fn quota_used(&self, client: &ClientName, span: QuotaSpan) -> Result<u64, StoreError> {
        quota::read_quota_used(&self.0, client, span).await
    }

    /// The active model set; `None` when none was activated.
    ///
    /// # Errors
    ///
    /// When the store fails or the row is invalid.
    pub async fn active_model(&self) -> Result<Option<ActiveModel>, StoreError> {
        active::read_active_model(&self.0).await
    }

    /// All operators, ordered by name. Their signatures are not checked, since this needs a key.
    ///
    /// # Errors
    ///
    /// When the store fails or a row is invalid.
    pub async fn operators(&self) -> Result<Vec<OperatorAccount>, StoreError> {
        let rows = self.0.fetch_all(|| operator_rows(None, None)).await?;
        rows.into_iter().map(OperatorAccount::try_from).collect()
    }

    /// The operator of a name. Its signature is not checked, since this needs a key.
    ///
    /// # Errors
    ///
    /// When the store fails or the row is invalid.
    pub async fn operator(&self, name: &OperatorName) -> Result<Option<OperatorAccount>, StoreError> {
        let row = self.0.fetch_optional(|| operator_rows(Some(name), None)).await?;
        row.map(OperatorAccount::try_from).transpose()
    }

    /// The status of all enrolments, most recent first.
    ///
    /// # Errors
    ///
    /// When the store fails or a row is invalid.
    pub async fn enrolments(&self) -> Result<Vec<EnrolmentStatus>, StoreError> {
        enrolment::read_enrolments(&self.0).await
    }
}

impl fmt::Debug for Overview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Overview").field(&self.0.name()).finish()
    }
}
