//! The model set that all services use.

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::ModelContractId;
use padan_postgres::Pool;
use sqlx::PgConnection;

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

    /// Activates a model set. Services switch to it within seconds.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn activate_model(
        &self,
        model_set: &str,
        contract: &ModelContractId,
    ) -> Result<(), StoreError> {
        let activation =
            Activation { model_set: model_set.to_owned(), contract: contract.as_str().to_owned() };
        Ok(self.0.pool.run(write, &activation).await?)
    }
}

pub(crate) async fn read_active_model(pool: &Pool) -> Result<Option<ActiveModel>, StoreError> {
    let row = pool.run(read, &()).await?;
    row.map(ActiveModel::try_from).transpose()
}

/// The model set to activate.
struct Activation {
    model_set: String,
    contract: String,
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

fn read<'c>(connection: &'c mut PgConnection, (): &'c ()) -> BoxFuture<'c, sqlx::Result<Option<ActiveRow>>> {
    sqlx::query_as!(ActiveRow, "SELECT model_set, contract_id, activated_at FROM store.active_model")
        .fetch_optional(connection)
        .boxed()
}

fn write<'c>(
    connection: &'c mut PgConnection,
    Activation { model_set, contract }: &'c Activation,
) -> BoxFuture<'c, sqlx::Result<()>> {
    async move {
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
        .execute(connection)
        .await
        .map(drop)
    }
    .boxed()
}
