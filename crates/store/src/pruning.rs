//! Deletes the templates of model contracts that are no longer used.

use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::ModelContractId;
use sqlx::PgConnection;

use crate::{error::StoreError, store::Store};

/// The number of rows that one statement reads, which limits its time.
const BATCH: i64 = 2000;

/// Selects the templates to delete.
#[derive(Debug, Clone)]
pub struct Pruning {
    /// Only the templates of this contract; `None` for all contracts that are not in use.
    pub only: Option<ModelContractId>,
    /// The contract that is in use when no model set was activated. Its templates are kept.
    pub kept: ModelContractId,
}

/// The progress of [`Store::prune_templates`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows read.
    pub seen: u64,
    /// Rows deleted.
    pub deleted: u64,
}

impl Store {
    /// Deletes the enrolment of a contract, so that its templates can be pruned. False when the contract is active or a
    /// process works on the enrolment.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn delete_enrolment(&self, contract: &ModelContractId) -> Result<bool, StoreError> {
        let contract = contract.as_str().to_owned();
        self.0.pool.run(delete_run, &contract).await?;
        Ok(!self.0.pool.run(is_enrolled, &contract).await?)
    }

    /// Deletes the enrolments that began before the active model was activated and that no process works on. Later
    /// enrolments are kept: they prepare the next activation.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn delete_former_enrolments(&self) -> Result<(), StoreError> {
        Ok(self.0.pool.run(delete_former_runs, &()).await?)
    }

    /// Deletes templates in batches, and calls `after_each` after each batch. Templates of the active contract and of
    /// contracts with an enrolment are kept, also when the activation or enrolment begins meanwhile. It can be stopped
    /// at any moment; the next run does the rest.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn prune_templates(
        &self,
        pruning: &Pruning,
        mut after_each: impl AsyncFnMut(Pruned),
    ) -> Result<Pruned, StoreError> {
        let mut so_far = Pruned::default();
        let mut query = BatchQuery {
            person: Vec::new(),
            contract: String::new(),
            only: pruning.only.as_ref().map(|only| only.as_str().to_owned()),
            kept: pruning.kept.as_str().to_owned(),
        };
        while let Some(batch) = self.0.pool.run(prune, &query).await? {
            so_far.seen += u64::try_from(batch.seen).unwrap_or_default();
            so_far.deleted += u64::try_from(batch.deleted).unwrap_or_default();
            query = BatchQuery { person: batch.person_key, contract: batch.contract_id, ..query };
            after_each(so_far).await;
        }
        Ok(so_far)
    }
}

/// The last row of the previous batch, and which templates to delete.
struct BatchQuery {
    person: Vec<u8>,
    contract: String,
    only: Option<String>,
    kept: String,
}

struct BatchRow {
    seen: i64,
    deleted: i64,
    person_key: Vec<u8>,
    contract_id: String,
}

fn delete_run<'c>(connection: &'c mut PgConnection, contract: &'c String) -> BoxFuture<'c, sqlx::Result<()>> {
    async move {
        sqlx::query!(
            "DELETE FROM store.enrolment_run AS run
              WHERE contract_id = $1
                AND contract_id NOT IN (SELECT contract_id FROM store.active_model)
                AND NOT EXISTS (SELECT FROM store.enrolment_range
                                 WHERE contract_id = run.contract_id AND lease_until >= now())",
            contract
        )
        .execute(connection)
        .await
        .map(drop)
    }
    .boxed()
}

fn is_enrolled<'c>(
    connection: &'c mut PgConnection,
    contract: &'c String,
) -> BoxFuture<'c, sqlx::Result<bool>> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM store.enrolment_run WHERE contract_id = $1) AS "exists!""#,
        contract
    )
    .fetch_one(connection)
    .boxed()
}

fn delete_former_runs<'c>(connection: &'c mut PgConnection, (): &'c ()) -> BoxFuture<'c, sqlx::Result<()>> {
    async move {
        sqlx::query!(
            "DELETE FROM store.enrolment_run AS run
              USING store.active_model AS active
              WHERE run.contract_id <> active.contract_id
                AND run.started_at < active.activated_at
                AND NOT EXISTS (SELECT FROM store.enrolment_range
                                 WHERE contract_id = run.contract_id AND lease_until >= now())"
        )
        .execute(connection)
        .await
        .map(drop)
    }
    .boxed()
}

fn prune<'c>(
    connection: &'c mut PgConnection,
    query: &'c BatchQuery,
) -> BoxFuture<'c, sqlx::Result<Option<BatchRow>>> {
    sqlx::query_as!(
        BatchRow,
        r#"WITH page AS MATERIALIZED (
               SELECT person_key, contract_id
                 FROM store.face_template
                WHERE (person_key, contract_id) > ($1, $2)
                ORDER BY person_key, contract_id
                LIMIT $3
           ), gone AS (
               DELETE FROM store.face_template AS kept
                USING page
                WHERE kept.person_key = page.person_key
                  AND kept.contract_id = page.contract_id
                  AND page.contract_id = coalesce($4, page.contract_id)
                  AND page.contract_id <> coalesce((SELECT contract_id FROM store.active_model), $5)
                  AND page.contract_id NOT IN (SELECT contract_id FROM store.enrolment_run)
               RETURNING kept.contract_id
           )
           SELECT (SELECT count(*) FROM page) AS "seen!",
                  (SELECT count(*) FROM gone) AS "deleted!",
                  person_key,
                  contract_id
             FROM page
            ORDER BY person_key DESC, contract_id DESC
            LIMIT 1"#,
        query.person.as_slice(),
        query.contract,
        BATCH,
        query.only.as_deref(),
        query.kept
    )
    .fetch_optional(connection)
    .boxed()
}
