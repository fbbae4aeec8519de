//! The calibration that all services use in place of the installed one.

use chrono::{DateTime, Utc};

use crate::{error::StoreError, models::calibration_row::ActiveCalibration, store::Store};

impl Store {
    /// The active calibration of a model set; `None` when none was activated, and each service uses the one that is
    /// installed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Inconsistent`] when Padan did not write the row or its key is not among the audit keys; otherwise when
    /// the store fails.
    pub async fn active_calibration(&self, model_set: &str) -> Result<Option<ActiveCalibration>, StoreError> {
        let query = || {
            sqlx::query_as!(
                ActiveRow,
                "SELECT calibration_id, file, activated_at, key_id, mac FROM store.active_calibration WHERE model_set = $1",
                model_set
            )
        };
        let Some(row) = self.0.pool().fetch_optional(query).await? else { return Ok(None) };
        let ActiveRow { calibration_id, file, activated_at, key_id, mac } = row;
        let active =
            ActiveCalibration { model_set: model_set.to_owned(), calibration_id, file, activated_at };
        if active.mac(&key_id, self.0.audit_keys()) != Some(mac) {
            return Err(StoreError::Inconsistent { table: "store.active_calibration", column: "mac" });
        }
        Ok(Some(active))
    }
}

struct ActiveRow {
    calibration_id: String,
    file: String,
    activated_at: DateTime<Utc>,
    key_id: String,
    mac: Vec<u8>,
}
