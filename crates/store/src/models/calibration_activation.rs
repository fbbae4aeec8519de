//! Activates a calibration, within the transaction of its row in the audit trail.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;

use crate::{
    administration::{act::AdminAct, entry::AdminEntry},
    audit::keys::AuditKeys,
    error::StoreError,
    models::calibration_row::ActiveCalibration,
    step_error::StepError,
};

/// What becomes the calibration of a model set.
#[derive(Debug)]
pub(crate) enum CalibrationActivation {
    /// A file.
    File(ActiveCalibration),
    /// The calibration that is installed beside the program.
    Installed {
        /// The model set.
        model_set: String,
    },
}

impl CalibrationActivation {
    fn model_set(&self) -> &str {
        match self {
            Self::File(active) => &active.model_set,
            Self::Installed { model_set } => model_set,
        }
    }

    /// Changes the row; `None` when there is nothing to change.
    pub(crate) async fn apply(
        &self,
        connection: &mut PgConnection,
        keys: &AuditKeys,
    ) -> Result<Option<AdminEntry>, StepError> {
        let model_set = self.model_set();
        // Also the first activation waits for another one, so that its row says what was before. Services read on.
        sqlx::query!("LOCK TABLE store.active_calibration IN SHARE ROW EXCLUSIVE MODE")
            .execute(&mut *connection)
            .await?;
        let former = sqlx::query!(
            "SELECT calibration_id, file FROM store.active_calibration WHERE model_set = $1",
            model_set
        )
        .fetch_optional(&mut *connection)
        .await?;
        let before = former.as_ref().map(|former| state(model_set, &former.calibration_id, &former.file));
        let after = match self {
            Self::File(active) => {
                let key_id = keys.current_id();
                let mac = active.mac(key_id, keys);
                let mac = mac.ok_or(StoreError::Cryptography("HMAC refused the audit key"))?;
                write(connection, active, key_id, &mac).await?;
                state(model_set, &active.calibration_id, &active.file)
            }
            Self::Installed { .. } if former.is_none() => return Ok(None),
            Self::Installed { .. } => {
                sqlx::query!("DELETE FROM store.active_calibration WHERE model_set = $1", model_set)
                    .execute(connection)
                    .await?;
                json!({ "model_set": model_set, "calibration": null, "sha256": null })
            }
        };
        let before = before.unwrap_or(Value::Null);
        Ok(Some(AdminEntry::new(AdminAct::CalibrationActivated, before, after)))
    }
}

async fn write(
    connection: &mut PgConnection,
    active: &ActiveCalibration,
    key_id: &str,
    mac: &[u8],
) -> sqlx::Result<()> {
    let activated_at: DateTime<Utc> = active.activated_at;
    sqlx::query!(
        "INSERT INTO store.active_calibration (model_set, calibration_id, file, activated_at, key_id, mac)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (model_set) DO UPDATE
         SET calibration_id = excluded.calibration_id,
             file = excluded.file,
             activated_at = excluded.activated_at,
             key_id = excluded.key_id,
             mac = excluded.mac",
        active.model_set,
        active.calibration_id,
        active.file,
        activated_at,
        key_id,
        mac
    )
    .execute(connection)
    .await
    .map(drop)
}

fn state(model_set: &str, calibration_id: &str, file: &str) -> Value {
    json!({ "model_set": model_set, "calibration": calibration_id, "sha256": digest(file) })
}

/// The SHA-256 of a calibration file, as rows record it.
pub(crate) fn digest(file: &str) -> String {
    hex::encode(Sha256::digest(file.as_bytes()))
}
