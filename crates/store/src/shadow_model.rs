//! The model set that services measure beside the active one.

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::RequestShare;
use sqlx::PgConnection;

use crate::{error::StoreError, shadow_row::ShadowModel, store::Store};

impl Store {
    /// The shadow model set; `None` when none is measured.
    ///
    /// # Errors
    ///
    /// [`StoreError::Inconsistent`] when Padan did not write the row or its key is not among the audit keys; otherwise when
    /// the store fails.
    pub async fn shadow_model(&self) -> Result<Option<ShadowModel>, StoreError> {
        let Some(row) = self.pool().run(read, &()).await? else { return Ok(None) };
        let (key_id, mac) = (row.key_id.clone(), row.mac.clone());
        let shadow = ShadowModel::try_from(row)?;
        if shadow.mac(&key_id, self.audit_keys()) != Some(mac) {
            return Err(inconsistent("mac"));
        }
        Ok(Some(shadow))
    }
}

struct ShadowRow {
    model_set: String,
    contract_id: String,
    share_millionths: i32,
    began_at: DateTime<Utc>,
    key_id: String,
    mac: Vec<u8>,
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

fn read<'c>(connection: &'c mut PgConnection, (): &'c ()) -> BoxFuture<'c, sqlx::Result<Option<ShadowRow>>> {
    sqlx::query_as!(
        ShadowRow,
        "SELECT model_set, contract_id, share_millionths, began_at, key_id, mac FROM store.shadow_model"
    )
    .fetch_optional(connection)
    .boxed()
}
