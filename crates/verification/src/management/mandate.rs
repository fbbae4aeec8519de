//! What one request of an operator may do.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use padan_domain::{Endpoint, ModelContractId};
use padan_inference::{Catalogue, ModelError};
use padan_store::{
    ActiveModel, AdminAct, Administration, AnnouncedAct, EnrolmentStatus, OperatorAccount, OperatorSession,
    StoreError,
};
use serde_json::{Value, json};

use super::{
    Management, SessionTimes,
    live_rates::LiveRates,
    models::{ActivationPreview, ModelState, list_models, preview_activation},
};
use crate::{
    live_marks::LiveMarks,
    model_activation::{ActivationError, activate_model},
};

/// What one request of an operator may do.
pub struct Mandate {
    pub(super) management: Arc<Management>,
    pub(super) account: OperatorAccount,
    pub(super) administration: Administration,
}

impl Mandate {
    pub(super) fn new(
        management: Arc<Management>,
        account: OperatorAccount,
        administration: Administration,
    ) -> Self {
        Self { management, account, administration }
    }

    /// The operator's account.
    pub fn account(&self) -> &OperatorAccount {
        &self.account
    }

    /// Ends the session of the operator, which is recorded. Returns where the browser signs out at the provider too, if the
    /// operator signed in through one that offers it.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn sign_out(&self, session: &OperatorSession) -> Result<Option<String>, StoreError> {
        self.management.store.operators().end_session(session).await?;
        self.announce(AdminAct::OperatorSignedOut, Value::Null).await?;
        match &self.management.provider_sign_ins {
            Some(sign_ins) if self.account.provider.is_some() => Ok(sign_ins.sign_out().await),
            _ => Ok(None),
        }
    }

    /// How long sessions last.
    pub fn session_times(&self) -> SessionTimes {
        self.management.sessions
    }

    /// The current time.
    pub fn now(&self) -> DateTime<Utc> {
        self.management.clock.now()
    }

    /// The status of all enrolments, most recent first.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn enrolments(&self) -> Result<Vec<EnrolmentStatus>, StoreError> {
        self.management.overview.enrolments().await
    }

    /// What the live measurement says of these marks; `None` when nothing was counted.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn live_rates(&self, marks: LiveMarks) -> Result<Option<LiveRates>, StoreError> {
        let Management { last_rates, store, measure_live, clock, .. } = &*self.management;
        last_rates.of(store, marks, *measure_live, clock.today_in_jakarta()).await
    }

    /// The active model set; `None` when none was activated.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn active_model(&self) -> Result<Option<ActiveModel>, StoreError> {
        self.management.overview.active_model().await
    }

    /// The model sets that this machine knows. Reads and checks their files, so that it may take a second.
    ///
    /// # Errors
    ///
    /// When a manifest or a calibration cannot be read.
    pub async fn models(&self) -> Result<Vec<ModelState>, ModelError> {
        let folders = self.management.model_folders.clone();
        let listed = tokio::task::spawn_blocking(move || list_models(&folders)).await;
        listed.unwrap_or_else(|error| Err(ModelError::Graph(error.to_string())))
    }

    /// Records that the operator verifies or compares by hand. The row of the request follows, with the same id.
    ///
    /// # Errors
    ///
    /// When the row cannot be written: then nothing may be verified.
    pub async fn begin_by_hand(&self, endpoint: Endpoint) -> Result<(), StoreError> {
        self.announce(AdminAct::VerifiedByHand, json!({ "endpoint": endpoint.as_str() })).await
    }

    /// Records that the operator sees the aligned faces of a verification or a comparison by hand.
    ///
    /// # Errors
    ///
    /// When the row cannot be written: then no face may be shown.
    pub async fn begin_showing_faces(&self, endpoint: Endpoint) -> Result<(), StoreError> {
        self.announce(AdminAct::FacesShown, json!({ "endpoint": endpoint.as_str() })).await
    }

    /// Activates a model set for all services.
    ///
    /// # Errors
    ///
    /// [`ActivationError`] when nothing was activated.
    pub async fn activate_model(
        &self,
        model_set: &str,
        force: bool,
    ) -> Result<ModelContractId, ActivationError> {
        let catalogue = Catalogue::load(&self.management.model_folders)?;
        activate_model(&catalogue, &self.management.store, &self.administration, model_set, force).await
    }

    /// Tells what the activation of a model set would change. `of_settings` is the set that decides when none was activated.
    ///
    /// # Errors
    ///
    /// [`ActivationError`] when the set or a calibration is not known, or the store fails.
    pub async fn preview_activation(
        &self,
        model_set: &str,
        of_settings: &str,
    ) -> Result<ActivationPreview, ActivationError> {
        let Management { model_folders, store, clock, .. } = &*self.management;
        preview_activation(model_folders, store, clock, model_set, of_settings).await
    }

    pub(super) async fn announce(&self, act: AdminAct, after: Value) -> Result<(), StoreError> {
        self.administration.announce(AnnouncedAct { act, before: Value::Null, after }).await
    }
}
