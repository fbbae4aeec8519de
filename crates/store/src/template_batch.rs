//! Templates of several people at once.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use padan_domain::{ModelContractId, NationalId};
use sqlx::PgConnection;

use crate::{
    error::StoreError,
    store::Store,
    template::{StoredTemplate, TemplateId, TemplateRow},
    template_keys::TemplateKeys,
};

/// What is kept of a person's portrait, without the embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTemplate {
    /// The registry's `portrait_updated_at` of the photo it came from.
    pub portrait_updated_at: DateTime<Utc>,
    /// Why there is no embedding; `None` when there is one.
    pub unusable_reason: Option<String>,
    /// Whether the key that sealed the embedding is among `store.template_keys`; without it nobody can read it.
    pub has_key: bool,
}

impl Store {
    /// What is kept of these people under a model contract, in their order. Whether it is stale is for the caller to
    /// judge.
    pub async fn kept_templates(
        &self,
        niks: &[NationalId],
        contract: &ModelContractId,
    ) -> Result<Vec<Option<KeptTemplate>>, StoreError> {
        let people = niks
            .iter()
            .map(|nik| Ok(self.0.person_keys.of(nik)?.to_vec()))
            .collect::<Result<_, StoreError>>()?;
        let question: (Vec<Vec<u8>>, _) = (people, contract.as_str().to_owned());
        let rows = self.0.pool.run(kept, &question).await?;
        let mut found: HashMap<_, _> = rows.into_iter().map(|row| (row.person_key.clone(), row)).collect();
        let keys = &self.0.template_keys;
        Ok(question.0.iter().map(|person| found.remove(person).map(|row| row.judge(keys))).collect())
    }

    /// Keeps templates of several people, each at most once among them, in one statement: all are kept or none. One
    /// that came from an older photo than one kept within the last hour changes nothing.
    pub async fn keep_templates(
        &self,
        templates: &[(NationalId, StoredTemplate)],
        contract: &ModelContractId,
    ) -> Result<(), StoreError> {
        let mut batch = TemplateBatch::new(contract);
        for (nik, template) in templates {
            let id = self.template_id(nik, contract)?;
            batch.add(&id, TemplateRow::seal(template, &id, &self.0.template_keys)?);
        }
        Ok(self.0.pool.run(keep, &batch).await?)
    }
}

/// Rows to be written, column by column.
struct TemplateBatch {
    contract: String,
    people: Vec<Vec<u8>>,
    moments: Vec<DateTime<Utc>>,
    key_ids: Vec<Option<String>>,
    sealed: Vec<Option<Vec<u8>>>,
    reasons: Vec<Option<String>>,
}

impl TemplateBatch {
    fn new(contract: &ModelContractId) -> Self {
        Self {
            contract: contract.as_str().to_owned(),
            people: Vec::new(),
            moments: Vec::new(),
            key_ids: Vec::new(),
            sealed: Vec::new(),
            reasons: Vec::new(),
        }
    }

    fn add(&mut self, id: &TemplateId, row: TemplateRow) {
        self.people.push(id.person.to_vec());
        self.moments.push(row.portrait_updated_at);
        self.key_ids.push(row.key_id);
        self.sealed.push(row.sealed);
        self.reasons.push(row.unusable_reason);
    }
}

struct KeptRow {
    person_key: Vec<u8>,
    portrait_updated_at: DateTime<Utc>,
    key_id: Option<String>,
    unusable_reason: Option<String>,
}

impl KeptRow {
    fn judge(self, keys: &TemplateKeys) -> KeptTemplate {
        KeptTemplate {
            portrait_updated_at: self.portrait_updated_at,
            unusable_reason: self.unusable_reason,
            has_key: self.key_id.is_none_or(|id| keys.has(&id)),
        }
    }
}

/// One probe of the index for each person, in the person's own partition where the table has partitions: `LIMIT` keeps
/// the planner from joining whole tables, and a search for all of them at once looks into every partition.
fn kept<'c>(
    connection: &'c mut PgConnection,
    (people, contract): &'c (Vec<Vec<u8>>, String),
) -> BoxFuture<'c, sqlx::Result<Vec<KeptRow>>> {
    sqlx::query_as!(
        KeptRow,
        r#"SELECT kept.person_key AS "person_key!", kept.portrait_updated_at AS "portrait_updated_at!",
                  kept.key_id, kept.unusable_reason
             FROM unnest($1::bytea[]) AS asked (person_key),
                  LATERAL (SELECT person_key, portrait_updated_at, key_id, unusable_reason
                             FROM store.face_template
                            WHERE person_key = asked.person_key
                              AND contract_id = $2
                            LIMIT 1) AS kept"#,
        people,
        contract
    )
    .fetch_all(connection)
    .boxed()
}

/// Keeps templates unless a newer photo's was written within the last hour: then this one comes from a replica that
/// lags behind. One of the same photo is replaced: limits may have changed since, and two instances that embedded it
/// at the same time wrote the same. One that is older for longer is the registry's own doing, such as a restored
/// backup, and what the registry says now counts.
///
/// Rows are written in the order of their keys, so that two batches with people in common wait for each other and
/// never for themselves.
fn keep<'c>(connection: &'c mut PgConnection, batch: &'c TemplateBatch) -> BoxFuture<'c, sqlx::Result<()>> {
    async move {
        sqlx::query!(
            "INSERT INTO store.face_template AS kept
                    (person_key, contract_id, portrait_updated_at, key_id, sealed, unusable_reason)
             SELECT person_key, $1, portrait_updated_at, key_id, sealed, unusable_reason
               FROM unnest($2::bytea[], $3::timestamptz[], $4::text[], $5::bytea[], $6::text[])
                    AS new (person_key, portrait_updated_at, key_id, sealed, unusable_reason)
              ORDER BY person_key
             ON CONFLICT (person_key, contract_id) DO UPDATE
             SET portrait_updated_at = excluded.portrait_updated_at,
                 key_id = excluded.key_id,
                 sealed = excluded.sealed,
                 unusable_reason = excluded.unusable_reason,
                 created_at = now()
             WHERE kept.portrait_updated_at <= excluded.portrait_updated_at
                OR kept.created_at < now() - interval '1 hour'",
            batch.contract,
            &batch.people,
            &batch.moments,
            &batch.key_ids as &[Option<String>],
            &batch.sealed as &[Option<Vec<u8>>],
            &batch.reasons as &[Option<String>]
        )
        .execute(connection)
        .await
        .map(drop)
    }
    .boxed()
}
