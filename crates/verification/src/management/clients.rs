//! The clients of the site, and how much they use it.

use chrono::{DateTime, Utc};
use padan_domain::{ClientName, ClientRules, QuotaPeriod};
use padan_store::{
    AuditFilter, AuditLog, ClientProfile, NewClient, RefusedClient, Rotation, StoreError, UsageRow,
};

use super::{Management, mandate::Mandate};

/// A client and how much of its quotas it has used.
#[derive(Debug)]
pub struct ClientUse {
    /// The client.
    pub client: ClientProfile,
    /// Requests of this day and this month that were counted or are held by processes.
    pub used: Vec<(QuotaPeriod, u64)>,
}

impl Mandate {
    /// All clients, ordered by name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn list_clients(&self) -> Result<Vec<ClientProfile>, StoreError> {
        self.management.overview.clients().await
    }

    /// The clients that services refuse, since Padan did not write their rows so.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn refused_clients(&self) -> Result<Vec<RefusedClient>, StoreError> {
        Ok(self.management.store.clients().all().await?.refused)
    }

    /// A client and the use of its quotas.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn client(&self, name: &ClientName) -> Result<Option<ClientUse>, StoreError> {
        let Management { overview, clock, .. } = &*self.management;
        let Some(client) = overview.client(name).await? else { return Ok(None) };
        let mut used = Vec::new();
        for period in QuotaPeriod::ALL {
            used.push((period, overview.quota_used(name, period.current(clock)).await?));
        }
        Ok(Some(ClientUse { client, used }))
    }

    /// Adds a client. False when its name or user name is taken.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn add_client(&self, client: &NewClient) -> Result<bool, StoreError> {
        self.administration.add_client(client).await
    }

    /// Replaces the rules of a client that was last changed at this moment. False when there is none of that name.
    ///
    /// # Errors
    ///
    /// [`StoreError::ClientChangedMeanwhile`] when somebody else changed it since; otherwise when the store fails.
    pub async fn replace_client_rules(
        &self,
        name: &ClientName,
        rules: &ClientRules,
        last_changed_at: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        self.administration.set_client_rules(name, rules, last_changed_at).await
    }

    /// Disables or enables a client. False when there is none of that name.
    ///
    /// # Errors
    ///
    /// When the store fails, or Padan did not write the client's row.
    pub async fn set_client_disabled(&self, name: &ClientName, disabled: bool) -> Result<bool, StoreError> {
        self.administration.set_client_disabled(name, disabled).await
    }

    /// Removes a client. False when there is none of that name.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn remove_client(&self, name: &ClientName) -> Result<bool, StoreError> {
        self.administration.remove_client(name).await
    }

    /// Replaces a client's secrets. False when there is no client of that name.
    ///
    /// # Errors
    ///
    /// When the store fails, or Padan did not write the client's row.
    pub async fn rotate_client(&self, rotation: &Rotation) -> Result<bool, StoreError> {
        self.administration.rotate_client(rotation).await
    }

    /// The number of calls by client, day, endpoint and outcome.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn usage(&self, filter: &AuditFilter) -> Result<Vec<UsageRow>, StoreError> {
        AuditLog::open(&self.management.config).await?.usage(filter).await
    }
}
