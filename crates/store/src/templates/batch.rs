//! Reads and writes templates, also those of several people in one statement.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use padan_domain::{ModelContractId, NationalId};

use crate::{
    error::StoreError,
    handles::Templates,
    templates::{StoredTemplate, TemplateId, TemplateRow, keys::TemplateKeys},
};

/// A person's template without the embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateSummary {
    /// The registry's `portrait_updated_at` of the template's photo.
    pub portrait_updated_at: DateTime<Utc>,
    /// The reason why there is no embedding; `None` when there is one.
    pub unusable_reason: Option<String>,
    /// The version of the decoder that read the photo; 0 when it was not recorded.
    pub decoder_version: i16,
    /// Whether the face is covered or cut off; `None` when there is no embedding or the face was not judged.
    pub covered: Option<bool>,
    /// Whether the key that encrypted the embedding is among `store.template_keys`, or the reason is authentic.
    pub is_readable: bool,
}

impl TemplateSummary {
    /// Whether there is no embedding, but a decoder of this version may get one out of the same photo.
    pub fn may_become_usable(&self, decoder_version: i16) -> bool {
        self.unusable_reason.is_some() && self.decoder_version < decoder_version
    }

    /// Whether there is an embedding, and the program that made it did not judge whether the face is covered.
    pub fn is_unjudged(&self) -> bool {
        self.unusable_reason.is_none() && self.covered.is_none()
    }
}

impl Templates {
    /// The template of a person under a model contract. It may be stale: compare its `portrait_updated_at` with the
    /// registry's.
    ///
    /// # Errors
    ///
    /// [`StoreError::UnknownKey`] or [`StoreError::Inconsistent`] when the row cannot be decrypted; otherwise when the
    /// store fails.
    pub async fn get(
        &self,
        nik: &NationalId,
        contract: &ModelContractId,
    ) -> Result<Option<StoredTemplate>, StoreError> {
        let id = self.0.template_id(nik, contract)?;
        let query = || {
            sqlx::query_as!(
                TemplateRow,
                "SELECT portrait_updated_at, key_id, sealed, unusable_reason, decoder_version, covered
                   FROM store.face_template
                  WHERE person_key = $1
                    AND contract_id = $2",
                id.person.as_slice(),
                id.contract
            )
        };
        let row = self.0.pool().fetch_optional(query).await?;
        row.map_or(Ok(None), |row| row.open(&id, self.0.template_keys()?))
    }

    /// Saves a template. It changes nothing when a template of a newer photo was saved within the last hour.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn save(
        &self,
        nik: &NationalId,
        contract: &ModelContractId,
        template: &StoredTemplate,
    ) -> Result<(), StoreError> {
        self.save_all(&[(nik.clone(), template.clone())], contract).await
    }

    /// The summaries of these people's templates under a model contract, in the order of `niks`; `None` for a person
    /// without a template. They may be stale: compare `portrait_updated_at` with the registry's.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn summaries(
        &self,
        niks: &[NationalId],
        contract: &ModelContractId,
    ) -> Result<Vec<Option<TemplateSummary>>, StoreError> {
        let people = niks
            .iter()
            .map(|nik| Ok(self.0.person_keys()?.of(nik)?.to_vec()))
            .collect::<Result<Vec<_>, StoreError>>()?;
        let contract = contract.as_str();
        // Makes one index look-up for each person, in the person's own partition where the table is partitioned.
        //
        // `GROUP BY` prevents the planner from joining the tables in another way. A condition with `= ANY` would search every
        // partition for every person. `LIMIT` would have the same effect as `GROUP BY`, but Citus refuses it here.
        let query = || {
            sqlx::query_as!(
                SummaryRow,
                r#"SELECT kept.person_key AS "person_key!", kept.portrait_updated_at AS "portrait_updated_at!",
                          kept.key_id, kept.unusable_reason,
                          kept.decoder_version AS "decoder_version!", kept.covered, kept.seal
                     FROM unnest($1::bytea[]) AS asked (person_key),
                          LATERAL (SELECT person_key, portrait_updated_at, key_id, unusable_reason, decoder_version, covered,
                                          CASE WHEN unusable_reason IS NOT NULL THEN sealed END AS seal
                                     FROM store.face_template
                                    WHERE person_key = asked.person_key
                                      AND contract_id = $2
                                    GROUP BY person_key, contract_id) AS kept"#,
                &people,
                contract
            )
        };
        let rows = self.0.pool.fetch_all(query).await?;
        let mut found: HashMap<_, _> = rows.into_iter().map(|row| (row.person_key.clone(), row)).collect();
        let keys = self.0.template_keys()?;
        Ok(people.iter().map(|person| found.remove(person).map(|row| row.summary(contract, keys))).collect())
    }

    /// Saves templates of several people in one statement, all or none. A person must not occur twice. A template
    /// changes nothing when one of a newer photo was saved within the last hour.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn save_all(
        &self,
        templates: &[(NationalId, StoredTemplate)],
        contract: &ModelContractId,
    ) -> Result<(), StoreError> {
        let mut batch = TemplateBatch::new(contract);
        for (nik, template) in templates {
            let id = self.0.template_id(nik, contract)?;
            batch.add(&id, TemplateRow::seal(template, &id, self.0.template_keys()?)?);
        }
        // Writes templates, unless one of a newer photo was written within the last hour: then the older photo comes from a
        // replica that lags. A template of the same photo is replaced, since limits may have changed. After an hour, an older
        // photo replaces a newer one, since the registry itself has the older photo, for example after a restore.
        //
        // Rows are written in the order of their keys, so that two batches with common people cannot deadlock. The present time
        // is a value of the new row, because Citus allows no `now()` behind `ON CONFLICT`.
        let query = || {
            sqlx::query!(
                "INSERT INTO store.face_template AS kept
                        (person_key, contract_id, portrait_updated_at, key_id, sealed, unusable_reason, decoder_version,
                         covered, created_at)
                 SELECT person_key, $1, portrait_updated_at, key_id, sealed, unusable_reason, decoder_version, covered,
                        now()
                   FROM unnest($2::bytea[], $3::timestamptz[], $4::text[], $5::bytea[], $6::text[], $7::smallint[],
                               $8::boolean[])
                        AS new (person_key, portrait_updated_at, key_id, sealed, unusable_reason, decoder_version, covered)
                  ORDER BY person_key
                 ON CONFLICT (person_key, contract_id) DO UPDATE
                 SET portrait_updated_at = excluded.portrait_updated_at,
                     key_id = excluded.key_id,
                     sealed = excluded.sealed,
                     unusable_reason = excluded.unusable_reason,
                     decoder_version = excluded.decoder_version,
                     covered = excluded.covered,
                     created_at = excluded.created_at
                 WHERE kept.portrait_updated_at <= excluded.portrait_updated_at
                    OR excluded.created_at - kept.created_at > interval '1 hour'",
                batch.contract,
                &batch.people,
                &batch.moments,
                &batch.key_ids as &[Option<String>],
                &batch.sealed as &[Option<Vec<u8>>],
                &batch.reasons as &[Option<String>],
                &batch.decoder_versions,
                &batch.covered as &[Option<bool>]
            )
        };
        self.0.pool.execute(query).await?;
        Ok(())
    }
}

/// The rows to write, as columns.
struct TemplateBatch {
    contract: String,
    people: Vec<Vec<u8>>,
    moments: Vec<DateTime<Utc>>,
    key_ids: Vec<Option<String>>,
    sealed: Vec<Option<Vec<u8>>>,
    reasons: Vec<Option<String>>,
    decoder_versions: Vec<i16>,
    covered: Vec<Option<bool>>,
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
            decoder_versions: Vec::new(),
            covered: Vec::new(),
        }
    }

    fn add(&mut self, id: &TemplateId, row: TemplateRow) {
        self.people.push(id.person.to_vec());
        self.moments.push(row.portrait_updated_at);
        self.key_ids.push(row.key_id);
        self.sealed.push(row.sealed);
        self.reasons.push(row.unusable_reason);
        self.decoder_versions.push(row.decoder_version);
        self.covered.push(row.covered);
    }
}

struct SummaryRow {
    person_key: Vec<u8>,
    portrait_updated_at: DateTime<Utc>,
    key_id: Option<String>,
    unusable_reason: Option<String>,
    decoder_version: i16,
    covered: Option<bool>,
    /// Only beside a reason, where it is short.
    seal: Option<Vec<u8>>,
}

impl SummaryRow {
    fn summary(self, contract: &str, keys: &TemplateKeys) -> TemplateSummary {
        TemplateSummary {
            is_readable: self.is_readable(contract, keys),
            portrait_updated_at: self.portrait_updated_at,
            unusable_reason: self.unusable_reason,
            decoder_version: self.decoder_version,
            covered: self.covered,
        }
    }

    fn is_readable(&self, contract: &str, keys: &TemplateKeys) -> bool {
        if self.unusable_reason.is_none() {
            return self.key_id.as_deref().is_some_and(|id| keys.has(id));
        }
        let Ok(person) = self.person_key.as_slice().try_into() else { return false };
        let row = TemplateRow {
            portrait_updated_at: self.portrait_updated_at,
            key_id: self.key_id.clone(),
            sealed: self.seal.clone(),
            unusable_reason: self.unusable_reason.clone(),
            decoder_version: self.decoder_version,
            covered: self.covered,
        };
        let id = TemplateId { person, contract: contract.to_owned() };
        row.open(&id, keys).is_ok_and(|template| template.is_some())
    }
}
