//! Encrypts templates again after a change of the key.

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::PgConnection;

use crate::{
    error::StoreError,
    templates::{
        TemplateId,
        keys::{Sealed, TemplateKeys},
    },
};

/// The number of rows that one statement reads, which limits its time.
const PAGE: i64 = 2000;
/// The most rows that one statement writes.
const BATCH: usize = 500;

/// The progress of [`Store::reseal_templates`](crate::Store::reseal_templates).
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

pub(crate) struct KeyCountRow {
    pub(crate) key_id: String,
    pub(crate) templates: i64,
}

impl KeyCountRow {
    /// The counts of both lists, in the order of the keys.
    pub(crate) fn merged(mut rows: Vec<Self>, others: Vec<Self>) -> Vec<Self> {
        for other in others {
            match rows.iter_mut().find(|row| row.key_id == other.key_id) {
                Some(row) => row.templates += other.templates,
                None => rows.push(other),
            }
        }
        rows.sort_by(|a, b| a.key_id.cmp(&b.key_id));
        rows
    }
}

impl TemplatesOfKey {
    pub(crate) fn of(row: KeyCountRow, keys: &TemplateKeys) -> Self {
        Self {
            templates: row.templates.unsigned_abs(),
            is_known: keys.has(&row.key_id),
            is_current: keys.current_id() == row.key_id,
            key_id: row.key_id,
        }
    }
}

/// Counts the templates of each key.
pub(crate) fn counts_by_key<'c>(
    connection: &'c mut PgConnection,
    (): &'c (),
) -> BoxFuture<'c, sqlx::Result<Vec<KeyCountRow>>> {
    sqlx::query_as!(
        KeyCountRow,
        r#"SELECT key_id AS "key_id!", count(*) AS "templates!"
             FROM store.face_template
            WHERE key_id IS NOT NULL
            GROUP BY key_id
            ORDER BY key_id"#
    )
    .fetch_all(connection)
    .boxed()
}

/// The key of the last row that was read.
#[derive(Debug, Clone)]
pub(crate) struct Cursor {
    person: Vec<u8>,
    contract: String,
}

/// Selects the next page.
pub(crate) struct PageQuery {
    pub(crate) current_key_id: String,
    pub(crate) after: Cursor,
}

/// The result of a page of consecutive rows. The rows of other keys are encrypted again, in batches.
pub(crate) struct Page {
    pub(crate) last: Cursor,
    pub(crate) seen: u64,
    pub(crate) unreadable: u64,
    pub(crate) batches: Vec<Batch>,
}

/// Templates that one statement writes: the bytes that were read, and the new bytes.
#[derive(Default)]
pub(crate) struct Batch {
    people: Vec<Vec<u8>>,
    contracts: Vec<String>,
    found: Vec<Vec<u8>>,
    sealed: Vec<Vec<u8>>,
    key_id: String,
}

/// A row. `sealed` is only read when its key is not the current one.
pub(crate) struct PageRow {
    person_key: Vec<u8>,
    contract_id: String,
    portrait_updated_at: DateTime<Utc>,
    unusable_reason: Option<String>,
    decoder_version: i16,
    key_id: Option<String>,
    sealed: Option<Vec<u8>>,
}

struct SealedRow {
    person_key: Vec<u8>,
    contract_id: String,
    portrait_updated_at: DateTime<Utc>,
    unusable_reason: Option<String>,
    decoder_version: i16,
    found: Sealed,
}

impl Cursor {
    /// The position before the first row.
    pub(crate) fn start() -> Self {
        Self { person: Vec::new(), contract: String::new() }
    }
}

impl Page {
    /// Encrypts the rows of other keys again, with the current one; `None` when there are no rows.
    pub(crate) fn of(rows: Vec<PageRow>, keys: &TemplateKeys) -> Result<Option<Self>, StoreError> {
        let Some(last) = rows.last() else { return Ok(None) };
        let mut page = Self {
            last: Cursor { person: last.person_key.clone(), contract: last.contract_id.clone() },
            seen: rows.len() as u64,
            unreadable: 0,
            batches: Vec::new(),
        };
        for row in rows.into_iter().filter_map(PageRow::of_another_key) {
            page.add(row, keys)?;
        }
        Ok(Some(page))
    }

    fn add(&mut self, row: SealedRow, keys: &TemplateKeys) -> Result<(), StoreError> {
        let SealedRow {
            person_key,
            contract_id,
            portrait_updated_at,
            unusable_reason,
            decoder_version,
            found,
        } = row;
        let Ok(person) = <[u8; 32]>::try_from(person_key.as_slice()) else {
            self.unreadable += 1;
            return Ok(());
        };
        let unusable = unusable_reason.as_deref().map(|reason| (reason, decoder_version));
        let context =
            TemplateId { person, contract: contract_id.clone() }.context(portrait_updated_at, unusable);
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

impl PageRow {
    fn of_another_key(self) -> Option<SealedRow> {
        let Self { person_key, contract_id, portrait_updated_at, unusable_reason, decoder_version, .. } =
            self;
        let found = Sealed { key_id: self.key_id?, bytes: self.sealed? };
        Some(SealedRow {
            person_key,
            contract_id,
            portrait_updated_at,
            unusable_reason,
            decoder_version,
            found,
        })
    }
}

impl Batch {
    pub(crate) fn len(&self) -> u64 {
        self.people.len() as u64
    }
}

/// The next rows, of all keys. A search for rows of other keys would scan the whole table once most rows have the
/// current key.
pub(crate) fn next<'c>(
    connection: &'c mut PgConnection,
    PageQuery { current_key_id, after }: &'c PageQuery,
) -> BoxFuture<'c, sqlx::Result<Vec<PageRow>>> {
    sqlx::query_as!(
        PageRow,
        "SELECT person_key, contract_id, portrait_updated_at, unusable_reason, decoder_version, key_id,
                CASE WHEN key_id <> $3 THEN sealed END AS sealed
           FROM store.face_template
          WHERE (person_key, contract_id) > ($1, $2)
          ORDER BY person_key, contract_id
          LIMIT $4",
        after.person.as_slice(),
        after.contract,
        current_key_id,
        PAGE
    )
    .fetch_all(connection)
    .boxed()
}

/// Writes a batch, and returns the number of rows that had not changed since they were read.
pub(crate) fn replace<'c>(
    connection: &'c mut PgConnection,
    batch: &'c Batch,
) -> BoxFuture<'c, sqlx::Result<u64>> {
    async move {
        let done = sqlx::query!(
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
        .execute(connection)
        .await?;
        Ok(done.rows_affected())
    }
    .boxed()
}
