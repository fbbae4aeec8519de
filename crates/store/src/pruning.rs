//! Deleting the templates of model contracts that are not in use any more.

use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::ModelContractId;
use sqlx::PgConnection;

use crate::{error::StoreError, store::Store};

/// How many rows one statement looks at, which bounds its time whatever it finds.
const BATCH: i64 = 2000;

/// Which templates go.
#[derive(Debug, Clone)]
pub struct Pruning {
    /// Only those of this contract; `None` for those of every contract that is not in use.
    pub only: Option<ModelContractId>,
    /// Those of this contract stay: what services use as long as none was activated.
    pub kept: ModelContractId,
}

/// What a walk over the templates has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Rows looked at.
    pub seen: u64,
    /// Rows deleted.
    pub deleted: u64,
}

impl Store {
    /// Forgets the enrolment of a contract, so that its templates may go; false when a process is at work on it.
    pub async fn forget_enrolment(&self, contract: &ModelContractId) -> Result<bool, StoreError> {
        let contract = contract.as_str().to_owned();
        self.0.pool.run(forget, &contract).await?;
        Ok(!self.0.pool.run(is_enrolled, &contract).await?)
    }

    /// Forgets the enrolments that were begun before the active model was activated and that nobody works on: that
    /// of a model which was enrolled to be activated next is kept.
    pub async fn forget_former_enrolments(&self) -> Result<(), StoreError> {
        Ok(self.0.pool.run(forget_former, &()).await?)
    }

    /// Deletes templates, batch by batch, and reports after each. What belongs to the active contract, or to one that
    /// has an enrolment, stays, also when that comes about in the meantime. Ended at any moment, the next run goes on
    /// with what is left.
    pub async fn prune_templates(
        &self,
        pruning: &Pruning,
        mut after_each: impl AsyncFnMut(Pruned),
    ) -> Result<Pruned, StoreError> {
        let mut so_far = Pruned::default();
        let mut walk = Walk {
            person: Vec::new(),
            contract: String::new(),
            only: pruning.only.as_ref().map(|only| only.as_str().to_owned()),
            kept: pruning.kept.as_str().to_owned(),
        };
        while let Some(batch) = self.0.pool.run(prune, &walk).await? {
            so_far.seen += u64::try_from(batch.seen).unwrap_or_default();
            so_far.deleted += u64::try_from(batch.deleted).unwrap_or_default();
            walk = Walk { person: batch.person_key, contract: batch.contract_id, ..walk };
            after_each(so_far).await;
        }
        Ok(so_far)
    }
}

/// The place that a walk has come to, and what it is after.
struct Walk {
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

fn forget<'c>(connection: &'c mut PgConnection, contract: &'c String) -> BoxFuture<'c, sqlx::Result<()>> {
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

fn forget_former<'c>(connection: &'c mut PgConnection, (): &'c ()) -> BoxFuture<'c, sqlx::Result<()>> {
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
    walk: &'c Walk,
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
        walk.person.as_slice(),
        walk.contract,
        BATCH,
        walk.only.as_deref(),
        walk.kept
    )
    .fetch_optional(connection)
    .boxed()
}
