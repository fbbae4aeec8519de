//! Encrypts templates again after a change of the key.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::{
    error::StoreError,
    handles::Templates,
    templates::{
        TemplateId,
        keys::{Sealed, TemplateKeys},
        row_key::RowKey,
    },
};

/// The number of rows that one statement reads, which limits its time.
const PAGE: i64 = 2000;
/// The most rows that one statement writes.
const BATCH: usize = 500;

/// The progress of [`Templates::reseal`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Rows read, with or without an embedding.
    pub seen: u64,
    /// Rows that were encrypted again, with the current key.
    pub resealed: u64,
    /// Rows that a service wrote meanwhile, with the service's current key.
    pub superseded: u64,
    /// Rows that no key decrypts. They are unchanged.
    pub unreadable: u64,
}

/// The number of templates that one key encrypts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplatesOfKey {
    /// The key's id.
    pub key_id: String,
    /// The number of templates.
    pub templates: u64,
    /// Whether the settings have this key. Else its templates cannot be encrypted again.
    pub is_known: bool,
    /// Whether it is the first key, with which all templates are to be encrypted.
    pub is_current: bool,
}

impl Templates {
    /// Encrypts all templates, and faces of cohorts, of other keys with the current key, in batches. Calls `after_each`
    /// after each batch, and after each page without one.
    ///
    /// Services may read and write meanwhile. It can be stopped at any moment; the next run does the rest.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn reseal(&self, mut after_each: impl AsyncFnMut(Resealed)) -> Result<Resealed, StoreError> {
        let keys = self.0.template_keys()?;
        let mut so_far = Resealed::default();
        let mut after = RowKey::default();
        loop {
            // The next rows, of all keys. A search for rows of other keys would scan the whole table once most rows have the
            // current key.
            let query = || {
                sqlx::query_as!(
                    PageRow,
                    "SELECT person_key, contract_id, portrait_updated_at, unusable_reason, decoder_version, key_id,
                            CASE WHEN key_id <> $3 THEN sealed END AS sealed
                       FROM store.face_template
                      WHERE (person_key, contract_id) > ($1, $2)
                      ORDER BY person_key, contract_id
                      LIMIT $4",
                    after.person_key,
                    after.contract_id,
                    keys.current_id(),
                    PAGE
                )
            };
            let Some(page) = Page::of(self.0.pool().fetch_all(query).await?, keys)? else { break };
            so_far.seen += page.seen;
            so_far.unreadable += page.unreadable;
            for batch in &page.batches {
                let replaced = self.replace(batch).await?;
                so_far.resealed += replaced;
                so_far.superseded += batch.len() - replaced;
                after_each(so_far).await;
            }
            after = page.last;
            if page.batches.is_empty() {
                after_each(so_far).await;
            }
        }
        let (resealed, unreadable) = self.reseal_cohorts().await?;
        so_far.resealed += resealed;
        so_far.unreadable += unreadable;
        Ok(so_far)
    }

    /// Writes a batch, and returns the number of rows that had not changed since they were read.
    async fn replace(&self, batch: &Batch) -> Result<u64, StoreError> {
        let query = || {
            sqlx::query!(
                "UPDATE store.face_template AS kept
                    SET key_id = $1,
                        sealed = new.sealed
                   FROM unnest($2::bytea[], $3::text[], $4::bytea[], $5::bytea[])
                        AS new (person_key, contract_id, found, sealed)
                  WHERE kept.person_key = new.person_key
                    AND kept.contract_id = new.contract_id
                    AND kept.sealed = new.found",
                batch.key_id,
                &batch.people,
                &batch.contracts,
                &batch.found,
                &batch.sealed
            )
        };
        Ok(self.0.pool().execute(query).await?)
    }

    /// The id of the key that encrypts templates.
    ///
    /// # Errors
    ///
    /// When the store was opened without template keys.
    pub fn key_id(&self) -> Result<&str, StoreError> {
        self.0.template_keys().map(TemplateKeys::current_id)
    }

    /// How many templates, and faces of cohorts, each key encrypts. Reads the whole table, and changes nothing.
    ///
    /// # Errors
    ///
    /// When the store was opened without template keys, or fails.
    pub async fn by_key(&self) -> Result<Vec<TemplatesOfKey>, StoreError> {
        let keys = self.0.template_keys()?;
        let query = || {
            sqlx::query_as!(
                KeyCountRow,
                r#"SELECT key_id AS "key_id!", count(*) AS "templates!"
                     FROM store.face_template
                    WHERE key_id IS NOT NULL
                    GROUP BY key_id"#
            )
        };
        let rows = self.0.pool().fetch_all(query).await?;
        let query = || {
            sqlx::query_as!(
                KeyCountRow,
                r#"SELECT key_id AS "key_id!", count(*) AS "templates!"
                     FROM store.cohort_member
                    WHERE key_id IS NOT NULL
                    GROUP BY key_id"#
            )
        };
        let of_cohorts = self.0.pool().fetch_all(query).await?;
        let mut counts = BTreeMap::new();
        for row in rows.into_iter().chain(of_cohorts) {
            *counts.entry(row.key_id).or_default() += row.templates.unsigned_abs();
        }
        let counts = counts.into_iter().map(|(key_id, templates)| TemplatesOfKey {
            is_known: keys.has(&key_id),
            is_current: keys.current_id() == key_id,
            key_id,
            templates,
        });
        Ok(counts.collect())
    }
}

struct KeyCountRow {
    key_id: String,
    templates: i64,
}

/// The result of a page of consecutive rows. The rows of other keys are encrypted again, in batches.
struct Page {
    last: RowKey,
    seen: u64,
    unreadable: u64,
    batches: Vec<Batch>,
}

/// Templates that one statement writes: the bytes that were read, and the new bytes.
#[derive(Default)]
struct Batch {
    people: Vec<Vec<u8>>,
    contracts: Vec<String>,
    found: Vec<Vec<u8>>,
    sealed: Vec<Vec<u8>>,
    key_id: String,
}

/// A row. `sealed` is only read when its key is not the current one.
struct PageRow {
    person_key: Vec<u8>,
    contract_id: String,
    portrait_updated_at: DateTime<Utc>,
    unusable_reason: Option<String>,
    decoder_version: i16,
    key_id: Option<String>,
    sealed: Option<Vec<u8>>,
}

impl Page {
    /// Encrypts the rows of other keys again, with the current one; `None` when there are no rows.
    fn of(rows: Vec<PageRow>, keys: &TemplateKeys) -> Result<Option<Self>, StoreError> {
        let Some(last) = rows.last() else { return Ok(None) };
        let mut page = Self {
            last: RowKey { person_key: last.person_key.clone(), contract_id: last.contract_id.clone() },
            seen: rows.len() as u64,
            unreadable: 0,
            batches: Vec::new(),
        };
        for row in rows {
            page.add(row, keys)?;
        }
        Ok(Some(page))
    }

    fn add(&mut self, row: PageRow, keys: &TemplateKeys) -> Result<(), StoreError> {
        let PageRow { person_key, contract_id, .. } = row;
        let (Some(key_id), Some(bytes)) = (row.key_id, row.sealed) else { return Ok(()) };
        let Ok(person) = <[u8; 32]>::try_from(person_key.as_slice()) else {
            self.unreadable += 1;
            return Ok(());
        };
        let found = Sealed { key_id, bytes };
        let unusable = row.unusable_reason.as_deref().map(|reason| (reason, row.decoder_version));
        let context =
            TemplateId { person, contract: contract_id.clone() }.context(row.portrait_updated_at, unusable);
        match keys.open(&found, &context) {
            Ok(Some(plain)) => {
                let sealed = keys.seal(&plain, &context)?;
                let batch = self.open_batch(sealed.key_id);
                batch.sealed.push(sealed.bytes);
                batch.people.push(person_key);
                batch.contracts.push(contract_id);
                batch.found.push(found.bytes);
            }
            Ok(None) | Err(StoreError::UnknownKey(_)) => self.unreadable += 1,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The batch that is not full yet.
    fn open_batch(&mut self, key_id: String) -> &mut Batch {
        if self.batches.last().is_none_or(|batch| batch.people.len() == BATCH) {
            self.batches.push(Batch { key_id, ..Batch::default() });
        }
        let last = self.batches.len() - 1;
        &mut self.batches[last]
    }
}

impl Batch {
    fn len(&self) -> u64 {
        self.people.len() as u64
    }
}
