//! The row of an active calibration.

use chrono::{DateTime, Utc};

use crate::audit::keys::AuditKeys;

/// A calibration that was activated for a model set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveCalibration {
    /// The model set.
    pub model_set: String,
    /// The id of the calibration.
    pub calibration_id: String,
    /// The calibration file.
    pub file: String,
    /// When it was activated, in microseconds.
    pub activated_at: DateTime<Utc>,
}

impl ActiveCalibration {
    /// The HMAC of its row; `None` when there is no such key.
    pub(crate) fn mac(&self, key_id: &str, keys: &AuditKeys) -> Option<Vec<u8>> {
        let signature = keys
            .signature(key_id, "padan active calibration 1")?
            .text(Some(&self.model_set))
            .text(Some(&self.calibration_id))
            .text(Some(&self.file))
            .integer(self.activated_at.timestamp_micros());
        Some(signature.finish())
    }
}
