//! Sealing templates anew after a change of key.

use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};
use sqlx::PgConnection;

use crate::{
    error::StoreError,
    template::TemplateId,
    template_keys::{Sealed, TemplateKeys},
};

/// How many rows one statement looks at, which bounds its time whatever it finds.
const PAGE: i64 = 2000;
/// How many rows one statement rewrites.
const BATCH: usize = 500;

/// What a walk over the templates has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Rows looked at, those with an embedding and those without.
    pub seen: u64,
    /// Rows that are sealed with the current key now and were not before.
    pub resealed: u64,
    /// Rows that the service wrote anew in the meantime; they carry the current key if the service does.
    pub overtaken: u64,
    /// Rows that none of the keys opens, left as they are.
    pub unopened: u64,
}

/// The place that a walk has come to: rows behind it are sealed with the current key, or cannot be.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    person: Vec<u8>,
    contract: String,
}

/// Rows that follow each other: what is to be sealed anew among them, in batches.
pub(crate) struct Page {
    pub(crate) last: Place,
    pub(crate) seen: u64,
    pub(crate) unopened: u64,
    pub(crate) batches: Vec<Batch>,
}

/// Templates that one statement rewrites: what they were, and what they become.
#[derive(Default)]
pub(crate) struct Batch {
    people: Vec<Vec<u8>>,
    contracts: Vec<String>,
    found: Vec<Vec<u8>>,
    sealed: Vec<Vec<u8>>,
    key_id: String,
}

/// A row; what it holds only when another key than the current one seals it.
pub(crate) struct PageRow {
    person_key: Vec<u8>,
    contract_id: String,
    portrait_updated_at: DateTime<Utc>,
    key_id: Option<String>,
    sealed: Option<Vec<u8>>,
}

struct SealedRow {
    person_key: Vec<u8>,
    contract_id: String,
    portrait_updated_at: DateTime<Utc>,
    found: Sealed,
}

impl Place {
    /// Before every row.
    pub(crate) fn start() -> Self {
        Self { person: Vec::new(), contract: String::new() }
    }
}

impl Page {
    /// Opens the rows of other keys and seals them with the current one; `None` when there are no rows at all.
    pub(crate) fn of(rows: Vec<PageRow>, keys: &TemplateKeys) -> Result<Option<Self>, StoreError> {
        let Some(last) = rows.last() else { return Ok(None) };
        let mut page = Self {
            last: Place { person: last.person_key.clone(), contract: last.contract_id.clone() },
            seen: rows.len() as u64,
            unopened: 0,
            batches: Vec::new(),
        };
        for row in rows.into_iter().filter_map(PageRow::of_another_key) {
            page.add(row, keys)?;
        }
        Ok(Some(page))
    }

    fn add(&mut self, row: SealedRow, keys: &TemplateKeys) -> Result<(), StoreError> {
        let SealedRow { person_key, contract_id, portrait_updated_at, found } = row;
        let Ok(person) = <[u8; 32]>::try_from(person_key.as_slice()) else {
            self.unopened += 1;
            return Ok(());
        };
        let context = TemplateId { person, contract: contract_id.clone() }.context(portrait_updated_at);
        match keys.open(&found, &context) {
            Ok(Some(plain)) => {
                let sealed = keys.seal(&plain, &context)?;
                let batch = self.open_batch(sealed.key_id);
                batch.sealed.push(sealed.bytes);
                batch.people.push(person_key);
                batch.contracts.push(contract_id);
                batch.found.push(found.bytes);
            }
            Ok(None) | Err(StoreError::UnknownKey(_)) => self.unopened += 1,
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
        let Self { person_key, contract_id, portrait_updated_at, key_id, sealed } = self;
        let found = Sealed { key_id: key_id?, bytes: sealed? };
        Some(SealedRow { person_key, contract_id, portrait_updated_at, found })
    }
}

impl Batch {
    pub(crate) fn len(&self) -> u64 {
        self.people.len() as u64
    }
}

/// The next rows, whichever key seals them: looking for those of other keys alone would go over the whole table once
/// most rows have the current one.
pub(crate) fn next<'c>(
    connection: &'c mut PgConnection,
    (current, after): &'c (String, Place),
) -> BoxFuture<'c, sqlx::Result<Vec<PageRow>>> {
    sqlx::query_as!(
        PageRow,
        "SELECT person_key, contract_id, portrait_updated_at, key_id,
                CASE WHEN key_id <> $3 THEN sealed END AS sealed
           FROM store.face_template
          WHERE (person_key, contract_id) > ($1, $2)
          ORDER BY person_key, contract_id
          LIMIT $4",
        after.person.as_slice(),
        after.contract,
        current,
        PAGE
    )
    .fetch_all(connection)
    .boxed()
}

/// Writes a batch; gives the number of rows that were still as they were found.
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
