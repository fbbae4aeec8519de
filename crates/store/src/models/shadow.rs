//! The model set that services measure beside the active one.

use chrono::{DateTime, Utc};
use padan_domain::RequestShare;
use padan_postgres::Selection;

use crate::{audit::keys::AuditKeys, error::StoreError, models::shadow_row::ShadowModel, store::Store};

impl Store {
    /// The shadow model set; `None` when none is measured.
    ///
    /// # Errors
    ///
    /// [`StoreError::Inconsistent`] when Padan did not write the row or its key is not among the audit keys; otherwise when
    /// the store fails.
    pub async fn shadow_model(&self) -> Result<Option<ShadowModel>, StoreError> {
        let row = self.0.pool().fetch_optional(shadow_row).await?;
        row.map(|row| row.verified(self.0.audit_keys())).transpose()
    }
}

/// The row, as the database has it.
#[derive(Clone)]
pub(crate) struct ShadowRow {
    pub(crate) model_set: String,
    pub(crate) contract_id: String,
    pub(crate) share_millionths: i32,
    began_at: DateTime<Utc>,
    key_id: String,
    mac: Vec<u8>,
}

impl ShadowRow {
    /// What the row says, if Padan wrote it.
    pub(crate) fn verified(self, keys: &AuditKeys) -> Result<ShadowModel, StoreError> {
        let (key_id, mac) = (self.key_id.clone(), self.mac.clone());
        let shadow = ShadowModel::try_from(self)?;
        if shadow.mac(&key_id, keys) != Some(mac) {
            return Err(inconsistent("mac"));
        }
        Ok(shadow)
    }
}

impl TryFrom<ShadowRow> for ShadowModel {
    type Error = StoreError;

    fn try_from(row: ShadowRow) -> Result<Self, StoreError> {
        let share = u32::try_from(row.share_millionths).ok().map(RequestShare::of_millionths);
        Ok(Self {
            model_set: row.model_set,
            contract: row.contract_id.parse().map_err(|_| inconsistent("contract_id"))?,
            share: share.and_then(Result::ok).ok_or_else(|| inconsistent("share_millionths"))?,
            began_at: row.began_at,
        })
    }
}

fn inconsistent(column: &'static str) -> StoreError {
    StoreError::Inconsistent { table: "store.shadow_model", column }
}

/// The row.
pub(crate) fn shadow_row() -> impl Selection<Row = ShadowRow> + use<> {
    sqlx::query_as!(
        ShadowRow,
        "SELECT model_set, contract_id, share_millionths, began_at, key_id, mac FROM store.shadow_model"
    )
}
