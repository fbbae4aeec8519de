//! The model set that all services use.

use chrono::{DateTime, Utc};
use padan_domain::ModelContractId;
use padan_postgres::Pool;

use crate::{error::StoreError, store::Store};

/// The model set that was activated last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveModel {
    /// The name of the model set.
    pub model_set: String,
    /// The contract of its embeddings. A set of the same name with another contract is a different set.
    pub contract: ModelContractId,
    /// When it was activated.
    pub activated_at: DateTime<Utc>,
}

impl Store {
    /// The active model set; `None` when none was activated, and each service uses the one in its settings.
    ///
    /// # Errors
    ///
    /// When the store fails or the row is invalid.
    pub async fn active_model(&self) -> Result<Option<ActiveModel>, StoreError> {
        read_active_model(&self.0.pool).await
    }
}

pub(crate) async fn read_active_model(pool: &Pool) -> Result<Option<ActiveModel>, StoreError> {
    let query =
        || sqlx::query_as!(ActiveRow, "SELECT model_set, contract_id, activated_at FROM store.active_model");
    let row = pool.fetch_optional(query).await?;
    row.map(ActiveModel::try_from).transpose()
}

struct ActiveRow {
    model_set: String,
    contract_id: String,
    activated_at: DateTime<Utc>,
}

impl TryFrom<ActiveRow> for ActiveModel {
    type Error = StoreError;

    fn try_from(row: ActiveRow) -> Result<Self, StoreError> {
        let contract = row.contract_id.parse();
        Ok(Self {
            model_set: row.model_set,
            contract: contract.map_err(|_| StoreError::Inconsistent {
                table: "store.active_model",
                column: "contract_id",
            })?,
            activated_at: row.activated_at,
        })
    }
}
