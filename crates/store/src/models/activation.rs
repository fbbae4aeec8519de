//! Activates a model set, within the transaction of its row in the audit trail.

use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::{
    administration::{act::AdminAct, entry::AdminEntry},
    models::shadow_change::end_shadow_of,
};

/// The model set to activate.
#[derive(Debug)]
pub(crate) struct Activation {
    pub(crate) model_set: String,
    pub(crate) contract: String,
    /// Whether the enrolment need not be complete.
    pub(crate) force: bool,
}

impl Activation {
    pub(crate) async fn apply(&self, connection: &mut PgConnection) -> sqlx::Result<AdminEntry> {
        let Self { model_set, contract, force } = self;
        let former = sqlx::query!("SELECT model_set, contract_id FROM store.active_model FOR UPDATE")
            .fetch_optional(&mut *connection)
            .await?;
        sqlx::query!(
            "INSERT INTO store.active_model (model_set, contract_id)
             VALUES ($1, $2)
             ON CONFLICT (only_row) DO UPDATE
             SET model_set = excluded.model_set,
                 contract_id = excluded.contract_id,
                 activated_at = now()",
            model_set,
            contract
        )
        .execute(&mut *connection)
        .await?;
        // It decides from now on, so that there is nothing to compare it with.
        let ends_shadow = end_shadow_of(connection, model_set, contract).await?;
        let before = former.map_or(
            Value::Null,
            |former| json!({ "model_set": former.model_set, "contract": former.contract_id }),
        );
        let mut after = json!({ "model_set": model_set, "contract": contract, "force": force });
        if ends_shadow {
            after["shadow_ended"] = true.into();
        }
        Ok(AdminEntry::new(AdminAct::ModelActivated, before, after))
    }
}
