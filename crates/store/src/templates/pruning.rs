//! Deletes the templates of model contracts that are no longer used.

use std::collections::HashSet;

use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::ModelContractId;
use sqlx::{Connection as _, PgConnection};

use crate::{
    error::StoreError,
    handles::Templates,
    store::Store,
    templates::row_key::{RowKey, delete},
};

/// The number of rows that one statement reads, and the most that one deletes, which limits its time.
const PAGE: i64 = 2000;

/// Selects the templates to delete.
#[derive(Debug, Clone)]
pub struct Pruning {
    /// Only the templates of this contract; `None` for all contracts that are not in use.
    pub only: Option<ModelContractId>,
    /// The contract that is in use when no model set was activated. Its templates are kept.
    pub kept: ModelContractId,
}

/// The progress of [`Templates::prune`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows read.
    pub seen: u64,
    /// Rows deleted.
    pub deleted: u64,
}

/// The templates of a contract that [`Templates::prune`] would delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusedTemplates {
    /// The contract.
    pub contract: String,
    /// Their number; an estimate when the table is large.
    pub templates: u64,
}

impl Store {
    /// Deletes the enrolment of a contract, so that its templates can be pruned. False when the contract is active, measured as
    /// the shadow model, or a process works on the enrolment.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn delete_enrolment(&self, contract: &ModelContractId) -> Result<bool, StoreError> {
        let contract = contract.as_str();
        let query = || {
            sqlx::query!(
                "DELETE FROM store.enrolment_run AS run
                  WHERE contract_id = $1
                    AND contract_id NOT IN (SELECT contract_id FROM store.active_model
                                             UNION ALL SELECT contract_id FROM store.shadow_model)
                    AND NOT EXISTS (SELECT FROM store.enrolment_range
                                     WHERE contract_id = run.contract_id AND lease_until >= now())",
                contract
            )
        };
        self.0.pool.execute(query).await?;
        let query = || {
            sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT FROM store.enrolment_run WHERE contract_id = $1) AS "exists!""#,
                contract
            )
        };
        Ok(!self.0.pool.fetch_one(query).await?)
    }

    /// Deletes the enrolments that began before the active model was activated and that no process works on. Later
    /// enrolments are kept, as is that of the shadow model: they prepare the next activation.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn delete_former_enrolments(&self) -> Result<(), StoreError> {
        let query = || {
            sqlx::query!(
                "DELETE FROM store.enrolment_run AS run
                  USING store.active_model AS active
                  WHERE run.contract_id <> active.contract_id
                    AND run.contract_id NOT IN (SELECT contract_id FROM store.shadow_model)
                    AND run.started_at < active.activated_at
                    AND NOT EXISTS (SELECT FROM store.enrolment_range
                                     WHERE contract_id = run.contract_id AND lease_until >= now())"
            )
        };
        self.0.pool.execute(query).await?;
        Ok(())
    }
}

impl Templates {
    /// Deletes templates in batches, and calls `after_each` after each batch. Templates of the active contract and of
    /// contracts with an enrolment are kept, also when the activation or enrolment begins meanwhile. Both wait while a batch
    /// is deleted. It can be stopped at any moment; the next run does the rest.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn prune(
        &self,
        pruning: &Pruning,
        mut after_each: impl AsyncFnMut(Pruned),
    ) -> Result<Pruned, StoreError> {
        let mut so_far = Pruned::default();
        let mut after = RowKey::default();
        loop {
            let query = || {
                sqlx::query_as!(
                    RowKey,
                    "SELECT person_key, contract_id
                       FROM store.face_template
                      WHERE (person_key, contract_id) > ($1, $2)
                      ORDER BY person_key, contract_id
                      LIMIT $3",
                    after.person_key,
                    after.contract_id,
                    PAGE
                )
            };
            let mut page = self.0.pool.fetch_all(query).await?;
            let Some(last) = page.last() else { return Ok(so_far) };
            after = last.clone();
            so_far.seen += page.len() as u64;
            page.retain(|key| pruning.may_delete(&key.contract_id));
            if !page.is_empty() {
                let deletion = Deletion { page, kept: pruning.kept.as_str().to_owned() };
                so_far.deleted += self.0.pool.run(delete_unused, &deletion).await?;
            }
            after_each(so_far).await;
        }
    }

    /// What pruning would delete now, by contract. Nothing is changed.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn unused(&self, pruning: &Pruning) -> Result<Vec<UnusedTemplates>, StoreError> {
        // The contracts that are in use once the enrolments have been deleted.
        let query = || {
            sqlx::query_scalar!(
                r#"SELECT coalesce((SELECT contract_id FROM store.active_model), $1) AS "contract_id!"
                    UNION ALL
                   SELECT run.contract_id
                     FROM store.enrolment_run AS run
                     LEFT JOIN store.active_model AS active ON true
                    WHERE run.contract_id = active.contract_id
                       OR run.contract_id IN (SELECT contract_id FROM store.shadow_model)
                       OR EXISTS (SELECT FROM store.enrolment_range AS part
                                   WHERE part.contract_id = run.contract_id AND part.lease_until >= now())
                       OR CASE WHEN $2::text IS NULL
                               THEN active.activated_at IS NULL OR run.started_at >= active.activated_at
                               ELSE run.contract_id <> $2 END"#,
                pruning.kept.as_str(),
                pruning.only.as_ref().map(ModelContractId::as_str)
            )
        };
        let kept: HashSet<_> = self.0.pool.fetch_all(query).await?.into_iter().collect();
        let counts = self.counts().await?.into_iter();
        let unused =
            counts.filter(|count| pruning.may_delete(&count.contract) && !kept.contains(&count.contract));
        Ok(unused
            .map(|count| UnusedTemplates { contract: count.contract, templates: count.templates })
            .collect())
    }
}

impl Pruning {
    /// Whether the settings allow it. Whether the contract is in use is known later, by [`delete_unused`].
    fn may_delete(&self, contract: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.as_str() == contract)
    }
}

/// Rows to delete, unless their contract is in use.
struct Deletion {
    page: Vec<RowKey>,
    kept: String,
}

/// Deletes rows whose contract is not in use, and returns their number.
///
/// Until the transaction ends, the locks hold back every activation and every enrolment that begins. A contract that is
/// in use when the rows are deleted is therefore among those that were read. A statement that reads them and deletes at
/// the same time could miss an activation that commits meanwhile; and Citus does not allow it.
fn delete_unused<'c>(
    connection: &'c mut PgConnection,
    deletion: &'c Deletion,
) -> BoxFuture<'c, sqlx::Result<u64>> {
    async move {
        let mut transaction = connection.begin().await?;
        sqlx::query!("LOCK TABLE store.active_model, store.enrolment_run IN SHARE MODE")
            .execute(&mut *transaction)
            .await?;
        let in_use = contracts_in_use(&mut transaction, &deletion.kept).await?;
        let mut unused = deletion.page.clone();
        unused.retain(|key| !in_use.contains(&key.contract_id));
        let deleted = if unused.is_empty() { 0 } else { delete(&mut transaction, &unused, None).await? };
        transaction.commit().await?;
        Ok(deleted)
    }
    .boxed()
}

async fn contracts_in_use(connection: &mut PgConnection, kept: &str) -> sqlx::Result<HashSet<String>> {
    let contracts = sqlx::query_scalar!(
        r#"SELECT coalesce((SELECT contract_id FROM store.active_model), $1) AS "contract_id!"
            UNION ALL
           SELECT contract_id FROM store.enrolment_run"#,
        kept
    )
    .fetch_all(connection)
    .await?;
    Ok(contracts.into_iter().collect())
}
