//! The row of the model set that is measured beside the active one.

use chrono::{DateTime, Utc};
use padan_domain::{ModelContractId, RequestShare};

use crate::audit::keys::AuditKeys;

/// A model set that embeds a share of the requests too. Nothing is answered from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowModel {
    /// The name of the model set.
    pub model_set: String,
    /// The contract of its embeddings.
    pub contract: ModelContractId,
    /// The share of the requests.
    pub share: RequestShare,
    /// When the measurement began, in microseconds.
    pub began_at: DateTime<Utc>,
}

impl ShadowModel {
    /// The HMAC of its row; `None` when there is no such key.
    pub(crate) fn mac(&self, key_id: &str, keys: &AuditKeys) -> Option<Vec<u8>> {
        let signature = keys
            .signature(key_id, "padan shadow model 1")?
            .text(Some(&self.model_set))
            .text(Some(self.contract.as_str()))
            .integer(self.share.millionths().into())
            .integer(self.began_at.timestamp_micros());
        Some(signature.finish())
    }
}
