//! The data about one person, and its erasure.

use chrono::{DateTime, TimeDelta, Utc};
use padan_domain::NationalId;
use padan_store::{AdminAct, Forgotten, StoreError, StoredAbout};
use serde_json::json;

use super::{Management, mandate::Mandate};

/// What an erasure would remove, and the text that confirms it.
#[derive(Debug)]
pub struct ErasurePreview {
    /// The amount of data about the person.
    pub stored: StoredAbout,
    /// The ids of person keys under which rows exist and which the settings lack: these rows are not searched.
    pub unknown_person_keys: Vec<String>,
    /// Confirms the erasure of this person's data by this operator.
    pub confirmation: String,
    /// Until when it does.
    pub valid_until: DateTime<Utc>,
}

/// How long the answer to a dry run of an erasure confirms it.
const CONFIRMATION_TIME: TimeDelta = TimeDelta::minutes(5);

impl Mandate {
    /// The amount of data about a person, with a text that confirms its erasure by this operator until a moment.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn preview_erasure(&self, nik: &NationalId) -> Result<ErasurePreview, StoreError> {
        self.announce(AdminAct::PersonLookedUp, json!({ "dry_run_of": "person forget" })).await?;
        let store = &self.management.store;
        let valid_until = self.now() + CONFIRMATION_TIME;
        Ok(ErasurePreview {
            stored: store.stored_about(nik).await?,
            unknown_person_keys: store.unknown_person_keys().await?,
            confirmation: store.erasure_confirmation(nik, &self.account.name, valid_until)?,
            valid_until,
        })
    }

    /// Erases a person's data, if the text confirms it. `None` when it does not.
    ///
    /// # Errors
    ///
    /// As [`Store::forget`].
    pub async fn erase(&self, nik: &NationalId, confirmation: &str) -> Result<Option<Forgotten>, StoreError> {
        let Management { store, trail, .. } = &*self.management;
        let operator = &self.account.name;
        if !store.is_erasure_confirmed(nik, operator, confirmation, self.now())? {
            return Ok(None);
        }
        self.announce(AdminAct::PersonForgotten, json!({ "requested_by": operator.as_str() })).await?;
        store.forget(nik, operator.as_str(), trail).await.map(Some)
    }
}
