//! Sets and ends the measurement of a shadow model set, within the transaction of its row in the audit trail.

use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{
    administration::{act::AdminAct, entry::AdminEntry},
    audit::keys::AuditKeys,
    error::StoreError,
    models::shadow_row::ShadowModel,
    step_error::StepError,
};

/// What is measured beside the active model set from now on.
#[derive(Debug)]
pub(crate) enum ShadowChange {
    /// A model set, in place of any other one.
    Set(ShadowModel),
    /// None.
    End,
}

impl ShadowChange {
    /// Changes the row; `None` when there is nothing to change.
    pub(crate) async fn apply(
        &self,
        connection: &mut PgConnection,
        keys: &AuditKeys,
    ) -> Result<Option<AdminEntry>, StepError> {
        // Also the first change waits for another one, so that its row says what was before. Services read on.
        sqlx::query!("LOCK TABLE store.shadow_model IN SHARE ROW EXCLUSIVE MODE")
            .execute(&mut *connection)
            .await?;
        let former = sqlx::query!("SELECT model_set, contract_id, share_millionths FROM store.shadow_model")
            .fetch_optional(&mut *connection)
            .await?;
        let before =
            former.map(|former| state(&former.model_set, &former.contract_id, former.share_millionths));
        let (act, after) = match self {
            Self::Set(shadow) => {
                let key_id = keys.current_id();
                let mac = shadow.mac(key_id, keys);
                let mac = mac.ok_or(StoreError::Cryptography("HMAC refused the audit key"))?;
                write(connection, shadow, key_id, &mac).await?;
                let after = state(&shadow.model_set, shadow.contract.as_str(), millionths(shadow));
                (AdminAct::ShadowModelSet, after)
            }
            Self::End if before.is_none() => return Ok(None),
            Self::End => {
                sqlx::query!("DELETE FROM store.shadow_model").execute(connection).await?;
                (AdminAct::ShadowModelEnded, Value::Null)
            }
        };
        let before = before.unwrap_or(Value::Null);
        Ok(Some(AdminEntry::new(act, before, after)))
    }
}

/// Ends the measurement of the model set that was activated. Returns whether there was one.
pub(crate) async fn end_shadow_of(
    connection: &mut PgConnection,
    model_set: &str,
    contract: &str,
) -> sqlx::Result<bool> {
    let ended = sqlx::query!(
        "DELETE FROM store.shadow_model WHERE model_set = $1 AND contract_id = $2",
        model_set,
        contract
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected() > 0)
}

async fn write(
    connection: &mut PgConnection,
    shadow: &ShadowModel,
    key_id: &str,
    mac: &[u8],
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO store.shadow_model (model_set, contract_id, share_millionths, began_at, key_id, mac)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (only_row) DO UPDATE
         SET model_set = excluded.model_set,
             contract_id = excluded.contract_id,
             share_millionths = excluded.share_millionths,
             began_at = excluded.began_at,
             key_id = excluded.key_id,
             mac = excluded.mac",
        shadow.model_set,
        shadow.contract.as_str(),
        millionths(shadow),
        shadow.began_at,
        key_id,
        mac
    )
    .execute(connection)
    .await
    .map(drop)
}

/// At most a million.
fn millionths(shadow: &ShadowModel) -> i32 {
    i32::try_from(shadow.share.millionths()).unwrap_or(i32::MAX)
}

fn state(model_set: &str, contract: &str, millionths: i32) -> Value {
    json!({ "model_set": model_set, "contract": contract, "share": f64::from(millionths) / 1e6 })
}
